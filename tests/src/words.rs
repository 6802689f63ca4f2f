//! The memory that a worker shares with its supervisor, word by word, for workers that write there what they like.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// Where the words lie; a test of the segment holds them there.
pub mod at {
    /// The task that runs (u64).
    pub const RUNNING: u64 = 0;
    /// How far it is (u32).
    pub const STAGE: u64 = 16;
    /// The registered process groups (i32 each).
    pub const GROUPS: std::ops::Range<u64> = 24..88;
    /// Nanoseconds spent on the tasks served, and how many those are (u64 each).
    pub const PACE: std::ops::Range<u64> = 128..144;
    /// The tasks' cells (u32 each).
    pub const CELLS: std::ops::Range<u64> = 256..16_640;
    /// The marks of the ring for calls, and of that for answers.
    pub const CALLS: u64 = 16_640;
    /// As above.
    pub const ANSWERS: u64 = 17_152;
    /// In a ring's marks: how far it is written (u64).
    pub const TAIL: u64 = 0;
    /// How far it is read (u64).
    pub const HEAD: u64 = 128;
    /// The reader wants to be woken (u32).
    pub const READER_WAITS: u64 = 256;
    /// The writer wants to be woken (u32).
    pub const WRITER_WAITS: u64 = 384;
    /// The bytes of both rings.
    pub const RINGS: std::ops::Range<u64> = 20_480..20_480 + (512 << 10);
}

/// The file behind the memory.
#[derive(Debug)]
pub struct Words(File);

impl Words {
    /// The memory whose descriptor came with the preamble.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn new(memory: &OwnedFd) -> io::Result<Words> {
        Ok(Words(File::from(memory.try_clone()?)))
    }

    /// Stores a word of 64 bits.
    ///
    /// # Errors
    ///
    /// When there is no such place.
    pub fn set(&self, at: u64, word: u64) -> io::Result<()> {
        self.0.write_all_at(&word.to_ne_bytes(), at)
    }

    /// Stores a word of 32 bits.
    ///
    /// # Errors
    ///
    /// When there is no such place.
    pub fn set_short(&self, at: u64, word: u32) -> io::Result<()> {
        self.0.write_all_at(&word.to_ne_bytes(), at)
    }

    /// A word of 64 bits.
    ///
    /// # Errors
    ///
    /// When there is no such place.
    pub fn get(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, at)?;
        Ok(u64::from_ne_bytes(bytes))
    }

    /// Stores bytes.
    ///
    /// # Errors
    ///
    /// When there is no such place.
    pub fn put(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }
}
