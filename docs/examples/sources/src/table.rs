//! What all files together are made of.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Component, Path, PathBuf};

use pexec::Failure;

use crate::count::{Counted, Lines};

/// A row, in the order in which it is shown.
#[derive(Default)]
struct Row {
    files: u64,
    lines: Lines,
}

/// A table of what `count` has left in a directory: a row for each package below `root`, and their sum.
#[pexec::task(name = "table")]
fn table(counts: PathBuf, root: PathBuf) -> Result<String, Failure> {
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    let mut sum = Row::default();
    for entry in fs::read_dir(&counts)? {
        let path = entry?.path();
        let counted: Counted = serde_json::from_slice(&fs::read(&path)?)?;
        sum.add(&counted);
        rows.entry(package(&counted.path, &root))
            .or_default()
            .add(&counted);
    }
    let mut text = format!(
        "{:<16}{:>8}{:>10}{:>10}{:>10}\n",
        "", "files", "code", "comment", "blank"
    );
    for (name, row) in rows.iter().chain([(&"all".to_owned(), &sum)]) {
        let Lines { code, comment, blank } = row.lines;
        writeln!(
            text,
            "{name:<16}{:>8}{code:>10}{comment:>10}{blank:>10}",
            row.files
        )?;
    }
    Ok(text)
}

impl Row {
    fn add(&mut self, counted: &Counted) {
        self.files += 1;
        self.lines.code += counted.lines.code;
        self.lines.comment += counted.lines.comment;
        self.lines.blank += counted.lines.blank;
    }
}

/// The first directory below `root`.
fn package(path: &Path, root: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let mut parts = below.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
        _ => None,
    });
    match (parts.next(), parts.next()) {
        (Some(package), Some(_)) => package,
        _ => ".".to_owned(),
    }
}
