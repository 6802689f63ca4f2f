//! `matrix`: keys with values, of which every combination is an instance.

use toml::de::DeTable;

use super::foreach::values;
use super::reader::{Reader, Table, Value};
use super::vars::reserved;
use crate::problem::nearest::{advice, one_of};
use crate::problem::{Problem, Span, quoted};
use crate::text::Text;

/// The keys with their values, in the order of the file, and what is left out.
#[derive(Clone, Debug)]
pub(crate) struct Matrix {
    pub(crate) axes: Vec<(String, Vec<Text>)>,
    /// Each leaves out the combinations that have all of these values, given with the positions of their keys.
    pub(crate) exclude: Vec<Vec<(usize, Text)>>,
    /// Something of it was reported, so that a key may be missing.
    pub(crate) broken: bool,
    pub(crate) span: Span,
}

pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Matrix {
    let mut matrix = Matrix {
        axes: Vec::new(),
        exclude: Vec::new(),
        broken: false,
        span: value.span(),
    };
    let Some(table) = reader.table(value) else {
        matrix.broken = true;
        return matrix;
    };
    let table = Table::in_file_order(table);
    for (key, span, value) in table.entries().filter(|(key, ..)| *key != "exclude") {
        if reserved(key) {
            let title = format!("{} cannot be a key of the matrix", quoted(key));
            let help = format!("`{{{key}}}` has a meaning of its own; choose another name");
            reader.findings.add(Problem::at(span.clone(), title).help(help));
        }
        match values(reader, value) {
            Some(values) => matrix.axes.push((key.to_owned(), values)),
            None => matrix.broken = true,
        }
    }
    if matrix.axes.is_empty() && !matrix.broken {
        matrix.broken = true;
        let help = "write it as `matrix = { size = [1, 2], mode = [\"a\", \"b\"] }`";
        reader
            .findings
            .add(Problem::at(value.span(), "`matrix` has no keys").help(help));
    }
    if let Some(value) = table.get("exclude") {
        let example = "[{ size = 2, mode = \"b\" }]";
        if let Some(list) = reader.array(value, "an array of tables", example)
            && !matrix.broken
        {
            for value in list.iter() {
                if let Some(table) = reader.table(value) {
                    let excluded = read_excluded(reader, table, value.span(), &matrix.axes);
                    matrix.exclude.extend(excluded);
                }
            }
        }
    }
    matrix
}

/// What one entry of `exclude` leaves out. One that leaves out nothing is a mistake.
fn read_excluded(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    span: Span,
    axes: &[(String, Vec<Text>)],
) -> Option<Vec<(usize, Text)>> {
    let mut excluded = Some(Vec::new());
    if table.is_empty() {
        let title = "an entry of `exclude` without keys would leave out everything";
        reader.findings.add(Problem::at(span, title));
        return None;
    }
    for (key, span, value) in Table::in_file_order(table).entries() {
        let Some(axis) = axes.iter().position(|(name, _)| name == key) else {
            let title = format!("the matrix has no key {}", quoted(key));
            let help = advice(key, axes.iter().map(|(name, _)| name.as_str()));
            reader.findings.add(Problem::at(span.clone(), title).help(help));
            excluded = None;
            continue;
        };
        let Some(text) = reader.scalar_string(value) else {
            excluded = None;
            continue;
        };
        let values = &axes[axis].1;
        match (
            values.iter().find(|value| value.as_bytes() == text.as_bytes()),
            &mut excluded,
        ) {
            (Some(value), Some(excluded)) => excluded.push((axis, value.clone())),
            (Some(_), None) => {}
            (None, _) => {
                let title = format!("{} is no value of {}", quoted(&text), quoted(key));
                let known: Vec<String> = values.iter().map(Text::to_string).collect();
                let help = one_of(known.iter().map(String::as_str));
                reader.findings.add(Problem::at(value.span(), title).help(help));
                excluded = None;
            }
        }
    }
    excluded
}
