//! Where items come from: every kind of `foreach` as an iterator of rows.
//!
//! Opening a source looks at all of it that can be looked at, so that a ragged row or a missing file is said before
//! anything starts; its rows are then read again as they are needed, so that memory does not grow with a file. What
//! cannot be read twice (standard input, a pipe) is only read while the job runs. Paths of a `glob` are the
//! exception: they have to be sorted, so they are held.

mod glob;
mod lines;
mod listing;
mod objects;
mod pattern;
pub(crate) mod range;
mod rows;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::plan::SourceError;
use crate::spec::Origin;
use crate::template::bind::{Fields, Row};
use crate::text::Text;

pub(crate) use lines::Lines;

/// The rows of a source; an error ends them.
pub(crate) type Rows = Box<dyn Iterator<Item = Result<Row, SourceError>> + Send>;

/// A source that is ready to be read.
pub(crate) struct Opened {
    pub(crate) fields: Fields,
    /// How many rows there are, if that is known before they are read.
    pub(crate) total: Option<u64>,
    pub(crate) rows: Rows,
    /// Gives the same rows once more; `None`: they can be read only once.
    pub(crate) again: Option<Reopen>,
}

/// Gives a source's rows once more; nothing where it cannot be read any longer.
pub(crate) type Reopen = Box<dyn Fn() -> Option<Rows> + Send>;

/// Why a source could not be opened.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) what: String,
    pub(crate) help: String,
}

impl Trouble {
    pub(super) fn new(what: impl Into<String>) -> Trouble {
        Trouble {
            what: what.into(),
            help: String::new(),
        }
    }
}

/// The placeholders of a source, as far as they are known without looking at it.
pub(crate) fn fields(origin: &Origin) -> Fields {
    match origin {
        Origin::Glob(_)
        | Origin::Lines(_)
        | Origin::Stdin
        | Origin::Range(_)
        | Origin::Values(_)
        | Origin::Command(_) => Fields::Item,
        Origin::Csv(_) | Origin::Jsonl(_) | Origin::Broken => Fields::Unknown,
    }
}

/// Opens a source; relative paths are relative to `dir`. With `runs` false no command is run for its lines: how many
/// there are stays open.
pub(crate) fn open(origin: &Origin, dir: &Path, runs: bool) -> Result<Opened, Trouble> {
    match origin {
        Origin::Glob(pattern) => {
            let paths = glob::expand(pattern, dir)?;
            Ok(held(paths.into()))
        }
        Origin::Values(values) => Ok(held(Arc::clone(values))),
        Origin::Range(range) => {
            let range = *range;
            let rows = move || -> Rows {
                let numbers = range.numbers();
                Box::new(numbers.map(|number| Ok(row(Text::from(number.to_string())))))
            };
            Ok(Opened {
                fields: Fields::Item,
                total: Some(range.len()),
                rows: rows(),
                again: Some(Box::new(move || Some(rows()))),
            })
        }
        Origin::Lines(path) => twice(lines::open, dir, path),
        Origin::Stdin => Ok(Opened {
            fields: Fields::Item,
            total: None,
            rows: Box::new(Lines::new(io::stdin(), "standard input".to_owned())),
            again: None,
        }),
        Origin::Csv(path) => twice(rows::open, dir, path),
        Origin::Jsonl(path) => twice(objects::open, dir, path),
        Origin::Command(argv) if runs => listing::open(argv, dir),
        Origin::Command(_) => Ok(Opened {
            fields: Fields::Item,
            total: None,
            rows: Box::new(std::iter::empty()),
            again: None,
        }),
        Origin::Broken => Ok(held(Arc::from([]))),
    }
}

/// The files that match a pattern, as a `glob` finds them. The error says what is wrong.
pub(crate) fn matches(pattern: &Text, dir: &Path) -> Result<Vec<Text>, String> {
    let text = std::str::from_utf8(pattern.as_bytes()).map_err(|_| "the pattern is not UTF-8".to_owned())?;
    glob::expand(text, dir).map_err(|trouble| trouble.what)
}

/// A source whose items are in memory.
fn held(items: Arc<[Text]>) -> Opened {
    let total = items.len() as u64;
    let rows = move || -> Rows {
        let items = Arc::clone(&items);
        Box::new((0..items.len()).map(move |at| Ok(row(items[at].clone()))))
    };
    Opened {
        fields: Fields::Item,
        total: Some(total),
        rows: rows(),
        again: Some(Box::new(move || Some(rows()))),
    }
}

/// A file; one whose rows could be counted can be read once more.
fn twice(
    open: fn(&Path, &str) -> Result<Opened, Trouble>,
    dir: &Path,
    name: &str,
) -> Result<Opened, Trouble> {
    let (path, name) = (dir.join(name), name.to_owned());
    let mut opened = open(&path, &name)?;
    if opened.total.is_some() {
        opened.again = Some(Box::new(move || Some(open(&path, &name).ok()?.rows)));
    }
    Ok(opened)
}

/// The row of a single item.
pub(super) fn row(item: Text) -> Row {
    Row {
        item: Some(item),
        ..Row::default()
    }
}

/// A file to read items from; `true`: it can be read again.
fn open_file(path: &Path, name: &str) -> Result<(File, bool), Trouble> {
    let trouble = |error: io::Error| Trouble::new(format!("cannot read {name}: {error}"));
    // Asked first: to open a pipe that nobody writes to would wait for ever, but a directory opens.
    let metadata = fs::metadata(path).map_err(trouble)?;
    if metadata.is_dir() {
        return Err(Trouble::new(format!("cannot read {name}: it is a directory")));
    }
    Ok((File::open(path).map_err(trouble)?, metadata.is_file()))
}

/// Rows that were counted and are now read a second time: what has changed in between is an error, as the plan, and
/// what was said about it, no longer holds.
struct Again {
    rows: Rows,
    left: u64,
    path: PathBuf,
    over: bool,
}

impl Again {
    fn new(rows: Rows, total: u64, path: &Path) -> Again {
        Again {
            rows,
            left: total,
            path: path.to_owned(),
            over: false,
        }
    }
}

impl Iterator for Again {
    type Item = Result<Row, SourceError>;

    fn next(&mut self) -> Option<Result<Row, SourceError>> {
        if self.over {
            return None;
        }
        match (self.rows.next(), self.left) {
            (Some(Ok(row)), 1..) => {
                self.left -= 1;
                return Some(Ok(row));
            }
            (None, 0) => self.over = true,
            (Some(Err(error)), _) => {
                self.over = true;
                return Some(Err(error));
            }
            (Some(Ok(_)), 0) | (None, 1..) => {
                self.over = true;
                let path = self.path.display();
                return Some(Err(SourceError(format!("{path} was changed while the job ran"))));
            }
        }
        None
    }
}
