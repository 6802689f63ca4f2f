//! Frames: a fixed header of 16 bytes, then a body of the length that it tells.
//!
//! ```text
//! 0        4      5       6      8           16
//! | len u32 | kind | flags | cell | task u64  | body: len bytes       little endian
//! ```
//!
//! A header is checked whole, against the receiver's limit too, before anyone makes room for its body.

use std::fmt;

mod kind;
mod parse;

pub use kind::{Direction, Kind, Role, Stage};
pub use parse::{Frame, Frames};

/// Length of a header in bytes.
pub const HEADER_LEN: usize = 16;

/// The flags that this version knows: none. A set bit is refused, so that a later version can give it a meaning
/// that no earlier one overlooks.
pub const KNOWN_FLAGS: u8 = 0;

/// The start of every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Length of the body in bytes.
    pub len: u32,
    /// What the body is.
    pub kind: Kind,
    /// Always 0 in this version; see [`KNOWN_FLAGS`].
    pub flags: u8,
    /// Index of the task's cell in the table that supervisor and worker share; 0 where `kind` has none.
    pub cell: u16,
    /// The task's number ([`TaskId`](crate::TaskId)); 0 where `kind` has none.
    pub task: u64,
}

impl Header {
    /// A header for a frame about no task.
    #[must_use]
    pub const fn control(kind: Kind, len: u32) -> Header {
        Header {
            len,
            kind,
            flags: 0,
            cell: 0,
            task: 0,
        }
    }

    /// A header for a frame about the task in this cell.
    #[must_use]
    pub const fn task(kind: Kind, len: u32, cell: u16, task: u64) -> Header {
        Header {
            len,
            kind,
            flags: 0,
            cell,
            task,
        }
    }

    /// Its bytes.
    #[inline]
    #[must_use]
    pub const fn encode(&self) -> [u8; HEADER_LEN] {
        let [l0, l1, l2, l3] = self.len.to_le_bytes();
        let [c0, c1] = self.cell.to_le_bytes();
        let [t0, t1, t2, t3, t4, t5, t6, t7] = self.task.to_le_bytes();
        [
            l0,
            l1,
            l2,
            l3,
            self.kind as u8,
            self.flags,
            c0,
            c1,
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            t6,
            t7,
        ]
    }

    /// The header of these bytes, where its body may have at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// An unknown kind, an unknown flag, or a body over the limit; after any of them the channel is useless,
    /// because nobody knows where the next frame starts.
    #[inline]
    pub const fn decode(bytes: &[u8; HEADER_LEN], limit: u32) -> Result<Header, FrameError> {
        let [
            l0,
            l1,
            l2,
            l3,
            kind,
            flags,
            c0,
            c1,
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            t6,
            t7,
        ] = *bytes;
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        let Some(kind) = Kind::from_byte(kind) else {
            return Err(FrameError::UnknownKind { kind });
        };
        if flags & !KNOWN_FLAGS != 0 {
            return Err(FrameError::UnknownFlags { flags });
        }
        if len > limit {
            return Err(FrameError::TooLong { len, limit });
        }
        let cell = u16::from_le_bytes([c0, c1]);
        let task = u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]);
        Ok(Header {
            len,
            kind,
            flags,
            cell,
            task,
        })
    }

    /// Length of the whole frame in bytes, header included.
    #[inline]
    #[must_use]
    pub const fn frame_len(&self) -> usize {
        HEADER_LEN + self.len as usize
    }
}

/// Why sixteen bytes are not a header. The text reads on after "frame refused: ".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// The kind's byte means nothing in this version.
    UnknownKind {
        /// The byte.
        kind: u8,
    },
    /// A flag is set that means nothing in this version.
    UnknownFlags {
        /// All eight.
        flags: u8,
    },
    /// The body would be longer than the receiver allows.
    TooLong {
        /// Its claimed length in bytes.
        len: u32,
        /// The receiver's limit in bytes.
        limit: u32,
    },
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FrameError::UnknownKind { kind } => write!(f, "unknown kind {kind}"),
            FrameError::UnknownFlags { flags } => write!(f, "unknown flags {flags:#010b}"),
            FrameError::TooLong { len, limit } => {
                write!(f, "it claims a body of {len} bytes and the limit is {limit}")
            }
        }
    }
}

impl std::error::Error for FrameError {}
