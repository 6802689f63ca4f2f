//! The template's process and its channel: started, greeted, set up, asked for forks, and reaped.
//!
//! Its drop ends the process and a fork that nobody has heard of, so no way out leaves one behind.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use nix::sys::signal::Signal;
use pexec_ipc::cells::Cells;
use pexec_ipc::room::Room;
use pexec_ipc::{process, reap, socket};
use pexec_proto::handshake::MAX_HANDSHAKE_BODY;
use pexec_proto::{Forked, Handshake, Header, Kind, Progress, Refused, Role, Stage, codec};

use crate::autopsy::Exit;
use crate::carried;
use crate::driver::channel::{Fault, SMALLEST_LIMIT};
use crate::driver::inbox::{Inbox, Read};
use crate::driver::outbox::Outbox;
use crate::driver::spawn::{Channel, Ends, Given, Launch, TEMPLATE};
use crate::driver::stderr::Stderr;
use crate::driver::{Source, Watch};

pub(super) struct Running {
    pub(super) pid: i32,
    pub(super) pidfd: OwnedFd,
    socket: OwnedFd,
    /// Its end is the template's end.
    _lifeline: OwnedFd,
    pub(super) cells: Cells,
    pub(super) stage: Stage,
    /// Until both sides have proved themselves.
    handshake: Option<Handshake>,
    inbox: Inbox,
    outbox: Outbox,
    pub(super) stderr: Stderr,
    /// What it did wrong, or why it would not start.
    pub(super) fault: Option<String>,
    pub(super) hung_up: bool,
    /// The fork that it was asked for.
    pub(super) forking: Option<Forking>,
    reaped: bool,
}

pub(super) struct Forking {
    pub(super) slot: usize,
    pub(super) ends: Ends,
    /// Nobody wants the worker any more.
    pub(super) withdrawn: bool,
}

/// What a template has said.
pub(super) enum Said {
    Authenticated,
    Forked(Forked),
}

impl Running {
    pub(super) fn start(launch: &Launch, generation: u64, watch: &Watch) -> io::Result<Running> {
        let (stderr, stderr_end) = io::pipe()?;
        socket::set_nonblocking(&stderr, true)?;
        let (channel, theirs) = Channel::open(launch, TEMPLATE, generation, None)?;
        let stderr_end = OwnedFd::from(stderr_end);
        // What an initializer prints is no task's.
        let stdout = match launch.capture {
            Some(_) => Some(stderr_end.try_clone()?),
            None => None,
        };
        let stderr = Stderr::new(stderr.into(), None);
        watch.add(&channel.socket, Source::TemplateChannel)?;
        stderr.watch(Source::TemplateStderr, watch)?;
        let given = Given {
            channel: theirs,
            stderr: stderr_end,
            stdout,
        };
        let title = format!("pexec-worker:{}:template", launch.pool);
        let process::Child { pid, pidfd } = launch.respawn(&title, given)?;
        let running = Running {
            pid,
            pidfd,
            socket: channel.socket,
            _lifeline: channel.lifeline,
            cells: Cells::new(channel.segment),
            stage: Stage::Handshake,
            handshake: Some(channel.handshake),
            inbox: Inbox::new(MAX_HANDSHAKE_BODY),
            outbox: Outbox::default(),
            stderr,
            fault: None,
            hung_up: false,
            forking: None,
            reaped: false,
        };
        // From here on its drop ends the process.
        watch.add(&running.pidfd, Source::TemplateExit)?;
        Ok(running)
    }

    /// Whether it can be asked for a fork.
    pub(super) fn is_free(&self) -> bool {
        self.stage == Stage::Serving && self.forking.is_none() && !self.hung_up && self.fault.is_none()
    }

    /// Asks it for a worker in this slot.
    pub(super) fn ask(&mut self, slot: usize, ends: Ends, given: Given, watch: &Watch) {
        let _ = self.cells.take_forked();
        let descriptors = [Some(given.channel), Some(given.stderr), given.stdout];
        let descriptors: Vec<_> = descriptors.into_iter().flatten().map(Into::into).collect();
        let frame = carried::frame(descriptors.len());
        self.outbox.push_with(&frame, descriptors);
        self.outbox.push(&Header::control(Kind::Fork, 0).encode());
        self.forking = Some(Forking {
            slot,
            ends,
            withdrawn: false,
        });
        self.flush(watch);
    }

    /// Ends it; what that means is decided when it has ended.
    pub(super) fn kill(&mut self, fault: impl FnOnce() -> String) {
        if !self.reaped {
            self.fault.get_or_insert_with(fault);
            process::kill_group(self.pid, Signal::SIGKILL);
        }
    }

