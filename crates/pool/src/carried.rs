//! Descriptors beside frames: what both ends of a channel say about them, and those that have come and wait for the
//! frame that they belong to.
//!
//! A `Descriptors` frame announces one set, for the frame behind it. The set lies in the socket, attached to the
//! announcement, or, where frames go through shared memory, to a mark that was sent before. Either way sets and
//! announcements are in the same order, and at most one set is there that is not announced yet.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use pexec_ipc::socket;
use pexec_proto::{HEADER_LEN, Header, Kind};

use crate::future::bytes::Descriptors;

const LEN: usize = HEADER_LEN + size_of::<u16>();

/// What a set is attached to that travels apart from its announcement.
pub(crate) const MARK: [u8; 1] = *b"d";

/// Announces that the kernel took none.
pub(crate) const NONE: [u8; LEN] = frame(0);

/// Announces so many.
pub(crate) const fn frame(count: usize) -> [u8; LEN] {
    let header = Header::control(Kind::Descriptors, size_of::<u16>() as u32).encode();
    let count = (count as u16).to_le_bytes();
    let mut bytes = [0; LEN];
    let (head, body) = bytes.split_at_mut(HEADER_LEN);
    head.copy_from_slice(&header);
    body.copy_from_slice(&count);
    bytes
}

/// Sets that wait for their announcement.
#[derive(Default)]
pub(crate) struct Arrived {
    sets: VecDeque<Vec<OwnedFd>>,
    count: usize,
}

impl Arrived {
    /// More than any two sets have: what announces them must be there already.
    const MANY: usize = 2 * socket::MAX_RIGHTS;

    /// Receives bytes, and the set that came with them.
    pub(crate) fn receive(&mut self, socket: &OwnedFd, bytes: &mut [u8]) -> io::Result<usize> {
        let (got, set) = socket::receive_with_fds(socket, bytes)?;
        if let Some(set) = set {
            self.put(set);
        }
        Ok(got)
    }

    /// Receives a set that was sent apart. False: the end of the stream.
    ///
    /// # Errors
    ///
    /// `InvalidData` for other bytes, and as [`socket::receive`].
    pub(crate) fn receive_marked(&mut self, socket: &OwnedFd) -> io::Result<bool> {
        let mut bytes = [0; MARK.len()];
        let (got, set) = socket::receive_with_fds(socket, &mut bytes)?;
        if got > 0 && bytes != MARK {
            let why = "bytes came through the socket where only descriptors are due";
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        if got > 0 {
            self.put(set.unwrap_or_default());
        }
        Ok(got > 0)
    }

    /// A set may be empty, where this process had no room for it.
    fn put(&mut self, set: Vec<OwnedFd>) {
        // An empty one counts too, so that they cannot be heaped up.
        self.count += set.len().max(1);
        self.sets.push_back(set);
    }

    /// The oldest set.
    pub(crate) fn take(&mut self) -> Option<Descriptors> {
        let set = self.sets.pop_front()?;
        self.count -= set.len().max(1);
        Some(set.into_iter().map(Arc::new).collect())
    }

    pub(crate) fn is_full(&self) -> bool {
        self.count >= Arrived::MANY
    }

    /// Whether more than one set has come that nothing has announced.
    pub(crate) fn has_stray(&self) -> bool {
        self.sets.len() > 1
    }
}
