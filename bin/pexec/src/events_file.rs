//! `--events FILE`: every event as a line of JSON, the same lines as a run's record holds.
//!
//! Each line is one write: whoever follows the file sees whole lines at once, and a killed pexec has lost none
//! that it acted on.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use pexec_job::event::Event;

/// An open events file.
pub(crate) struct EventsFile {
    file: File,
}

impl EventsFile {
    /// Creates or empties the file.
    pub(crate) fn create(path: &Path) -> io::Result<EventsFile> {
        Ok(EventsFile {
            file: File::create(path)?,
        })
    }

    /// Appends one event.
    pub(crate) fn write(&mut self, event: &Event) -> io::Result<()> {
        let mut line = event.to_line();
        line.push('\n');
        self.file.write_all(line.as_bytes())
    }
}
