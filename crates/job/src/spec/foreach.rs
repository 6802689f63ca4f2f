//! `foreach`: where a task's items come from.

use std::sync::Arc;

use super::keys::Keys;
use super::reader::{Reader, Value};
use crate::problem::{Problem, Span, quoted};
use crate::source::range::Range;
use crate::text::Text;

/// Where items come from, and its place in the file.
#[derive(Clone, Debug)]
pub(crate) struct Foreach {
    pub(crate) origin: Origin,
    pub(crate) span: Span,
}

/// Where items come from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// Paths that match.
    Glob(String),
    /// The lines of a file.
    Lines(String),
    /// The lines of standard input.
    Stdin,
    /// The rows of a file.
    Csv(String),
    /// The objects of a file, one a line.
    Jsonl(String),
    /// The lines that a command writes; never empty.
    Command(Vec<Text>),
    /// Numbers.
    Range(Range),
    /// These.
    Values(Arc<[Text]>),
    /// Something that was reported already.
    Broken,
}

pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Foreach {
    let broken = Foreach {
        origin: Origin::Broken,
        span: value.span(),
    };
    let Some(table) = value.get_ref().as_table() else {
        let help = "write it as `foreach = { values = [\"a\", \"b\"] }` or with glob, lines, csv, jsonl, range or command";
        reader.wrong(value, "a table", help);
        return broken;
    };
    let table = reader.known(table, &Keys::FOREACH, "`foreach`");
    let mut named = table
        .entries()
        .filter(|(key, ..)| Keys::FOREACH.known.contains(key));
    let (kind, value) = match (named.next(), named.next()) {
        (Some((kind, _, value)), None) => (kind, value),
        (Some((first, ..)), Some((second, span, _))) => {
            let title = format!(
                "`foreach` has two sources, {} and {}",
                quoted(first),
                quoted(second)
            );
            reader.findings.add(
                Problem::at(span.clone(), title).help("keep one of them; `matrix` adds values of its own"),
            );
            return broken;
        }
        (None, _) => {
            if table.is_empty() {
                let title = "`foreach` has no source";
                let help = "expected one of `glob`, `lines`, `csv`, `jsonl`, `range`, `values` and `command`";
                reader.findings.add(Problem::at(value.span(), title).help(help));
            }
            return broken;
        }
    };
    let span = value.span();
    let origin = match kind {
        "glob" => path(reader, value, "a pattern").map(Origin::Glob),
        "lines" => {
            path(reader, value, "a path, or \"-\" for standard input").map(|path| match path.as_str() {
                "-" => Origin::Stdin,
                _ => Origin::Lines(path),
            })
        }
        "csv" => path(reader, value, "a path").map(Origin::Csv),
        "jsonl" => path(reader, value, "a path").map(Origin::Jsonl),
        "command" => command(reader, value),
        "range" => range(reader, value),
        "values" => values(reader, value).map(|values| Origin::Values(values.into())),
        _ => None,
    };
    Foreach {
        origin: origin.unwrap_or(Origin::Broken),
        span,
    }
}

fn path(reader: &mut Reader<'_>, value: &Value<'_>, expected: &str) -> Option<String> {
    let path = reader.string(value, expected)?;
    if path.is_empty() || path.contains('\0') {
        let title = match path.is_empty() {
            true => "the path is empty",
            false => "the path holds a NUL byte",
        };
        reader
            .findings
            .add(Problem::at(value.span(), title).label(format!("expected {expected}")));
        return None;
    }
    Some(path)
}

fn command(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Origin> {
    reader.array(value, "an array of strings", "[\"program\", \"argument\"]")?;
    let words = values(reader, value)?;
    if words.first().is_none_or(|program| program.as_bytes().is_empty()) {
        let title = "`command` names no program that could list the items";
        let help = "write it as `[\"program\", \"argument\"]`";
        reader.findings.add(Problem::at(value.span(), title).help(help));
        return None;
    }
    Some(Origin::Command(words))
}

fn range(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Origin> {
    let text = reader.string(value, "a range like \"1..100\"")?;
    match Range::parse(&text) {
        Ok(range) => Some(Origin::Range(range)),
        Err(why) => {
            let title = format!("{} is no range: {why}", quoted(&text));
            let help = "write it as \"1..100\" (to 99), \"1..=100\" (to 100) or \"1..=100/5\" (every fifth)";
            reader.findings.add(Problem::at(value.span(), title).help(help));
            None
        }
    }
}

/// An array of strings, numbers, booleans or dates, as texts.
pub(super) fn values(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<Text>> {
    let array = reader.array(value, "an array", "[\"a\", \"b\"]")?;
    let mut values = Vec::with_capacity(array.len());
    let mut right = true;
    for value in array.iter() {
        match reader.scalar_string(value) {
            Some(text) if text.contains('\0') => {
                let title = "the value holds a NUL byte, which no argument can hold";
                reader.findings.add(Problem::at(value.span(), title));
                right = false;
            }
            Some(text) => values.push(Text::from(text)),
            None => right = false,
        }
    }
    right.then_some(values)
}
