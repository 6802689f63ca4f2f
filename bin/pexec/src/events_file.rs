//! `--events FILE`: every event as a line of JSON, the same lines as a run's record holds.
//!
//! Only whole lines are written, at the end of each turn of the run: whoever follows the file sees them at once, and a
//! killed pexec has lost none that it acted on.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

/// An open events file.
pub(crate) struct EventsFile {
    file: File,
    lines: Vec<u8>,
}

/// More than this is not collected.
const FULL: usize = 64 * 1024;

impl EventsFile {
    /// Creates or empties the file.
    pub(crate) fn create(path: &Path) -> io::Result<EventsFile> {
        Ok(EventsFile {
            file: File::create(path)?,
            lines: Vec::new(),
        })
    }

    /// Takes the line of one event.
    pub(crate) fn event(&mut self, line: &str) -> io::Result<()> {
        self.lines.extend_from_slice(line.as_bytes());
        self.lines.push(b'\n');
        if self.lines.len() < FULL {
            return Ok(());
        }
        self.flush()
    }

    /// Writes what was taken.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let written = self.file.write_all(&self.lines);
        self.lines.clear();
        written
    }
}
