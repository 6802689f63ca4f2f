//! Values out of the tree, or a problem with the place, what was expected and what is there.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::keys::Keys;
use super::vars::Vars;
use crate::planner::SecretsFrom;
use crate::problem::nearest::{nearest, one_of};
use crate::problem::{Findings, Problem, Span, quoted, shown};
use crate::template::{Piece, Template};

/// A value and its place.
pub(crate) type Value<'i> = Spanned<DeValue<'i>>;

/// Reads one file.
pub(crate) struct Reader<'a> {
    pub(crate) text: &'a str,
    /// What `{name}` stands for where only variables can be meant; empty while they are read themselves.
    pub(crate) vars: Vars,
    /// Where those come from that are told nowhere.
    pub(crate) secrets_from: SecretsFrom,
    /// The values that are told nowhere, as they are found.
    pub(crate) secrets: Vec<Vec<u8>>,
    pub(crate) findings: &'a mut Findings,
}

/// The entries of a table, in the order of the file.
pub(crate) struct Table<'t, 'i>(Vec<(&'t str, Span, &'t Value<'i>)>);

impl<'t, 'i> Table<'t, 'i> {
    pub(crate) fn in_file_order(table: &'t DeTable<'i>) -> Table<'t, 'i> {
        let mut entries: Vec<_> = table
            .iter()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span(), value))
            .collect();
        entries.sort_by_key(|(_, span, _)| span.start);
        Table(entries)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'t str, &Span, &'t Value<'i>)> {
        self.0.iter().map(|(name, span, value)| (*name, span, *value))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'t Value<'i>> {
        self.entries()
            .find(|(name, ..)| *name == key)
            .map(|(_, _, value)| value)
    }

    /// The key's own place.
    pub(crate) fn place(&self, key: &str) -> Option<Span> {
        self.entries()
            .find(|(name, ..)| *name == key)
            .map(|(_, span, _)| span.clone())
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, findings: &'a mut Findings) -> Reader<'a> {
        Reader {
            text,
            vars: Vars::default(),
            secrets_from: SecretsFrom::File,
            secrets: Vec::new(),
            findings,
        }
    }

    /// The table's entries; those that its kind does not have are problems.
    pub(crate) fn known<'t, 'i>(
        &mut self,
        table: &'t DeTable<'i>,
        keys: &Keys,
        whose: &str,
    ) -> Table<'t, 'i> {
        let table = Table::in_file_order(table);
        for (key, span, _) in table.entries() {
            if !keys.known.contains(&key) {
                let known = keys.known.iter().copied();
                let help = match (!self.findings.is_full())
                    .then(|| nearest(key, known.clone()))
                    .flatten()
                {
                    Some(near) => format!("did you mean {}?", quoted(near)),
                    None => one_of(known),
                };
                let title = format!("unknown key {} in {whose}", quoted(key));
                self.findings.add(Problem::at(span.clone(), title).help(help));
            }
        }
        table
    }

    /// Adds the problem of a value of the wrong type.
    pub(crate) fn wrong(&mut self, value: &Value<'_>, expected: &str, help: impl Into<String>) {
        let found = article(value.get_ref().type_str());
        let problem = Problem::at(value.span(), format!("expected {expected}, found {found}"));
        self.findings
            .add(problem.label(format!("expected {expected}")).help(help));
    }

    pub(crate) fn table<'t, 'i>(&mut self, value: &'t Value<'i>) -> Option<&'t DeTable<'i>> {
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong(value, "a table", "");
        }
        table
    }

    /// An array; `example` shows one.
    pub(crate) fn array<'t, 'i>(
        &mut self,
        value: &'t Value<'i>,
        expected: &str,
        example: &str,
    ) -> Option<&'t DeArray<'i>> {
        let array = value.get_ref().as_array();
        if array.is_none() {
            self.wrong(value, expected, format!("write it as `{example}`"));
        }
        array
    }

    pub(crate) fn boolean(&mut self, value: &Value<'_>) -> Option<bool> {
        let boolean = value.get_ref().as_bool();
        if boolean.is_none() {
            self.wrong(value, "`true` or `false`", "");
        }
        boolean
    }

    /// A whole number from `least` to `most`.
    pub(crate) fn integer(&mut self, value: &Value<'_>, least: i64, most: i64) -> Option<i64> {
        let Some(integer) = value.get_ref().as_integer() else {
            self.wrong(value, "a whole number", "");
            return None;
        };
        let number = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| (least..=most).contains(number));
        if number.is_none() {
            let title = format!("{} is out of range", shown(integer.as_str()));
            self.findings
                .add(Problem::at(value.span(), title).label(format!("expected {least} to {most}")));
        }
        number
    }

    /// A string whose placeholders are decided later.
    pub(crate) fn template(&mut self, value: &Value<'_>, expected: &str) -> Option<Template> {
        match value.get_ref() {
            DeValue::String(text) => Some(self.parse(text, value.span())),
            _ => {
                self.wrong(value, expected, "");
                None
            }
        }
    }

    /// The same, where a number, a boolean or a date will do too and is taken as it is written.
    pub(crate) fn scalar(&mut self, value: &Value<'_>) -> Option<Template> {
        let text = match value.get_ref() {
            DeValue::String(text) => return Some(self.parse(text, value.span())),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => number.to_string(),
                Err(_) => {
                    self.findings.add(
                        Problem::at(value.span(), "the number is too large")
                            .help("write it as a string, in quotes"),
                    );
                    return None;
                }
            },
            DeValue::Float(float) => float.as_str().to_owned(),
            DeValue::Boolean(boolean) => boolean.to_string(),
            DeValue::Datetime(date) => date.to_string(),
            DeValue::Array(_) | DeValue::Table(_) => {
                self.wrong(value, "a string, a number or a boolean", "");
                return None;
            }
        };
        Some(Template::literal(text, value.span()))
    }

    /// A string in which only variables can be meant.
    pub(crate) fn string(&mut self, value: &Value<'_>, expected: &str) -> Option<String> {
        let template = self.template(value, expected)?;
        self.expand(&template)
    }

    /// The same for what [`scalar`](Reader::scalar) takes.
    pub(crate) fn scalar_string(&mut self, value: &Value<'_>) -> Option<String> {
        let template = self.scalar(value)?;
        self.expand(&template)
    }

    fn expand(&mut self, template: &Template) -> Option<String> {
        let mut out = String::new();
        let mut whole = true;
        for piece in &template.pieces {
            match piece {
                Piece::Literal(text) => out.push_str(text),
                Piece::Hole(hole) => match self.vars.get(&hole.name) {
                    Some(value) => out.push_str(value),
                    None => {
                        self.findings.add(self.vars.unknown(hole));
                        whole = false;
                    }
                },
            }
        }
        whole.then_some(out)
    }

    fn parse(&mut self, text: &str, span: Span) -> Template {
        let place = Place::new(self.text, text, span.clone());
        Template::parse(text, span, |part| place.of(part), self.findings)
    }
}

