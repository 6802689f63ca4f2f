//! What waits to be written to a worker: many small frames as one run of bytes, large arguments as they are.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use pexec_ipc::socket;

/// From this size on an argument is not copied on its way to the socket.
const LARGE: usize = 16 << 10;
/// How many bytes of small frames are gathered in one piece.
const RUN: usize = 64 << 10;

/// An encoded argument, kept until its task has ended, because the task may have to be sent again.
#[derive(Clone)]
pub(super) enum Body {
    Small(Vec<u8>),
    /// Shared with the outbox of the worker that it is being written to.
    Large(Arc<Vec<u8>>),
}

impl Body {
    pub(super) fn new(bytes: Vec<u8>) -> Body {
        if bytes.len() >= LARGE {
            Body::Large(Arc::new(bytes))
        } else {
            Body::Small(bytes)
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Body::Small(bytes) => bytes.len(),
            Body::Large(bytes) => bytes.len(),
        }
    }
}

enum Piece {
    Run(Vec<u8>),
    Large(Arc<Vec<u8>>),
}

impl Piece {
    fn bytes(&self) -> &[u8] {
        match self {
            Piece::Run(bytes) => bytes,
            Piece::Large(bytes) => bytes,
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

    /// Appends an argument.
    pub(super) fn push_body(&mut self, body: &Body) {
        match body {
            Body::Small(bytes) => self.push(bytes),
            Body::Large(bytes) => self.pieces.push_back(Piece::Large(Arc::clone(bytes))),
        }
    }

    /// Writes as much as the socket takes.
    pub(super) fn flush(&mut self, socket: &OwnedFd) -> io::Result<()> {
        const SLICES: usize = 16;
        while !self.pieces.is_empty() {
            let skip = std::iter::once(self.written).chain(std::iter::repeat(0));
            let slices: Vec<IoSlice<'_>> = self
                .pieces
                .iter()
                .zip(skip)
                .take(SLICES)
                .map(|(p, skip)| IoSlice::new(&p.bytes()[skip..]))
                .collect();
            match socket::send(socket, &slices) {
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
        }
    }
}

#[cfg(test)]
mod tests {
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
                let body = Body::new(vec![!(i as u8); LARGE + i as usize * 5000]);
                outbox.push_body(&body);
                wanted.extend(std::iter::repeat_n(!(i as u8), body.len()));
            }
        }
        let mut got = Vec::new();
        let mut buffer = [0; 10_000];
        while got.len() < wanted.len() {
            outbox.flush(&ours).unwrap();
            let n = socket::receive(&theirs, &mut buffer).unwrap();
            got.extend_from_slice(&buffer[..n]);
        }
        assert!(outbox.is_empty());
        assert!(got == wanted);
    }
}
