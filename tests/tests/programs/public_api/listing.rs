//! The lines of a listing: an item a line, with what belongs to it, sorted.

use std::collections::BTreeSet;

use quote::ToTokens;
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, TraitItem};

use super::source::{Sources, ident, is_public, leaves, says};

/// Everything that users of this crate can name.
pub(super) fn listing(sources: &Sources, name: &str) -> String {
    let mut lines = Lines {
        sources,
        lines: BTreeSet::new(),
    };
    let place = [name.to_owned()];
    lines.module(&place, name);
    for item in sources.items(&place) {
        // They are at the crate's root, wherever they stand.
        lines.exported_macros(item, name);
    }
    lines.macros_below(&place, name);
    let lines: Vec<String> = lines.lines.into_iter().collect();
    lines.join("\n") + "\n"
}

struct Lines<'a> {
    sources: &'a Sources,
    lines: BTreeSet<String>,
}

impl Lines<'_> {
    fn push(&mut self, line: String) {
        self.lines.insert(line);
    }

    fn module(&mut self, place: &[String], public: &str) {
        for item in self.sources.items(place) {
            if hidden(item) {
                continue;
            }
            match item {
                Item::Mod(module) if is_public(&module.vis) => {
                    let name = module.ident.to_string();
                    let public = format!("{public}::{name}");
                    self.push(format!("pub mod {public}"));
                    self.module(&[place, &[name]].concat(), &public);
                }
                Item::Use(import) if is_public(&import.vis) => {
                    for (path, alias) in leaves(&import.tree) {
                        match self.sources.find(place, &path) {
                            Some((at, item)) => self.item(&at, item, &format!("{public}::{alias}")),
                            None => self.push(format!("pub use {public}::{alias} = {}", path.join("::"))),
                        }
                    }
                }
                item => {
                    if let Some(name) = ident(item) {
                        self.item(place, item, &format!("{public}::{name}"));
                    }
                }
            }
        }
    }

    /// The definition of what has this public name.
    fn item(&mut self, place: &[String], item: &Item, public: &str) {
        match item {
            Item::Const(i) if is_public(&i.vis) => self.push(format!("pub const {public}: {}", text(&i.ty))),
            Item::Static(i) if is_public(&i.vis) => {
                self.push(format!("pub static {public}: {}", text(&i.ty)));
            }
            Item::Type(i) if is_public(&i.vis) => self.push(format!("pub type {public} = {}", text(&i.ty))),
            Item::Fn(i) if is_public(&i.vis) => {
                let line = text(&i.sig).replacen(&format!("fn {}", i.sig.ident), &format!("fn {public}"), 1);
                self.push(format!("pub {line}"));
            }
            Item::Struct(i) if is_public(&i.vis) => {
                let marks = marks(&i.attrs);
                self.push(format!("pub struct {public}{}{marks}", generics(&i.generics)));
                self.fields(&i.fields, public);
                self.belongings(place, &i.ident.to_string(), &i.attrs, public);
            }
            Item::Enum(i) if is_public(&i.vis) => {
                let marks = marks(&i.attrs);
                self.push(format!("pub enum {public}{}{marks}", generics(&i.generics)));
                for variant in &i.variants {
                    self.push(format!("{public}::{}{}", variant.ident, text(&variant.fields)));
                }
                self.belongings(place, &i.ident.to_string(), &i.attrs, public);
            }
            Item::Trait(i) if is_public(&i.vis) => {
                let above = if i.supertraits.is_empty() {
                    String::new()
                } else {
                    format!(": {}", text(&i.supertraits))
                };
                self.push(format!("pub trait {public}{}{above}", generics(&i.generics)));
                for inner in &i.items {
                    match inner {
                        TraitItem::Fn(f) if !says(&f.attrs, "doc(hidden)") => {
                            self.push(format!("{public}: {}", text(&f.sig)));
                        }
                        TraitItem::Type(t) => self.push(format!("{public}: type {}", t.ident)),
                        TraitItem::Const(c) => {
                            self.push(format!("{public}: const {}: {}", c.ident, text(&c.ty)));
                        }
                        _ => {}
                    }
                }
            }
            Item::Mod(i) if is_public(&i.vis) => {
                self.push(format!("pub mod {public}"));
                self.module(&[place, &[i.ident.to_string()]].concat(), public);
            }
            _ => {}
        }
    }

    fn fields(&mut self, fields: &Fields, public: &str) {
        for (number, field) in fields.iter().enumerate().filter(|(_, f)| is_public(&f.vis)) {
            let name = field
                .ident
                .as_ref()
                .map_or(number.to_string(), ToString::to_string);
            self.push(format!("{public}: pub {name}: {}", text(&field.ty)));
        }
    }

    /// What a type can do.
    fn belongings(&mut self, place: &[String], name: &str, attributes: &[Attribute], public: &str) {
        for attribute in attributes.iter().filter(|a| a.path().is_ident("derive")) {
            if let syn::Meta::List(list) = &attribute.meta {
                self.push(format!("{public}: derive({})", tidy(&list.tokens.to_string())));
            }
        }
        for block in self.sources.impls(&place[0], name) {
            match &block.trait_ {
                Some((_, of, _)) => {
                    let line = format!(
                        "{public}: impl{} {} for {}",
                        generics(&block.generics),
                        text(of),
                        text(&block.self_ty)
                    );
                    self.push(line);
                }
                None => self.inherent(block, public),
            }
        }
    }

    fn inherent(&mut self, block: &ItemImpl, public: &str) {
        for inner in &block.items {
            match inner {
                ImplItem::Fn(f) if is_public(&f.vis) && !says(&f.attrs, "doc(hidden)") => {
                    self.push(format!("{public}: pub {}", text(&f.sig)));
                }
                ImplItem::Const(c) if is_public(&c.vis) => {
                    self.push(format!("{public}: pub const {}: {}", c.ident, text(&c.ty)));
                }
                _ => {}
            }
        }
    }

    fn exported_macros(&mut self, item: &Item, root: &str) {
        if let Item::Macro(i) = item
            && says(&i.attrs, "macro_export")
            && let Some(name) = &i.ident
        {
            self.push(format!("pub macro {root}::{name}!"));
        }
    }

    fn macros_below(&mut self, place: &[String], root: &str) {
        for item in self.sources.items(place) {
            self.exported_macros(item, root);
            if let Item::Mod(module) = item {
                self.macros_below(&[place, &[module.ident.to_string()]].concat(), root);
            }
        }
    }
}

