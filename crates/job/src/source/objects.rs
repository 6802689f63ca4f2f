//! Rows of a file that holds one JSON object a line, with columns named by the keys of the first one.
//!
//! `{item}` is the row as one line of compact JSON, its keys in the order of the first line, so that two rows are the
//! same item only if all their values are the same. A string stands for itself, `null` for nothing, and everything
//! else for what is written there, without the white space between its parts.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Again, Lines, Opened, Trouble, open_file};
use crate::plan::SourceError;
use crate::problem::{quoted, shown};
use crate::template::bind::{Fields, Row};
use crate::text::Text;

/// The rows of a file; counted and checked, if it can be read twice.
pub(super) fn open(path: &Path, name: &str) -> Result<Opened, Trouble> {
    let (file, again) = open_file(path, name)?;
    let (fields, rows) = start(file, name)?;
    if !again {
        return Ok(Opened {
            fields,
            total: None,
            rows: Box::new(rows),
            again: None,
        });
    }
    let mut total = 0;
    for row in rows {
        row.map_err(|error| Trouble::new(error.0))?;
        total += 1;
    }
    let (file, _) = open_file(path, name)?;
    let (fields, rows) = start(file, name)?;
    Ok(Opened {
        fields,
        total: Some(total),
        rows: Box::new(Again::new(Box::new(rows), total, path)),
        again: None,
    })
}

/// The columns' names, and the rows from the first one on. A file without a row names no columns, and whatever is
/// asked of it is right.
fn start(file: File, name: &str) -> Result<(Fields, Objects), Trouble> {
    let mut objects = Objects {
        lines: Lines::new(file, name.to_owned()),
        name: name.to_owned(),
        number: 0,
        columns: Vec::new(),
        places: HashMap::new(),
        first: None,
        over: false,
    };
    let Some(first) = objects.object().map_err(|error| Trouble::new(error.0))? else {
        objects.over = true;
        return Ok((Fields::Unknown, objects));
    };
    objects.columns = first.iter().map(|(key, _)| key.clone()).collect();
    objects.places = objects.columns.iter().cloned().zip(0..).collect();
    objects.first = Some(first);
    Ok((Fields::Columns(objects.columns.clone()), objects))
}

/// Rows as they are read.
struct Objects {
    lines: Lines<File>,
    name: String,
    number: u64,
    columns: Vec<String>,
    places: HashMap<String, usize>,
    /// Read for its keys, and still to be given.
    first: Option<Entries>,
    over: bool,
}

/// What an object holds, in its own order.
type Entries = Vec<(String, Box<RawValue>)>;

impl Objects {
    fn row(&mut self) -> Result<Option<Row>, SourceError> {
        let entries = match self.first.take() {
            Some(first) => first,
            None => match self.object()? {
                Some(entries) => entries,
                None => return Ok(None),
            },
        };
        let mut values: Vec<Option<Box<RawValue>>> = vec![None; self.columns.len()];
        for (key, value) in entries {
            match self.places.get(&key) {
                Some(at) => {
                    if values[*at].replace(value).is_some() {
                        return Err(self.wrong(format!("has the key {} twice", quoted(&key))));
                    }
                }
                None => {
                    let what = format!("has a key {} that its first object does not have", quoted(&key));
                    return Err(self.wrong(what));
                }
            }
        }
        let mut line = String::from("{");
        let mut columns = Vec::with_capacity(values.len());
        for (column, value) in self.columns.iter().zip(values) {
            let Some(value) = value else {
                return Err(self.wrong(format!("has no key {}", quoted(column))));
            };
            let compact = compact(value.get());
            if line.len() > 1 {
                line.push(',');
            }
            line.push_str(&serde_json::Value::from(column.as_str()).to_string());
            line.push(':');
            line.push_str(&compact);
            columns.push(self.text(column, compact)?);
        }
        line.push('}');
        Ok(Some(Row {
            item: Some(Text::from(line)),
            columns,
            ..Row::default()
        }))
    }

    /// The next object; `None`: the file has ended. Lines with nothing on them are none.
    fn object(&mut self) -> Result<Option<Entries>, SourceError> {
        for line in self.lines.by_ref() {
            let line = line?.item.unwrap_or_default();
            self.number += 1;
            let mut bytes = line.as_bytes();
            if self.number == 1 {
                bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
            }
            if bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let object = serde_json::from_slice::<Object>(bytes);
            return match object {
                Ok(Object(entries)) => Ok(Some(entries)),
                Err(error) => {
                    let (line, column) = (self.number, error.column().max(1));
                    let what = error.to_string();
                    // The line is counted here: the parser only ever sees one.
                    let what = what.rsplit_once(" at line ").map_or(&*what, |(what, _)| what);
                    Err(SourceError(format!(
                        "line {line}, column {column} of {}: {}",
                        self.name,
                        shown(what)
                    )))
                }
            };
        }
        Ok(None)
    }

    fn text(&self, column: &str, compact: String) -> Result<Text, SourceError> {
        let text = match compact.as_bytes().first() {
            Some(b'"') => serde_json::from_str(&compact)
                .map_err(|error| self.wrong(format!("has a wrong string in {}: {error}", quoted(column))))?,
            _ if compact == "null" => String::new(),
            _ => compact,
        };
        if text.contains('\0') {
            return Err(self.wrong(format!(
                "holds a NUL byte in {}, which no argument can hold",
                quoted(column)
            )));
        }
        Ok(Text::from(text))
    }

    fn wrong(&self, what: String) -> SourceError {
        SourceError(format!("line {} of {} {what}", self.number, self.name))
    }
}

impl Iterator for Objects {
    type Item = Result<Row, SourceError>;

    fn next(&mut self) -> Option<Result<Row, SourceError>> {
        if self.over {
            return None;
        }
        let row = self.row().transpose();
        self.over = !matches!(row, Some(Ok(_)));
        row
    }
}

/// One object: its keys as they come, its values as they are written.
struct Object(Entries);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object like {\"name\": \"value\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let mut entries: Entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

/// JSON without the white space between its parts.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut quoted, mut escaped) = (false, false);
    for c in json.chars() {
        match (quoted, escaped, c) {
            (true, true, _) => escaped = false,
            (true, false, '\\') => escaped = true,
            (_, false, '"') => quoted = !quoted,
            (false, _, ' ' | '\t' | '\r' | '\n') => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}
