//! One worker process as the driver sees it: its descriptors, how far its channel has come, what it said last.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::sys::signal::Signal;
use pexec_ipc::cells::Cells;
use pexec_ipc::process;
use pexec_ipc::ring::{Reader, Writer};
use pexec_ipc::socket;
use pexec_ipc::wake::Wake;
use pexec_proto::{Handshake, Stage};

use super::batches::InProgress;
use super::inbox::Inbox;
use super::outbox::Outbox;
use super::stderr::Stderr;
use super::watch::Watch;
use crate::carried::{self, Arrived};
use crate::future::bytes::Descriptors;

/// The way of tasks and answers through shared memory.
pub(super) struct Rings {
    pub(super) calls: Writer,
    pub(super) answers: Reader,
    /// The worker rings it where the rings' marks ask for that; kept open, and in the watch's set.
    pub(super) _bell: Wake,
}

/// What a worker has said last of how many tasks it has served, and in how many nanoseconds.
#[derive(Default)]
pub(super) struct Pace(u64, u64);

impl Pace {
    /// Nanoseconds a task, of those that it has served since this was asked last.
    pub(super) fn of(&mut self, cells: &Cells) -> Option<u64> {
        let (served, spent) = cells.pace();
        let tasks = served.wrapping_sub(self.0);
        let time = spent.wrapping_sub(self.1);
        *self = Pace(served, spent);
        time.checked_div(tasks)
    }
}

pub(super) struct Link {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) socket: OwnedFd,
    /// Its end is the worker's end; a byte makes the worker look for a stop request.
    pub(super) lifeline: OwnedFd,
    pub(super) cells: Cells,
    pub(super) pace: Pace,
    /// The batch that it answers.
    pub(super) batch: Option<Box<InProgress>>,
    /// `None`: everything goes through the socket.
    pub(super) rings: Option<Rings>,
    pub(super) stage: Stage,
    /// Until both sides have proved themselves.
    pub(super) handshake: Option<Handshake>,
    pub(super) inbox: Inbox,
    /// Descriptors that the worker has sent and not announced yet.
    pub(super) arrived: Arrived,
    /// Those that go along with its next answer.
    pub(super) carried: Option<Descriptors>,
    pub(super) outbox: Outbox,
    pub(super) stderr: Stderr,
    /// Where what tasks print is captured.
    pub(super) stdout: Option<Stderr>,
    /// The same that its set-up tells.
    pub(super) capture: Option<[u8; 16]>,
    /// The channel is at its end, or not to be trusted.
    pub(super) hung_up: bool,
    /// The watch reports room for bytes.
    pub(super) wants_room: bool,
    /// What the worker did wrong, or why it would not start.
    pub(super) fault: Option<String>,
    pub(super) started: Instant,
}

impl Link {
    /// The rings, once they are used: the socket then only tells the end.
    pub(super) fn live_rings(&mut self) -> Option<&mut Rings> {
        self.rings.as_mut().filter(|_| self.stage == Stage::Serving)
    }

    /// Something has come through the ring that nobody has read.
    #[inline]
    pub(super) fn has_news(&self) -> bool {
        !self.hung_up && self.rings.as_ref().is_some_and(|rings| rings.answers.has_news())
    }

    /// Kills the groups that the worker has registered. Its page may name any: our own is not for it to end.
    pub(super) fn end_groups(&self) {
        let own = nix::unistd::getpgrp().as_raw();
        self.cells
            .groups()
            .filter(|&group| group != own)
            .for_each(|group| process::kill_group(group, Signal::SIGKILL));
    }

    /// What waits to be written has more room by now.
    pub(super) fn has_room(&self) -> bool {
        !self.hung_up && self.rings.as_ref().is_some_and(|rings| rings.calls.has_news())
    }

    /// Has descriptors go along with the frame that is pushed next.
    pub(super) fn push_descriptors(&mut self, descriptors: Descriptors) {
        let frame = carried::frame(descriptors.len());
        if self.live_rings().is_none() {
            self.outbox.push_with(&frame, descriptors);
            return;
        }
        // Only few tasks with handles are sent ahead, so the socket has room for what is attached to one byte each.
        let fds: Vec<BorrowedFd<'_>> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        match socket::send_with_fds(&self.socket, &[IoSlice::new(&carried::MARK)], &fds) {
            Ok(_) => self.outbox.push(&frame),
            Err(error) => {
                tracing::warn!(pid = self.pid, %error, "descriptors cannot be sent along");
                self.outbox.push(&carried::NONE);
            }
        }
    }

    /// Writes what waits, as far as it goes. True: some is left.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let Link {
            outbox,
            rings,
            socket,
            stage,
            ..
        } = self;
        let Some(Rings { calls, .. }) = rings.as_mut().filter(|_| *stage == Stage::Serving) else {
            outbox.flush(|slices, descriptors| {
                if descriptors.is_empty() {
                    return socket::send(socket, slices);
                }
                let fds: Vec<BorrowedFd<'_>> = descriptors.iter().map(|fd| fd.as_fd()).collect();
                socket::send_with_fds(socket, slices, &fds)
            })?;
            return Ok(!outbox.is_empty());
        };
        loop {
            outbox.flush(|slices, _| {
                let written = calls.write(slices.iter().find(|s| !s.is_empty()).map_or(&[], |s| &**s))?;
                if calls.publish() {
                    calls.wake_reader();
                }
                Ok(written)
            })?;
            // The worker rings once it has read something.
            if outbox.is_empty() || !calls.ask_for_room()? {
                return Ok(!outbox.is_empty());
            }
        }
    }

    /// Reads and writes no more: the channel is at its end, or not to be trusted.
    pub(super) fn hang_up(&mut self, watch: &Watch) {
        if !self.hung_up {
            self.hung_up = true;
            self.outbox = Outbox::default();
            watch.remove(&self.socket);
        }
    }
}
