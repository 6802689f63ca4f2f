//! What a record asks of the disk: bytes at the end, and to be told that they are safe. So little that a disk which
//! loses what was not synced, or fails, can be put in its place.

use std::fs::File;
use std::io::{self, Write};

/// A file that only grows.
pub trait Storage: Send + Sync {
    /// Writes all of this at the end.
    ///
    /// # Errors
    ///
    /// When it was not written, or only a part of it.
    fn append(&self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when everything that was appended before survives a crash of the machine.
    ///
    /// # Errors
    ///
    /// When it may not have reached the disk. What was appended since the last success is in doubt for good: the
    /// system forgets what it could not write, so a later success would not speak for it.
    fn sync(&self) -> io::Result<()>;
}

/// A file that was opened to append.
impl Storage for File {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut file: &File = self;
        file.write_all(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