    /// Writes what waits. Its socket has room for all that is ever under way to it, the initializer's argument aside.
    pub(super) fn flush(&mut self, watch: &Watch) {
        let Running { outbox, socket, .. } = self;
        let flushed = outbox.flush(|slices, descriptors| {
            if descriptors.is_empty() {
                return socket::send(socket, slices);
            }
            let fds: Vec<BorrowedFd<'_>> = descriptors.iter().map(|fd| fd.as_fd()).collect();
            socket::send_with_fds(socket, slices, &fds)
        });
        if let Err(error) = flushed {
            tracing::debug!(%error, "writing to a template failed");
            self.outbox = Outbox::default();
        }
        if !self.hung_up {
            watch.want_room(&self.socket, Source::TemplateChannel, !self.outbox.is_empty());
        }
    }

    /// Reads all that is there, and says what of that the driver has to know. False: that was the last of it.
    pub(super) fn read(&mut self, launch: &Launch, generation: u64, said: &mut Vec<Said>) -> bool {
        let Running {
            inbox,
            socket,
            handshake,
            stage,
            outbox,
            fault,
            pid,
            ..
        } = self;
        let receive = |room: Room<'_>| room.fill(|buffer| socket::receive(socket, buffer));
        let read = inbox.read(receive, |header, body| -> Result<Option<u32>, Fault> {
            if let Some(steps) = handshake {
                let (peer, send) = match steps.receive(header, body.bytes())? {
                    Progress::Continue(bytes) => {
                        outbox.push(&bytes);
                        return Ok(None);
                    }
                    Progress::Done { peer, send } => (peer, send),
                };
                if peer.pid != *pid as u32 {
                    return Err(Fault(format!("it says it is process {}", peer.pid)));
                }
                outbox.push(&send);
                (*handshake, *stage) = (None, Stage::Setup);
                said.push(Said::Authenticated);
                launch.tell(&launch.template_setup(generation), outbox)?;
                return Ok(Some(SMALLEST_LIMIT));
            }
            let invalid = |e| Fault(format!("its answer cannot be decoded: {e}"));
            match header.kind {
                Kind::Ready if *stage == Stage::Setup => *stage = Stage::Serving,
                Kind::Refused if *stage == Stage::Setup => {
                    let refused: Refused = codec::decode(body.bytes()).map_err(invalid)?;
                    *fault = Some(refused.reason);
                }
                Kind::Forked if Kind::Forked.allowed(Role::Worker, *stage) => {
                    said.push(Said::Forked(codec::decode(body.bytes()).map_err(invalid)?));
                }
                kind => return Err(Fault(format!("a {kind:?} frame came where none is allowed"))),
            }
            Ok(None)
        });
        match read {
            Ok(Read::Some) => return true,
            // It is about to end, and its exit code and last words tell why.
            Ok(Read::End) => {}
            Err(Fault(what)) => {
                tracing::warn!(pid = self.pid, fault = %what, "template broke the protocol");
                self.kill(|| what);
            }
        }
        false
    }

    pub(super) fn hang_up(&mut self, watch: &Watch) {
        if !self.hung_up {
            self.hung_up = true;
            watch.remove(&self.socket);
        }
    }

    /// Reaps the process, which has ended, and says how that was.
    pub(super) fn remains(&mut self) -> String {
        self.reaped = true;
        let exit = match reap::reap(self.pid) {
            Ok(Some(reaped)) => match reaped.exit {
                reap::Exit::Code(code) => Exit::Code(code),
                reap::Exit::Signal(signal) => Exit::Signal(signal),
            },
            Ok(None) | Err(_) => Exit::Unknown,
        };
        if let Some(fault) = self.fault.take() {
            return fault;
        }
        let at = match self.stage {
            Stage::Handshake => "its handshake",
            Stage::Setup => "its initializer",
            Stage::Serving => "a fork",
        };
        let mut text = format!("the template {} ended by {exit} in {at}", self.pid);
        if let Some(last) = self.stderr.tail().trim_end().lines().last() {
            text.push_str(": ");
            text.push_str(last);
        }
        text
    }
}

impl Drop for Running {
    /// Takes the process along, and a fork that nobody has heard of.
    fn drop(&mut self) {
        if !self.reaped {
            process::kill_group(self.pid, Signal::SIGKILL);
            let _ = reap::reap_blocking(self.pid);
        }
        if self.forking.is_some()
            && let Some(pid) = self.cells.take_forked()
            && process::lead_group(pid).is_ok()
        {
            process::kill_group(pid, Signal::SIGKILL);
            let _ = reap::reap_blocking(pid);
        }
    }
}
