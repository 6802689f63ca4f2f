//! Rows of a CSV file (RFC 4180), with columns named by its first line.
//!
//! `{item}` is the row as one line of CSV, so that two rows are the same item only if all their fields are the same.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder, Terminator, WriterBuilder};

use super::{Again, Opened, Trouble, open_file};
use crate::plan::SourceError;
use crate::problem::{quoted, shown};
use crate::template::bind::{Fields, Row};
use crate::text::Text;

/// The rows of a file; counted and checked, if it can be read twice.
pub(super) fn open(path: &Path, name: &str) -> Result<Opened, Trouble> {
    let (file, again) = open_file(path, name)?;
    let (columns, rows) = start(file, name)?;
    if !again {
        return Ok(Opened {
            fields: Fields::Columns(columns),
            total: None,
            rows: Box::new(rows),
            again: None,
        });
    }
    // First, as such a field makes rows ragged that are not to blame.
    let (file, _) = open_file(path, name)?;
    unclosed(file, name)?;
    let mut total = 0;
    for row in rows {
        row.map_err(|error| Trouble::new(error.0))?;
        total += 1;
    }
    let (file, _) = open_file(path, name)?;
    let (columns, rows) = start(file, name)?;
    Ok(Opened {
        fields: Fields::Columns(columns),
        total: Some(total),
        rows: Box::new(Again::new(Box::new(rows), total, path)),
        again: None,
    })
}

/// The columns' names, and the rows after them.
fn start(file: File, name: &str) -> Result<(Vec<String>, Fielded), Trouble> {
    let mut reader = ReaderBuilder::new().from_reader(file);
    let header = reader
        .byte_headers()
        .map_err(|error| Trouble::new(explain(&error, name)))?;
    // A name that is not UTF-8 cannot be written in a job file, so nobody asks for it.
    let columns: Vec<String> = header
        .iter()
        .map(|column| String::from_utf8_lossy(column).into_owned())
        .collect();
    if columns.is_empty() {
        return Err(Trouble {
            what: format!("{name} is empty"),
            help: "the first line of a CSV file names its columns".to_owned(),
        });
    }
    let mut seen = HashSet::new();
    if let Some(twice) = columns.iter().find(|column| !seen.insert(column.as_str())) {
        return Err(Trouble::new(format!(
            "{name} has two columns named {}",
            quoted(twice)
        )));
    }
    let rows = Fielded {
        reader,
        name: name.to_owned(),
        over: false,
    };
    Ok((columns, rows))
}

/// Rows as they are read.
struct Fielded {
    reader: csv::Reader<File>,
    name: String,
    over: bool,
}

impl Iterator for Fielded {
    type Item = Result<Row, SourceError>;

    fn next(&mut self) -> Option<Result<Row, SourceError>> {
        if self.over {
            return None;
        }
        let mut record = ByteRecord::new();
        let row = match self.reader.read_byte_record(&mut record) {
            Ok(false) => None,
            Ok(true) => Some(row(&record, &self.name)),
            Err(error) => Some(Err(SourceError(explain(&error, &self.name)))),
        };
        self.over = !matches!(row, Some(Ok(_)));
        row
    }
}

fn row(record: &ByteRecord, name: &str) -> Result<Row, SourceError> {
    let columns: Vec<Text> = record.iter().map(|field| Text(field.to_vec())).collect();
    if columns.iter().any(|field| field.as_bytes().contains(&0)) {
        let line = record.position().map_or(0, csv::Position::line);
        return Err(SourceError(format!(
            "line {line} of {name} holds a NUL byte, which no argument can hold"
        )));
    }
    let mut line = WriterBuilder::new()
        .terminator(Terminator::Any(b'\n'))
        .from_writer(Vec::new());
    let failed = |why: String| SourceError(format!("cannot write a row of {name} as a line: {why}"));
    line.write_byte_record(record)
        .map_err(|error| failed(error.to_string()))?;
    let mut line = line.into_inner().map_err(|error| failed(error.to_string()))?;
    line.pop();
    Ok(Row {
        item: Some(Text(line)),
        columns,
        ..Row::default()
    })
}

fn explain(error: &csv::Error, name: &str) -> String {
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            let fields = if *len == 1 {
                "1 field"
            } else {
                &format!("{len} fields")
            };
            format!("line {line} of {name} has {fields}, but its first line names {expected_len} columns")
        }
        _ => format!("cannot read {name}: {}", shown(&error.to_string())),
    }
}

/// Refuses a quoted field that has no end: it would swallow the rest of the file as one field.
fn unclosed(file: File, name: &str) -> Result<(), Trouble> {
    use std::io::{BufReader, Read};
    let mut begun = None;
    let mut line = 1;
    let mut before = b'\n';
    for byte in BufReader::with_capacity(64 << 10, file).bytes() {
        let byte = byte.map_err(|error| Trouble::new(format!("cannot read {name}: {error}")))?;
        match (byte, begun) {
            // A doubled quote ends the field and begins it again, which comes to the same.
            (b'"', Some(_)) => begun = None,
            (b'"', None) if matches!(before, b',' | b'\n' | b'\r' | b'"') => begun = Some(line),
            _ => {}
        }
        line += u64::from(byte == b'\n');
        before = byte;
    }
    match begun {
        Some(line) => Err(Trouble::new(format!(
            "the quote that begins at line {line} of {name} is never closed"
        ))),
        None => Ok(()),
    }
}
