//! The worker's end of its channel: blocking, read by the serving thread only, written under a lock because a
//! task may emit from any of its threads.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use pexec_ipc::socket;
use pexec_proto::{HEADER_LEN, Header, Kind};

/// The writing half.
pub(crate) struct Sender {
    socket: OwnedFd,
    lock: Mutex<()>,
}

impl Sender {
    pub(super) fn new(socket: OwnedFd) -> Sender {
        Sender {
            socket,
            lock: Mutex::new(()),
        }
    }

    /// Sends bytes that are whole frames.
    pub(super) fn send(&self, mut bytes: &[u8]) -> io::Result<()> {
        let _whole = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        while !bytes.is_empty() {
            let sent = socket::send(&self.socket, &[IoSlice::new(bytes)])?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Sends one frame from its parts.
    pub(super) fn send_frame(&self, kind: Kind, cell: u16, task: u64, body: &[u8]) -> io::Result<()> {
        let len = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut frame = Vec::with_capacity(HEADER_LEN + body.len());
        frame.extend_from_slice(&Header::task(kind, len, cell, task).encode());
        frame.extend_from_slice(body);
        self.send(&frame)
    }
}

/// The reading half: frames out of a buffer that is filled as far as the socket has bytes.
pub(super) struct Receiver {
    socket: OwnedFd,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

/// Bodies up to this size are read with whatever comes; larger ones straight into a buffer of their own.
const SMALL: usize = 64 << 10;

impl Receiver {
    pub(super) fn new(socket: OwnedFd) -> Receiver {
        Receiver {
            socket,
            buffer: vec![0; 2 * SMALL],
            from: 0,
            to: 0,
        }
    }

    /// The next header, once it is there as a whole.
    pub(super) fn header(&mut self, limit: u32) -> io::Result<Header> {
        self.fill(HEADER_LEN)?;
        let mut bytes = [0; HEADER_LEN];
        bytes.copy_from_slice(&self.buffer[self.from..self.from + HEADER_LEN]);
        self.from += HEADER_LEN;
        Header::decode(&bytes, limit).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    /// The body that follows the header. `large` is where a body that does not fit the buffer goes.
    pub(super) fn body<'a>(&'a mut self, len: usize, large: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        if len <= SMALL {
            self.fill(len)?;
            let from = self.from;
            self.from += len;
            return Ok(&self.buffer[from..from + len]);
        }
        large.clear();
        large.resize(len, 0);
        let here = (self.to - self.from).min(len);
        large[..here].copy_from_slice(&self.buffer[self.from..self.from + here]);
        self.from += here;
        let mut filled = here;
        while filled < len {
            match socket::receive(&self.socket, &mut large[filled..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
        Ok(large)
    }

    /// Makes at least `n` bytes (never more than `SMALL`) lie in the buffer in one piece.
    fn fill(&mut self, n: usize) -> io::Result<()> {
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        if self.buffer.len() - self.from < n {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        while self.to - self.from < n {
            match socket::receive(&self.socket, &mut self.buffer[self.to..])? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                got => self.to += got,
            }
        }
        Ok(())
    }
}
