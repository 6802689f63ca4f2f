//! One worker process as the driver sees it: its descriptors, how far its channel has come, what it said last.

use std::os::fd::OwnedFd;
use std::time::Instant;

use pexec_ipc::cells::Cells;
use pexec_proto::{Handshake, Stage};

use super::inbox::Inbox;
use super::outbox::Outbox;
use super::stderr::Stderr;
use super::watch::Watch;

pub(super) struct Link {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    pub(super) socket: OwnedFd,
    /// Its end is the worker's end; a byte makes the worker look for a stop request.
    pub(super) lifeline: OwnedFd,
    pub(super) cells: Cells,
    pub(super) stage: Stage,
    /// Until both sides have proved themselves.
    pub(super) handshake: Option<Handshake>,
    pub(super) inbox: Inbox,
    pub(super) outbox: Outbox,
    pub(super) stderr: Stderr,
    /// The channel is at its end, or not to be trusted.
    pub(super) hung_up: bool,
    /// The watch reports room for bytes.
    pub(super) wants_room: bool,
    /// What the worker did wrong, or why it would not start.
    pub(super) fault: Option<String>,
    pub(super) started: Instant,
}

impl Link {
    /// Reads and writes no more: the channel is at its end, or not to be trusted.
    pub(super) fn hang_up(&mut self, watch: &Watch) {
        if !self.hung_up {
            self.hung_up = true;
            self.outbox = Outbox::default();
            watch.remove(&self.socket);
        }
    }
}
