//! The pool's template, where workers are forked: its process and channel, and who waits for a fork.
//!
//! One fork at a time. What a worker waits for, the core need not know: to it such a worker is one that starts. When the
//! template ends, running workers go on, and the next one that is wanted brings a new template. A template that ends
//! before it is ready, or while it forks, is one failed start: of the worker that was first in the row; the others come
//! again with it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Instant;

use nix::sys::signal::Signal;
use pexec_ipc::cells::Cells;
use pexec_ipc::{process, reap, socket};
use pexec_proto::handshake::MAX_HANDSHAKE_BODY;
use pexec_proto::{Forked, Handshake, Header, Kind, Progress, Refused, Role, Stage, codec};

use super::channel::{Fault, SMALLEST_LIMIT};
use super::departed::readable;
use super::inbox::{Inbox, Read};
use super::outbox::Outbox;
use super::spawn::{Channel, Ends, Given, Launch, TEMPLATE};
use super::stderr::{Stderr, Terminal};
use super::{Driver, Source, Watch};
use crate::autopsy::Exit;
use crate::carried;
use crate::core::{Departure, Standing};

/// What workers are forked from; nothing, until the first one is wanted.
#[derive(Default)]
pub(super) struct Template {
    running: Option<Box<Running>>,
    /// The slots that a worker is wanted for, in order. There is a template while there are any.
    waiting: VecDeque<usize>,
    generation: u64,
}

struct Running {
    pid: i32,
    pidfd: OwnedFd,
    socket: OwnedFd,
    /// Its end is the template's end.
    _lifeline: OwnedFd,
    cells: Cells,
    stage: Stage,
    /// Until both sides have proved themselves.
    handshake: Option<Handshake>,
    inbox: Inbox,
    outbox: Outbox,
    stderr: Stderr,
    /// What it did wrong, or why it would not start.
    fault: Option<String>,
    hung_up: bool,
    /// The fork that it was asked for.
    forking: Option<Forking>,
    reaped: bool,
}

struct Forking {
    slot: usize,
    ends: Ends,
    /// Nobody wants the worker any more.
    withdrawn: bool,
}

/// What a template has said.
enum Said {
    Authenticated,
    Forked(Forked),
}

impl Template {
    pub(super) fn read_stderr(&mut self, terminal: &mut Terminal, watch: &Watch) {
        if let Some(running) = &mut self.running {
            running.stderr.read(terminal, watch);
        }
    }

    pub(super) fn resume_stderr(&mut self, terminal: &Terminal, watch: &Watch) {
        if let Some(running) = &mut self.running {
            running.stderr.resume(Source::TemplateStderr, terminal, watch);
        }
    }

    /// Signals it and what its initializer has started.
    pub(super) fn signal(&self, signal: Signal) {
        if let Some(running) = &self.running {
            process::kill_group(running.pid, signal);
        }
    }

    fn start(&mut self, launch: &Launch, watch: &Watch) -> io::Result<&mut Running> {
        self.generation += 1;
        let (stderr, stderr_end) = io::pipe()?;
        socket::set_nonblocking(&stderr, true)?;
        let (channel, theirs) = Channel::open(launch, TEMPLATE, self.generation, None)?;
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
        let running = self.running.insert(Box::new(running));
        watch.add(&running.pidfd, Source::TemplateExit)?;
        Ok(running)
    }
}

impl Running {
    /// Ends it; what that means is decided when it has ended.
    fn kill(&mut self, fault: impl FnOnce() -> String) {
        if !self.reaped {
            self.fault.get_or_insert_with(fault);
            process::kill_group(self.pid, Signal::SIGKILL);
        }
    }