fn hidden(item: &Item) -> bool {
    let attributes = match item {
        Item::Mod(i) => &i.attrs,
        Item::Use(i) => &i.attrs,
        Item::Fn(i) => &i.attrs,
        Item::Struct(i) => &i.attrs,
        Item::Enum(i) => &i.attrs,
        Item::Trait(i) => &i.attrs,
        Item::Type(i) => &i.attrs,
        Item::Const(i) => &i.attrs,
        _ => return false,
    };
    says(attributes, "doc(hidden)") || says(attributes, "cfg(test)")
}

fn marks(attributes: &[Attribute]) -> String {
    let known = ["non_exhaustive", "must_use"];
    let there = known.into_iter().filter(|mark| says(attributes, mark));
    there.map(|mark| format!(" #[{mark}]")).collect()
}

fn generics(generics: &syn::Generics) -> String {
    let bounds = generics
        .where_clause
        .as_ref()
        .map_or(String::new(), |w| format!(" {}", text(w)));
    text(generics) + &bounds
}

fn text(tokens: &impl ToTokens) -> String {
    tidy(&tokens.to_token_stream().to_string())
}

/// Tokens as people write them, nearly.
fn tidy(tokens: &str) -> String {
    const CLOSER: [(&str, &str); 18] = [
        ("\n", " "),
        (" :: ", "::"),
        (":: ", "::"),
        (" ::", "::"),
        (" ,", ","),
        (" ;", ";"),
        (" : ", ": "),
        (" < ", "<"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        ("[ ", "["),
        (" ]", "]"),
        (",)", ")"),
    ];
    let mut text = tokens.to_owned();
    for (from, to) in CLOSER {
        text = text.replace(from, to);
    }
    text.replace(">(", "> (").replace(",>", ">").trim().to_owned()
}
