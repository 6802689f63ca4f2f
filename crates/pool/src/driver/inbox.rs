//! What a worker has sent and nobody has handled: small frames in one buffer, a large body in its own.
//!
//! Nothing is allocated on a worker's word alone: a header over the limit is refused before, and a large body's
//! buffer is zero pages of the kernel until bytes arrive.

use std::io;

use pexec_ipc::room::Room;
use pexec_ipc::{memory, warm};
use pexec_proto::{FrameError, Frames, Header};

use crate::future::bytes::Bytes;

/// Bodies over this size go straight from the socket into a buffer of their own.
const LARGE: usize = 32 << 10;
const BUFFER: usize = 64 << 10;
/// How much one worker may make the loop read in a turn, so that a flood leaves the others their turn.
const TURN: usize = 4 << 20;

/// How far a turn of reading came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// All that was there, or the turn's share.
    Some,
    /// The end of the stream.
    End,
}

/// A body that is coming. Its memory is reserved and not touched before its bytes are here.
struct Large {
    header: Header,
    body: Vec<u8>,
    /// How much there was room for in the last read.
    wanted: usize,
}

impl Large {
    const STEP: usize = 1 << 20;

    fn is_whole(&self) -> bool {
        self.body.len() == self.header.len as usize
    }

    fn room(&mut self) -> Room<'_> {
        self.wanted = (self.header.len as usize - self.body.len()).min(Large::STEP);
        Room::Behind(&mut self.body, self.wanted)
    }
}

pub(super) struct Inbox {
    buffer: Vec<u8>,
    filled: usize,
    limit: u32,
    large: Option<Large>,
}

impl Inbox {
    /// Refuses bodies over `limit` bytes.
    pub(super) fn new(limit: u32) -> Inbox {
        Inbox {
            buffer: vec![0; BUFFER],
            filled: 0,
            limit,
            large: None,
        }
    }

    /// Reads what is there and hands out each whole frame. `receive` gives 0 at the end and `WouldBlock` when nothing is
    /// there; `handle` may give the inbox another limit, and may refuse; a large body is given as the vector that it
    /// was read into.
    pub(super) fn read<E: From<FrameError> + From<io::Error>>(
        &mut self,
        mut receive: impl FnMut(Room<'_>) -> io::Result<usize>,
        mut handle: impl FnMut(&Header, &mut Received<'_, '_>) -> Result<Option<u32>, E>,
    ) -> Result<Read, E> {
        let mut total = 0;
        while total < TURN {
            let got = match &mut self.large {
                Some(large) => receive(large.room()),
                None => receive(Room::Slice(&mut self.buffer[self.filled..])),
            };
            let got = match got {
                Ok(0) => return Ok(Read::End),
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Read::Some),
                // A ring whose marks cannot be.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error.into()),
                // Reset by a peer that died with our bytes unread: the end, like any other.
                Err(_) => return Ok(Read::End),
            };
            total += got;
            let short = match &mut self.large {
                Some(large) if large.is_whole() => {
                    if let Some(Large { header, body, .. }) = self.large.take()
                        && let Some(limit) = handle(&header, &mut Received::Owned(body))?
                    {
                        self.limit = limit;
                    }
                    false
                }
                Some(large) => large.wanted > got,
                None => {
                    self.filled += got;
                    let short = self.filled < self.buffer.len();
                    self.hand_out(&mut handle)?;
                    short && self.large.is_none()
                }
            };
            // A short read means that nothing is left, most of the time; poll says if that was wrong.
            if short {
                return Ok(Read::Some);
            }
        }
        Ok(Read::Some)
    }

    fn hand_out<E: From<FrameError>>(
        &mut self,
        handle: &mut impl FnMut(&Header, &mut Received<'_, '_>) -> Result<Option<u32>, E>,
    ) -> Result<(), E> {
        let mut used = 0;
        loop {
            let mut frames = Frames::new(&self.buffer[used..self.filled], self.limit);
            let Some(frame) = frames.next() else {
                // Not whole. A large one gets its own buffer as soon as its header is there.
                if let Some(header) = frames.pending()?
                    && header.len as usize > LARGE
                {
                    let start = used + pexec_proto::HEADER_LEN;
                    let here = self.filled - start;
                    let mut body = Vec::new();
                    warm::expect(header.len as usize);
                    memory::reserve_huge(&mut body, header.len as usize);
                    body.extend_from_slice(&self.buffer[start..start + here]);
                    self.large = Some(Large {
                        header,
                        body,
                        wanted: 0,
                    });
                    self.filled = 0;
                    return Ok(());
                }
                break;
            };
            let frame = frame?;
            let mut received = Received::Slice(frame.body, &mut frames);
            let handled = handle(&frame.header, &mut received)?;
            used += frames.used();
            if let Some(limit) = handled {
                self.limit = limit;
            }
        }
        self.buffer.copy_within(used..self.filled, 0);
        self.filled -= used;
        Ok(())
    }
}

/// A frame's body, in the reader's buffer or in its own.
pub(super) enum Received<'f, 'b> {
    /// With the frames behind it: by reference, because to move what was just written costs as much as a small answer.
    Slice(&'b [u8], &'f mut Frames<'b>),
    Owned(Vec<u8>),
}

impl Received<'_, '_> {
    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Received::Slice(bytes, _) => bytes,
            Received::Owned(bytes) => bytes,
        }
    }

    /// The frames that follow with the same header but for its length, at most so many, and how many: handled with this
    /// one.
    #[inline]
    pub(super) fn alike(&mut self, header: &Header, most: u32) -> (&[u8], u32) {
        match self {
            Received::Slice(_, frames) => frames.alike(header, most),
            Received::Owned(_) => (&[], 0),
        }
    }

    /// What is kept of it; once.
    #[inline]
    pub(super) fn keep(&mut self) -> Bytes {
        match self {
            Received::Slice(bytes, _) => Bytes::copy(bytes),
            Received::Owned(bytes) => Bytes::from(std::mem::take(bytes)),
        }
    }
}
