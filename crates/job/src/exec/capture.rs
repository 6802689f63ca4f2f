//! Keeps one stream whole: in memory while it is small, in a file of its own from the limit on.
//!
//! Nothing is ever cut off. Where a byte cannot be kept, the stream is at fault and says so; from then on it
//! takes no more, and its file is removed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Captured, Notes, Stream, open_new, spill_path};
use crate::text::Text;

/// The capture of one stream.
pub(super) struct Capture {
    inline: Vec<u8>,
    limit: usize,
    path: PathBuf,
    file: Option<File>,
    len: u64,
    fault: Option<String>,
}

impl Capture {
    pub(super) fn new(notes: &Notes, stream: Stream) -> Capture {
        Capture {
            inline: Vec::new(),
            limit: usize::try_from(notes.inline_limit).unwrap_or(usize::MAX),
            path: spill_path(notes, stream),
            file: None,
            len: 0,
            fault: None,
        }
    }

    /// Keeps `bytes`. False: it could not, and [`finish`](Capture::finish) will say why.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        if self.fault.is_some() {
            return false;
        }
        if let Err(error) = self.keep(bytes) {
            self.fault = Some(format!(
                "its output could not be kept in {}: {error}",
                self.path.display()
            ));
            self.inline = Vec::new();
            if self.file.take().is_some() {
                let _ = std::fs::remove_file(&self.path);
            }
            return false;
        }
        true
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        if let Some(file) = &mut self.file {
            return file.write_all(bytes);
        }
        if self.inline.len() + bytes.len() <= self.limit {
            self.inline.extend_from_slice(bytes);
            return Ok(());
        }
        let file = open_new(OpenOptions::new().write(true).mode(0o600), &self.path)?;
        let file = self.file.insert(file);
        file.write_all(&std::mem::take(&mut self.inline))?;
        file.write_all(bytes)
    }

    /// All that was kept, and why that is not all, if it is not.
    pub(super) fn finish(self) -> (Captured, Option<String>) {
        match self.file {
            Some(_) => (
                Captured::Spilled {
                    path: Text::from(path_bytes(self.path)),
                    len: self.len,
                },
                self.fault,
            ),
            None => (Captured::Inline(self.inline), self.fault),
        }
    }
}

pub(super) fn path_bytes(path: PathBuf) -> Vec<u8> {
    use std::os::unix::ffi::OsStringExt;
    path.into_os_string().into_vec()
}

/// The last `most` bytes of a file of `len` bytes.
pub(super) fn read_tail(path: &Path, len: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(len.saturating_sub(most as u64)))?;
    let mut tail = Vec::new();
    file.take(most as u64).read_to_end(&mut tail)?;
    Ok(tail)
}
