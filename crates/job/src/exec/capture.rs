//! Keeps one stream whole: in memory while it is small, in a file of its own from the limit on. Of a command that runs for
//! long it is in the file before that, too, where the run can read it.
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
    /// The file has all that is in memory, for others to read.
    shown: bool,
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
            shown: false,
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

    /// From now on others want to see what is kept.
    pub(super) fn show(&mut self) {
        self.shown = true;
        if !self.inline.is_empty() {
            self.show_more(&[]);
        }
    }

    /// Writes to the file what is in memory as well. Nothing is lost where that fails; it is only not seen.
    fn show_more(&mut self, bytes: &[u8]) {
        let written = match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => self.open().and_then(|mut file| {
                file.write_all(&self.inline)?;
                self.file = Some(file);
                Ok(())
            }),
        };
        if written.is_err() {
            self.shown = false;
            self.file = None;
            let _ = std::fs::remove_file(&self.path);
        }
    }

    fn open(&self) -> io::Result<File> {
        open_new(OpenOptions::new().write(true).mode(0o600), &self.path)
    }

    fn keep(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        if self.len <= self.limit as u64 {
            self.inline.extend_from_slice(bytes);
            if self.shown {
                self.show_more(bytes);
            }
            return Ok(());
        }
        if self.file.is_none() {
            let file = self.open()?;
            self.file.insert(file).write_all(&self.inline)?;
        }
        self.inline = Vec::new();
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Ok(()),
        }
    }

    /// All that was kept, and why that is not all, if it is not.
    pub(super) fn finish(self) -> (Captured, Option<String>) {
        match self.file {
            Some(_) if self.len <= self.limit as u64 => {
                let _ = std::fs::remove_file(&self.path);
                (Captured::Inline(self.inline), self.fault)
            }
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
