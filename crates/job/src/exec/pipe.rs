//! Our end of a command's output: what is read from it is captured, and sent on in lines where that is wanted.

use std::fs::File;
use std::io::{ErrorKind, Read};

use super::capture::Capture;
use super::lines::Lines;
use super::note::Note;
use super::{Captured, Notes, Stream};

/// Our end of one pipe, and where its bytes go.
pub(super) struct Pipe {
    file: Option<File>,
    stream: Stream,
    capture: Capture,
    lines: Option<Lines>,
}

impl Pipe {
    pub(super) fn new(file: Option<File>, stream: Stream, notes: &Notes) -> Pipe {
        let capture = Capture::new(notes, stream);
        let lines = notes.stream.then(Lines::default);
        Pipe {
            file,
            stream,
            capture,
            lines,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.file.is_some()
    }

    /// What to poll while it is open.
    pub(super) fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// From now on the run wants to see what comes.
    pub(super) fn show(&mut self) {
        self.capture.show();
    }

    /// Takes nothing more.
    pub(super) fn close(&mut self) {
        self.file = None;
    }

    /// Reads once, when `poll` said so: then it does not block, for nobody else reads this pipe. False: what was
    /// read could not be kept. A buffer that was too small grows, up to `most`.
    pub(super) fn read(&mut self, buffer: &mut Vec<u8>, most: usize) -> bool {
        let Some(file) = &mut self.file else { return true };
        match file.read(buffer) {
            Ok(0) => {
                self.file = None;
                true
            }
            Ok(n) => {
                let bytes = &buffer[..n];
                let stream = self.stream;
                if let Some(lines) = &mut self.lines {
                    lines.push(bytes, |bytes| emit(stream, bytes));
                }
                let kept = self.capture.push(bytes);
                if n == buffer.len() && n < most {
                    buffer.resize(most, 0);
                }
                kept
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => true,
            Err(_) => {
                self.file = None;
                true
            }
        }
    }

    /// All that was read, and why that is not all that was written, if it is not.
    pub(super) fn finish(mut self) -> (Captured, Option<String>) {
        let stream = self.stream;
        if let Some(lines) = &mut self.lines {
            lines.finish(|bytes| emit(stream, bytes));
        }
        self.capture.finish()
    }
}

fn emit(stream: Stream, bytes: &[u8]) {
    pexec::task::emit(&Note::Output { stream, bytes }.encode());
}
