//! Walking the complete frames of a receive buffer, without copying.
//!
//! The buffer stays the reader's: this borrows it, hands out slices of it, and tells how much of it is used up.

use std::iter::FusedIterator;

use super::{FrameError, HEADER_LEN, Header};

/// A complete frame inside a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its header.
    pub header: Header,
    /// Its body, `header.len` bytes.
    pub body: &'a [u8],
}

/// The complete frames at the start of a buffer.
///
/// Stops in front of the first incomplete frame; [`pending`](Frames::pending) then tells its header, if that is
/// there already, and [`used`](Frames::used) how many bytes may be thrown away.
///
/// ```
/// use pexec_proto::{Frames, Header, Kind};
///
/// let mut buffer = Header::task(Kind::Value, 2, 0, 7).encode().to_vec();
/// buffer.extend(b"ok");
/// buffer.extend(&Header::control(Kind::Leaving, 0).encode()[..5]); // the rest is still under way
///
/// let mut frames = Frames::new(&buffer, 1024);
/// let frame = frames.next().unwrap()?;
/// assert_eq!((frame.header.task, frame.body), (7, &b"ok"[..]));
/// assert!(frames.next().is_none());
/// assert_eq!(frames.used(), 18);
/// # Ok::<(), pexec_proto::FrameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Frames<'a> {
    buffer: &'a [u8],
    used: usize,
    limit: u32,
    failed: bool,
}

impl<'a> Frames<'a> {
    /// Walks `buffer`, which starts with a header; a body may have at most `limit` bytes.
    #[inline]
    #[must_use]
    pub const fn new(buffer: &'a [u8], limit: u32) -> Frames<'a> {
        Frames {
            buffer,
            used: 0,
            limit,
            failed: false,
        }
    }

    /// The length of all frames handed out so far in bytes.
    #[inline]
    #[must_use]
    pub const fn used(&self) -> usize {
        self.used
    }

    /// Bytes behind the frames handed out so far.
    #[inline]
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        &self.buffer[self.used..]
    }

    /// From the next frame on, a body may have at most `limit` bytes: what a finished handshake changes.
    #[inline]
    pub const fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    /// The frames that come next and have this header but for its length, at most so many: all their bytes, headers included,
    /// and how many they are. They are handed out with that; one that is not whole or too long is not among them.
    ///
    /// ```
    /// use pexec_proto::{Frames, Header, Kind};
    ///
    /// let frame = |task, body: &[u8]| {
    ///     [&Header::task(Kind::Value, body.len() as u32, 3, task).encode(), body].concat()
    /// };
    /// let buffer = [frame(7, b"a"), frame(7, b"bc"), frame(8, b"d")].concat();
    /// let mut frames = Frames::new(&buffer, 1024);
    /// let first = frames.next().unwrap()?;
    /// assert_eq!(frames.alike(&first.header, 9), (&frame(7, b"bc")[..], 1));
    /// assert_eq!(frames.next().unwrap()?.header.task, 8);
    /// # Ok::<(), pexec_proto::FrameError>(())
    /// ```
    #[inline]
    pub fn alike(&mut self, header: &Header, most: u32) -> (&'a [u8], u32) {
        const LEN: u32 = u32::BITS;
        let wanted = u128::from_le_bytes(header.encode()) >> LEN;
        let rest = self.rest();
        let (mut end, mut count) = (0, 0);
        while count < most
            && let Some(bytes) = rest[end..].first_chunk::<HEADER_LEN>()
        {
            let word = u128::from_le_bytes(*bytes);
            let len = word as u32;
            let behind = end + HEADER_LEN + len as usize;
            if word >> LEN != wanted || len > self.limit || behind > rest.len() {
                break;
            }
            (end, count) = (behind, count + 1);
        }
        self.used += end;
        (&rest[..end], count)
    }

    /// The header of the next frame, where all of that header is there, so that its reader can make room for the
    /// body and read the rest straight into it.
    ///
    /// # Errors
    ///
    /// As [`Header::decode`].
    #[inline]
    pub fn pending(&self) -> Result<Option<Header>, FrameError> {
        match self.rest().first_chunk::<HEADER_LEN>() {
            Some(bytes) => Header::decode(bytes, self.limit).map(Some),
            None => Ok(None),
        }
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let (bytes, behind) = self.rest().split_first_chunk::<HEADER_LEN>()?;
        let header = match Header::decode(bytes, self.limit) {
            Ok(header) => header,
            Err(error) => {
                self.failed = true;
                return Some(Err(error));
            }
        };
        let body = behind.get(..header.len as usize)?;
        self.used += header.frame_len();
        Some(Ok(Frame { header, body }))
    }
}

// An error is final and so is the end: the buffer behind it cannot change while it is borrowed.
impl FusedIterator for Frames<'_> {}
