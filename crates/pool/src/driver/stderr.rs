//! The workers' standard error: its last 4 KiB are kept for an autopsy, all of it goes on to our own. Where a pool
//! captures what its tasks print, their standard output is read in the same way, and only what is no task's goes on.
//!
//! Our own standard error may be a pipe that nobody reads or a terminal that is stopped. The loop must not stand
//! still with it, so it writes only what fits at once, and reads no more from a worker while something waits:
//! whoever floods is held back at its own pipe.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::capture::Capture;
use super::watch::{Source, Watch};
use crate::autopsy::FAILED_ALLOCATIONS;

/// How much of the end is kept.
pub(super) const TAIL: usize = 4096;
/// A pipe that is ready takes this much without blocking (POSIX's PIPE_BUF on Linux).
const PIECE: usize = 4096;

/// Our own standard error.
#[derive(Default)]
pub(super) struct Terminal {
    waiting: VecDeque<u8>,
    /// The watch reports when it takes bytes.
    watched: bool,
    dead: bool,
}

impl Terminal {
    fn fd() -> BorrowedFd<'static> {
        // Standard error lives as long as the process; one that was closed gives EBADF on use, handled below.
        static STDERR: std::sync::LazyLock<io::Stderr> = std::sync::LazyLock::new(io::stderr);
        STDERR.as_fd()
    }

    fn is_blocked(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn write(&mut self, bytes: &[u8], watch: &Watch) {
        if !self.dead {
            self.waiting.extend(bytes);
            self.flush(watch);
        }
    }

    /// Writes as much as can be written without waiting.
    pub(super) fn flush(&mut self, watch: &Watch) {
        while !self.waiting.is_empty() && !self.dead {
            let mut fds = [PollFd::new(Self::fd(), PollFlags::POLLOUT)];
            match poll(&mut fds, PollTimeout::ZERO) {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) => self.give_up(),
            }
            let (front, _) = self.waiting.as_slices();
            let piece = &front[..front.len().min(PIECE)];
            match nix::unistd::write(Self::fd(), piece) {
                Ok(n) => drop(self.waiting.drain(..n)),
                Err(nix::errno::Errno::EAGAIN | nix::errno::Errno::EINTR) => break,
                Err(_) => self.give_up(),
            }
        }
        if self.is_blocked() && !self.watched {
            // A regular file cannot be watched, and is never full in this sense either.
            match watch.add_writable(&Self::fd(), Source::Terminal) {
                Ok(()) => self.watched = true,
                Err(_) => self.give_up(),
            }
        } else if !self.is_blocked() && self.watched {
            self.watched = false;
            watch.remove(&Self::fd());
        }
    }

    /// Nobody will ever read it: closed, or its reader is gone. The tails are kept all the same.
    fn give_up(&mut self) {
        self.dead = true;
        self.waiting.clear();
    }
}

/// One worker's standard error, or its standard output.
pub(super) struct Stderr {
    pipe: Option<OwnedFd>,
    tail: VecDeque<u8>,
    /// It has said that an allocation failed: a backtrace may have pushed that out of the tail.
    pub(super) alloc_failed: bool,
    /// Not watched, because our own is behind.
    paused: bool,
    capture: Option<Box<Capture>>,
}

impl Stderr {
    /// `pipe` does not block.
    pub(super) fn new(pipe: OwnedFd, capture: Option<Capture>) -> Stderr {
        Stderr {
            pipe: Some(pipe),
            tail: VecDeque::new(),
            alloc_failed: false,
            paused: false,
            capture: capture.map(Box::new),
        }
    }

    /// Has it watched.
    pub(super) fn watch(&self, source: Source, watch: &Watch) -> io::Result<()> {
        self.pipe.as_ref().map_or(Ok(()), |pipe| watch.add(pipe, source))
    }

    /// Reads what is there, unless the terminal is behind.
    pub(super) fn read(&mut self, terminal: &mut Terminal, watch: &Watch) {
        // What is captured is bounded, and a task need not stand still because our own standard error does.
        if !terminal.is_blocked() || self.capture.is_some() {
            self.drain(terminal, watch, 16);
        }
        if self.capture.is_none()
            && terminal.is_blocked()
            && !self.paused
            && let Some(pipe) = &self.pipe
        {
            self.paused = true;
            watch.remove(pipe);
        }
    }

