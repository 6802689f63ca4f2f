//! Lines as items: split at `\n` only, nothing trimmed, bytes kept.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use super::{Again, Opened, Trouble, open_file, row};
use crate::plan::SourceError;
use crate::template::bind::{Fields, Row};
use crate::text::Text;

/// The longest line, in bytes: what has no end must not fill the memory first.
const LONGEST: usize = 16 << 20;

/// The lines of something, read one at a time.
pub(crate) struct Lines<R> {
    input: BufReader<R>,
    name: String,
    number: u64,
    over: bool,
}

impl<R: Read> Lines<R> {
    /// The lines of `input`, which messages call `name`.
    pub(crate) fn new(input: R, name: String) -> Lines<R> {
        Lines {
            input: BufReader::with_capacity(64 << 10, input),
            name,
            number: 0,
            over: false,
        }
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, SourceError> {
        let mut line = Vec::new();
        let failed = |error: io::Error, name: &str| SourceError(format!("cannot read {name}: {error}"));
        self.input
            .by_ref()
            .take(LONGEST as u64 + 1)
            .read_until(b'\n', &mut line)
            .map_err(|error| failed(error, &self.name))?;
        if line.is_empty() {
            return Ok(None);
        }
        self.number += 1;
        if line.pop_if(|last| *last == b'\n').is_none() && line.len() > LONGEST {
            let (name, number) = (&self.name, self.number);
            return Err(SourceError(format!(
                "line {number} of {name} is longer than {LONGEST} bytes"
            )));
        }
        if line.contains(&0) {
            let (name, number) = (&self.name, self.number);
            return Err(SourceError(format!(
                "line {number} of {name} holds a NUL byte, which no argument can hold"
            )));
        }
        Ok(Some(line))
    }
}

impl<R: Read> Iterator for Lines<R> {
    type Item = Result<Row, SourceError>;

    fn next(&mut self) -> Option<Result<Row, SourceError>> {
        if self.over {
            return None;
        }
        let line = self.line().transpose();
        self.over = !matches!(line, Some(Ok(_)));
        Some(line?.map(|line| row(Text(line))))
    }
}

/// The lines of a file; counted, if it can be read twice.
pub(super) fn open(path: &Path, name: &str) -> Result<Opened, Trouble> {
    let (file, again) = open_file(path, name)?;
    let fields = Fields::Item;
    if !again {
        return Ok(Opened {
            fields,
            total: None,
            rows: Box::new(Lines::new(file, name.to_owned())),
            again: None,
        });
    }
    let mut total = 0;
    for line in Lines::new(file, name.to_owned()) {
        line.map_err(|error| Trouble::new(error.0))?;
        total += 1;
    }
    let (file, _) = open_file(path, name)?;
    let lines = Lines::new(file, name.to_owned());
    Ok(Opened {
        fields,
        total: Some(total),
        rows: Box::new(Again::new(Box::new(lines), total, path)),
        again: None,
    })
}
