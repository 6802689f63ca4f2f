//! The sources of some crates, by module, and what a path in them leads to.

use std::collections::HashMap;
use std::path::Path;

use quote::ToTokens;
use syn::{Attribute, Item, ItemImpl, UseTree, Visibility};

/// A module: its crate, and the names on the way to it.
pub(super) type Place = Vec<String>;

#[derive(Default)]
pub(super) struct Sources {
    modules: HashMap<Place, Vec<Item>>,
}

/// Whether an attribute says this of an item.
pub(super) fn says(attributes: &[Attribute], what: &str) -> bool {
    let text = |a: &Attribute| a.meta.to_token_stream().to_string().replace(' ', "");
    attributes.iter().any(|a| text(a) == what)
}

impl Sources {
    /// Reads the crate whose `lib.rs` is in this directory.
    pub(super) fn read(&mut self, name: &str, directory: &Path) {
        self.read_file(vec![name.to_owned()], &directory.join("lib.rs"), directory);
    }

    fn read_file(&mut self, place: Place, file: &Path, directory: &Path) {
        let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        self.add(place, parsed.items, directory);
    }

    fn add(&mut self, place: Place, items: Vec<Item>, directory: &Path) {
        for item in &items {
            let Item::Mod(module) = item else { continue };
            if says(&module.attrs, "cfg(test)") {
                continue;
            }
            let name = module.ident.to_string();
            let inner = [&place[..], std::slice::from_ref(&name)].concat();
            match &module.content {
                Some((_, items)) => self.add(inner, items.clone(), &directory.join(&name)),
                None => {
                    let file = directory.join(format!("{name}.rs"));
                    self.read_file(inner, &file, &directory.join(&name));
                }
            }
        }
        self.modules.insert(place, items);
    }

    pub(super) fn items(&self, place: &[String]) -> &[Item] {
        self.modules.get(place).map_or(&[], Vec::as_slice)
    }

    /// Every impl block of a crate for a type of this name.
    pub(super) fn impls<'a>(&'a self, of: &'a str, name: &'a str) -> impl Iterator<Item = &'a ItemImpl> {
        let modules = self.modules.iter().filter(move |(place, _)| place[0] == of);
        modules
            .flat_map(|(_, items)| items)
            .filter_map(move |item| match item {
                Item::Impl(block) if !says(&block.attrs, "cfg(test)") => {
                    let syn::Type::Path(path) = &*block.self_ty else {
                        return None;
                    };
                    (path.path.segments.last()?.ident == name).then_some(block)
                }
                _ => None,
            })
    }

    /// The definition that a path leads to from a module: its place, and its item.
    pub(super) fn find(&self, from: &[String], path: &[String]) -> Option<(Place, &Item)> {
        let (name, way) = path.split_last()?;
        let place = self.place(from, way)?;
        let items = self.items(&place);
        if let Some(item) = items
            .iter()
            .find(|item| ident(item).is_some_and(|i| i == name.as_str()))
        {
            return Some((place, item));
        }
        for item in items {
            let Item::Use(import) = item else { continue };
            for (path, alias) in leaves(&import.tree) {
                if alias == *name {
                    return self.find(&place, &path);
                }
            }
        }
        None
    }

    fn place(&self, from: &[String], way: &[String]) -> Option<Place> {
        let mut place = from.to_vec();
        for (at, step) in way.iter().enumerate() {
            match step.as_str() {
                "crate" => place.truncate(1),
                "self" => {}
                "super" => {
                    place.pop();
                }
                step if at == 0 && self.modules.contains_key(&vec![step.to_owned()]) => {
                    place = vec![step.to_owned()];
                }
                step => place.push(step.to_owned()),
            }
        }
        self.modules.contains_key(&place).then_some(place)
    }
}

/// What a `use` names: the path, and the name that it has from then on; `*` for all.
pub(super) fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    match tree {
        UseTree::Path(path) => {
            let inner = leaves(&path.tree).into_iter();
            let first = path.ident.to_string();
            inner
                .map(|(rest, alias)| ([vec![first.clone()], rest].concat(), alias))
                .collect()
        }
        UseTree::Name(name) => vec![(vec![name.ident.to_string()], name.ident.to_string())],
        UseTree::Rename(name) => vec![(vec![name.ident.to_string()], name.rename.to_string())],
        UseTree::Glob(_) => vec![(vec!["*".to_owned()], "*".to_owned())],
        UseTree::Group(group) => group.items.iter().flat_map(leaves).collect(),
    }
}

/// An item's name.
pub(super) fn ident(item: &Item) -> Option<&syn::Ident> {
    Some(match item {
        Item::Const(i) => &i.ident,
        Item::Enum(i) => &i.ident,
        Item::Fn(i) => &i.sig.ident,
        Item::Macro(i) => i.ident.as_ref()?,
        Item::Mod(i) => &i.ident,
        Item::Static(i) => &i.ident,
        Item::Struct(i) => &i.ident,
        Item::Trait(i) => &i.ident,
        Item::Type(i) => &i.ident,
        _ => return None,
    })
}

pub(super) fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