    /// The terminal has caught up, perhaps.
    pub(super) fn resume(&mut self, source: Source, terminal: &Terminal, watch: &Watch) {
        if self.paused
            && !terminal.is_blocked()
            && let Some(pipe) = &self.pipe
        {
            self.paused = watch.add(pipe, source).is_err();
        }
    }

    /// Reads what a worker that has ended has left. A descendant that keeps writing does not keep us here.
    pub(super) fn read_rest(&mut self, terminal: &mut Terminal, watch: &Watch) {
        self.drain(terminal, watch, 64);
        self.pipe = None;
        if let Some(capture) = &mut self.capture {
            let (mut all, mut nobodys) = (Vec::new(), Vec::new());
            capture.finish(&mut all, &mut nobodys);
            note(&mut self.tail, &mut self.alloc_failed, &all);
            terminal.write(&nobodys, watch);
        }
    }

    fn drain(&mut self, terminal: &mut Terminal, watch: &Watch, reads: usize) {
        for _ in 0..reads {
            if !self.read_some(terminal, watch) {
                return;
            }
        }
    }

    /// False: there is nothing to read now, or there never will be.
    fn read_some(&mut self, terminal: &mut Terminal, watch: &Watch) -> bool {
        let mut buffer = [0; PIECE];
        let Some(pipe) = &self.pipe else { return false };
        let n = match nix::unistd::read(pipe, &mut buffer) {
            Ok(n) if n > 0 => n,
            Err(nix::errno::Errno::EINTR) => return true,
            Err(nix::errno::Errno::EAGAIN) => return false,
            Ok(_) | Err(_) => {
                self.pipe = None;
                return false;
            }
        };
        let bytes = &buffer[..n];
        match &mut self.capture {
            None => {
                note(&mut self.tail, &mut self.alloc_failed, bytes);
                terminal.write(bytes, watch);
            }
            Some(capture) => {
                let (mut all, mut nobodys) = (Vec::new(), Vec::new());
                capture.feed(bytes, &mut all, &mut nobodys);
                note(&mut self.tail, &mut self.alloc_failed, &all);
                if !terminal.is_blocked() {
                    terminal.write(&nobodys, watch);
                }
            }
        }
        true
    }

    /// What a task has written whose answer is here; empty where nothing is captured.
    pub(super) fn take(&mut self, task: u64, terminal: &mut Terminal, watch: &Watch) -> Vec<u8> {
        loop {
            let Some(capture) = &mut self.capture else {
                return Vec::new();
            };
            if let Some(text) = capture.take(task) {
                return text;
            }
            // Its mark was written before its answer, so it is in the pipe. If it is not, nobody knows what is its.
            if !self.read_some(terminal, watch) {
                return Vec::new();
            }
        }
    }

    /// What the task has written in which the worker has ended, once all is read; likewise.
    pub(super) fn take_unfinished(&mut self, task: u64) -> Vec<u8> {
        let capture = self.capture.as_mut();
        capture.map_or_else(Vec::new, |capture| capture.take_unfinished(task))
    }

    /// The last of what it said; a character that was cut in two at the start is left out.
    pub(super) fn tail(&self) -> String {
        let bytes: Vec<u8> = self.tail.iter().copied().collect();
        let cut = if bytes.len() == TAIL {
            bytes.iter().take(3).take_while(|&&b| b & 0xC0 == 0x80).count()
        } else {
            0
        };
        String::from_utf8_lossy(&bytes[cut..]).into_owned()
    }
}

/// Keeps the end of what was said.
fn note(tail: &mut VecDeque<u8>, alloc_failed: &mut bool, bytes: &[u8]) {
    *alloc_failed |= FAILED_ALLOCATIONS
        .iter()
        .any(|said| contains(bytes, said.as_bytes()));
    tail.extend(bytes);
    let over = tail.len().saturating_sub(TAIL);
    tail.drain(..over);
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
