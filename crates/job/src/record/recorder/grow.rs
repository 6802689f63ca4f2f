//! A file that grows, and what is still to be written to it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use super::{FULL, Storage};
use crate::exec::Captured;

/// One file of a record.
pub(super) struct Grow {
    storage: Arc<dyn Storage>,
    written: u64,
    /// How much had been written when that was last asked.
    seen: u64,
    buffer: Vec<u8>,
}

impl fmt::Debug for Grow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} + {} bytes", self.written, self.buffer.len())
    }
}

impl Grow {
    pub(super) fn new(storage: Arc<dyn Storage>, len: u64) -> Grow {
        Grow {
            storage,
            written: len,
            seen: len,
            buffer: Vec::new(),
        }
    }

    /// Where the next byte will lie.
    pub(super) fn end(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Something was written since this was last asked.
    pub(super) fn has_grown(&mut self) -> bool {
        std::mem::replace(&mut self.seen, self.written) != self.written
    }

    /// How many bytes are still to be written.
    pub(super) fn waiting(&self) -> usize {
        self.buffer.len()
    }

    pub(super) fn line(&mut self, line: &str) {
        self.buffer.extend_from_slice(line.as_bytes());
        self.buffer.push(b'\n');
    }

    /// Takes all of what was captured, as many bytes as were told.
    pub(super) fn take(&mut self, captured: &Captured) -> io::Result<()> {
        match captured {
            Captured::Inline(bytes) => self.bytes(bytes),
            Captured::Spilled { path, len } => self.file(Path::new(path.as_os_str()), *len),
        }
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.waiting() >= FULL {
            self.write()?;
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, len: u64) -> io::Result<()> {
        let lost = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut file = File::open(path).map_err(lost)?.take(len);
        let mut piece = vec![0; FULL];
        let mut left = len;
        while left > 0 {
            let read = file.read(&mut piece).map_err(lost)?;
            if read == 0 {
                return Err(lost(io::ErrorKind::UnexpectedEof.into()));
            }
            left -= read as u64;
            self.bytes(&piece[..read])?;
        }
        Ok(())
    }

    pub(super) fn write(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.storage.append(&self.buffer)?;
            self.written += self.buffer.len() as u64;
            self.buffer.clear();
            // A large output must not stay in memory for the rest of the run.
            self.buffer.shrink_to(2 * FULL);
        }
        Ok(())
    }
}
