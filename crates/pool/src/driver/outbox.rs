//! What waits to be written to a worker: many small frames as one run of bytes, large arguments as they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use pexec_proto::codec::Prefix;

use crate::future::bytes::{Bytes, Descriptors};

/// From this size on an argument is not copied on its way to the socket.
const LARGE: usize = 16 << 10;
/// How many bytes of small frames are gathered in one piece.
const RUN: usize = 64 << 10;

enum Piece {
    Run(Vec<u8>),
    Large(Arc<Vec<u8>>),
    /// The content of a string of bytes, without its length.
    Content(Arc<(Prefix, Vec<u8>)>),
    /// Bytes with descriptors attached to the first.
    Carrying(Vec<u8>, Descriptors),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Run(bytes) => bytes,
            Piece::Large(bytes) => bytes,
            Piece::Content(content) => &content.1,
            Piece::Carrying(bytes, _) => bytes,
        }
    }
}

#[derive(Default)]
pub(super) struct Outbox {
    pieces: VecDeque<Piece>,
    /// How much of the first piece is written.
    written: usize,
    /// A used-up run's memory, for the next one.
    spare: Vec<u8>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Appends bytes, copied.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        match self.pieces.back_mut() {
            Some(Piece::Run(run)) if run.len() < RUN => run.extend_from_slice(bytes),
            _ => {
                let mut run = std::mem::take(&mut self.spare);
                run.clear();
                run.extend_from_slice(bytes);
                self.pieces.push_back(Piece::Run(run));
            }
        }
    }

    /// Appends an argument; a large one is shared with the task, which may have to be sent again.
    pub(super) fn push_body(&mut self, body: &Bytes) {
        match body {
            Bytes::Long(bytes) if bytes.len() >= LARGE => {
                self.pieces.push_back(Piece::Large(Arc::clone(bytes)));
            }
            Bytes::Content(content) => {
                self.push(content.0.as_ref());
                self.pieces.push_back(Piece::Content(Arc::clone(content)));
            }
            Bytes::Short(..) | Bytes::Long(_) => self.push(body.parts().1),
        }
    }

    /// Appends bytes that descriptors go along with.
    pub(super) fn push_with(&mut self, bytes: &[u8], descriptors: Descriptors) {
        self.pieces
            .push_back(Piece::Carrying(bytes.to_vec(), descriptors));
    }

    /// Writes as much as `write` takes; it gives 0 or `WouldBlock` when it takes no more. Descriptors belong to the
    /// first byte.
    pub(super) fn flush(
        &mut self,
        mut write: impl FnMut(&[IoSlice<'_>], &[Arc<OwnedFd>]) -> io::Result<usize>,
    ) -> io::Result<()> {
        const SLICES: usize = 16;
        while !self.pieces.is_empty() {
            let mut slices: [IoSlice<'_>; SLICES] = std::array::from_fn(|_| IoSlice::new(&[]));
            let mut pieces = self.pieces.iter().take(SLICES);
            let (n, descriptors) = match pieces.next() {
                // The first byte of those is never behind others.
                Some(Piece::Carrying(_, descriptors)) if self.written == 0 => (1, &descriptors[..]),
                _ => {
                    let plain = pieces.take_while(|piece| !matches!(piece, Piece::Carrying(..)));
                    (1 + plain.count(), &[][..])
                }
            };
            let skip = std::iter::once(self.written).chain(std::iter::repeat(0));
            for ((slice, piece), skip) in slices.iter_mut().zip(&self.pieces).zip(skip) {
                *slice = IoSlice::new(&piece.bytes()[skip..]);
            }
            match write(&slices[..n], descriptors) {
                Ok(0) => return Ok(()),
                Ok(sent) => self.advance(sent),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn advance(&mut self, mut sent: usize) {
        while let Some(piece) = self.pieces.front() {
            let left = piece.bytes().len() - self.written;
            if sent < left {
                self.written += sent;
                return;
            }
            sent -= left;
            self.written = 0;
            if let Some(Piece::Run(run)) = self.pieces.pop_front() {
                self.spare = run;
            }
            if sent == 0 {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pexec_ipc::socket;

    use super::*;

    #[test]
    fn frames_and_large_bodies_arrive_in_order_through_a_socket_that_takes_a_little_at_a_time() {
        let (ours, theirs) = socket::pair().unwrap();
        socket::set_nonblocking(&ours, true).unwrap();
        let mut outbox = Outbox::default();
        let mut wanted = Vec::new();
        for i in 0..200u32 {
            let small = vec![i as u8; (i as usize * 37) % 500];
            outbox.push(&small);
            wanted.extend_from_slice(&small);
            if i % 20 == 0 {
                let body = Bytes::from(vec![!(i as u8); LARGE + i as usize * 5000]);
                outbox.push_body(&body);
                wanted.extend_from_slice(body.parts().1);
                outbox.push_body(&Bytes::content(wanted[..LARGE].to_vec()));
                let content = Bytes::content(wanted[..LARGE].to_vec()).into_vec();
                wanted.extend_from_slice(&content);
            }
        }
        let mut got = Vec::new();
        let mut buffer = [0; 10_000];
        while got.len() < wanted.len() {
            outbox.flush(|slices, _| socket::send(&ours, slices)).unwrap();
            let n = socket::receive(&theirs, &mut buffer).unwrap();
            got.extend_from_slice(&buffer[..n]);
        }
        assert!(outbox.is_empty());
        assert!(got == wanted);
    }
}