    /// Writes what waits. Its socket has room for all that is ever under way to it, the initializer's argument aside.
    fn flush(&mut self, watch: &Watch) {
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
    fn read(&mut self, launch: &Launch, generation: u64, said: &mut Vec<Said>) -> bool {
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
        let receive = |buffer: &mut [u8]| socket::receive(socket, buffer);
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
                let mut body = Vec::new();
                codec::encode(&launch.template_setup(generation), &mut body)
                    .map_err(|e| Fault(format!("its set-up cannot be encoded: {e}")))?;
                if !launch.descriptors.is_empty() {
                    let frame = carried::frame(launch.descriptors.len());
                    outbox.push_with(&frame, launch.descriptors.clone());
                }
                outbox.push(&Header::control(Kind::Setup, body.len() as u32).encode());
                outbox.push(&body);
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

    fn hang_up(&mut self, watch: &Watch) {
        if !self.hung_up {
            self.hung_up = true;
            watch.remove(&self.socket);
        }
    }

    /// Reaps the process, which has ended, and says how that was.
    fn remains(&mut self) -> String {
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

impl Driver {
    /// A worker is to be forked for this slot; gives the template's pid. The core hears of it as of any start.
    pub(super) fn want_fork(&mut self, now: Instant, slot: usize) -> io::Result<u32> {
        // As long as it waits it has no time limit: the initializer may take as long as it likes.
        self.core.authenticated(slot);
        let fresh = self.template.running.is_none();
        let pid = match &self.template.running {
            Some(running) => {
                if running.hung_up {
                    // It should have ended by itself. Its end brings the next one.
                    process::kill_group(running.pid, Signal::SIGKILL);
                }
                running.pid
            }
            None => {
                let started = self.template.start(&self.launch, &self.shared.watch);
                match started.map(|running| running.pid) {
                    Ok(pid) => pid,
                    Err(error) => {
                        self.template.running = None;
                        return Err(error);
                    }
                }
            }
        };
        if fresh {
            tracing::debug!(pool = %self.shared.name, pid, "template started");
            if self.clock.is_stopped() {
                self.template.signal(Signal::SIGSTOP);
            }
            self.core.handshake_begins(now, slot);
        }
        self.template.waiting.push_back(slot);
        self.fork_next(now);
        Ok(pid as u32)
    }

    /// Asks for the next fork, if somebody waits for one and the template has nothing to do.
    fn fork_next(&mut self, now: Instant) {
        loop {
            let Template { running, waiting, .. } = &mut self.template;
            let Some(running) = running.as_mut().filter(|r| {
                r.stage == Stage::Serving && r.forking.is_none() && !r.hung_up && r.fault.is_none()
            }) else {
                return;
            };
            let Some(slot) = waiting.pop_front() else { return };
            match self.launch.prepare(slot, self.generations[slot]) {
                Ok((ends, given)) => {
                    let _ = running.cells.take_forked();
                    let descriptors = [Some(given.channel), Some(given.stderr), given.stdout];
                    let descriptors: Vec<_> = descriptors.into_iter().flatten().map(Into::into).collect();
                    let frame = carried::frame(descriptors.len());
                    running.outbox.push_with(&frame, descriptors);
                    running.outbox.push(&Header::control(Kind::Fork, 0).encode());
                    running.forking = Some(Forking {
                        slot,
                        ends,
                        withdrawn: false,
                    });
                    running.flush(&self.shared.watch);
                    return self.core.handshake_begins(now, slot);
                }
                Err(error) => self.not_forked(now, slot, &error.to_string()),
            }
        }
    }

    /// The kernel gives no process, or not what belongs to one.
    fn not_forked(&mut self, now: Instant, slot: usize, reason: &str) {
        tracing::warn!(pool = %self.shared.name, slot, %reason, "worker could not be forked");
        self.core.start_refused(now, slot, reason, &mut self.links);
    }

    pub(super) fn read_template(&mut self, now: Instant) {
        let generation = self.template.generation;
        let mut said = Vec::new();
        let Some(running) = self.template.running.as_mut().filter(|r| !r.hung_up) else {
            return;
        };
        let more = running.read(&self.launch, generation, &mut said);
        running.flush(&self.shared.watch);
        for said in said {
            match said {
                Said::Authenticated => {
                    if let Some(&first) = self.template.waiting.front() {
                        self.core.authenticated(first);
                    }
                }
                Said::Forked(forked) => self.forked(now, forked),
            }
        }
        if more {
            self.fork_next(now);
        } else if let Some(running) = &mut self.template.running {
            running.hang_up(&self.shared.watch);
        }
    }

    fn forked(&mut self, now: Instant, Forked { refused }: Forked) {
        let Some(running) = &mut self.template.running else {
            return;
        };
        let Some(forking) = running.forking.take() else {
            return running.kill(|| "it forked unasked".to_owned());
        };
        match (running.cells.take_forked(), refused) {
            (Some(pid), _) => self.adopt(now, forking, pid),
            (None, Some(reason)) => self.not_forked(now, forking.slot, &reason),
            (None, None) => {
                running.forking = Some(forking);
                running.kill(|| "it says that it has forked, and has not".to_owned());
            }
        }
    }

    /// The worker for which the template was asked is this process.
    fn adopt(&mut self, now: Instant, Forking { slot, ends, .. }: Forking, pid: i32) {
        // The number comes out of memory that anybody may have written to; only a child of ours can be meant.
        if process::lead_group(pid).is_err() {
            let departure = Departure {
                reason: format!("worker {pid} ended before anybody saw it"),
                ..Departure::default()
            };
            self.core.departed(now, slot, &departure, &mut self.links);
            return;
        }
        let watch = &self.shared.watch;
        let watched = process::watch(pid).and_then(|pidfd| {
            watch.add(&pidfd, Source::Exit(slot))?;
            ends.watch(slot, watch)?;
            Ok(pidfd)
        });
        match watched {
            Ok(pidfd) => {
                self.has_started(slot, ends.link(process::Child { pid, pidfd }, now));
                if self.core.standing(slot).0 == Standing::Ending {
                    self.signal(slot, Signal::SIGKILL);
                }
            }
            Err(error) => {
                process::kill_group(pid, Signal::SIGKILL);
                let _ = reap::reap_blocking(pid);
                self.not_forked(now, slot, &error.to_string());
            }
        }
    }

    /// The worker that is to start in this slot, and has no process, is not to start any more.
    pub(super) fn withdraw(&mut self, now: Instant, slot: usize) {
        let Template { running, waiting, .. } = &mut self.template;
        let Some(running) = running else { return };
        if let Some(forking) = running.forking.as_mut().filter(|f| f.slot == slot) {
            // A template that is about to fork is worth a moment: it may have taken long to make.
            let waits = !std::mem::replace(&mut forking.withdrawn, true) && self.core.kill_later(now, slot);
            if !waits {
                running.kill(|| "the template did not fork a worker in time".to_owned());
            }
            return;
        }
        let Some(at) = waiting.iter().position(|&waits| waits == slot) else {
            return;
        };
        let greets = at == 0 && running.stage == Stage::Handshake;
        if greets && self.core.is_faulty(slot) {
            return running.kill(|| "the template did not finish its handshake in time".to_owned());
        }
        waiting.remove(at);
        self.withdrawn = true;
        if let Some(&first) = waiting.front().filter(|_| greets) {
            self.core.handshake_begins(now, first);
        }
        self.core
            .departed(now, slot, &Departure::default(), &mut self.links);
    }

    pub(super) fn find_template_exit(&mut self, now: Instant) {
        if !self.template.running.as_ref().is_some_and(|r| readable(&r.pidfd)) {
            return;
        }
        // What it said before its end counts, a fork above all.
        self.read_template(now);
        let Some(mut running) = self.template.running.take() else {
            return;
        };
        let mut charged = None;
        if let Some(forking) = running.forking.take() {
            match running.cells.take_forked() {
                Some(pid) => self.adopt(now, forking, pid),
                None => charged = Some(forking.slot),
            }
        }
        // The zombie keeps its number, and so its group's, from being given to a stranger.
        process::kill_group(running.pid, Signal::SIGKILL);
        running.stderr.read_rest(&mut self.terminal, &self.shared.watch);
        let ready = running.stage == Stage::Serving && running.fault.is_none();
        let reason = running.remains();
        tracing::debug!(pool = %self.shared.name, pid = running.pid, %reason, "template ended");
        let mut waiting = std::mem::take(&mut self.template.waiting);
        if charged.is_none() && !ready {
            charged = waiting.pop_front();
        }
        match charged {
            Some(slot) => {
                for slot in waiting {
                    self.core.postpone(now, slot);
                }
                let departure = Departure {
                    reason,
                    ..Departure::default()
                };
                self.core.departed(now, slot, &departure, &mut self.links);
            }
            // Its last fork went well: on with the next template.
            None => {
                for slot in waiting {
                    if let Err(error) = self.want_fork(now, slot) {
                        self.not_forked(now, slot, &error.to_string());
                    }
                }
            }
        }
        self.carry_out(now);
    }
}