/// Where the parts of a string stand in the file.
struct Place<'a> {
    /// As it is written, with its quotes and escapes.
    written: &'a str,
    /// What it means.
    text: &'a str,
    span: Span,
    /// Where the text begins in what is written, if there it stands as it is.
    plain: Option<usize>,
}

impl<'a> Place<'a> {
    fn new(file: &'a str, text: &'a str, span: Span) -> Place<'a> {
        let written = file.get(span.clone()).unwrap_or_default();
        let quotes = if written.starts_with("\"\"\"") || written.starts_with("'''") {
            3
        } else {
            1
        };
        // A line's end directly after three quotes is not part of the string.
        let starts = [quotes, quotes + 1, quotes + 2];
        let plain = starts
            .into_iter()
            .find(|&start| written.get(start..).is_some_and(|rest| rest.starts_with(text)));
        Place {
            written,
            text,
            span,
            plain,
        }
    }

    fn of(&self, part: Span) -> Span {
        let start = match self.plain {
            Some(start) => Some(start + part.start),
            // There are escapes before it: it is the n-th of its kind in both.
            None => {
                let wanted = &self.text[part.clone()];
                let n = self.text[..part.start].matches(wanted).count();
                self.written.match_indices(wanted).nth(n).map(|(at, _)| at)
            }
        };
        match start {
            Some(start) => self.span.start + start..self.span.start + start + part.len(),
            None => self.span.clone(),
        }
    }
}

fn article(kind: &str) -> String {
    let vowel = kind.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {kind}", if vowel { "an" } else { "a" })
}
