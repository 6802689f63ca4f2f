//! What workers send, frame by frame. A frame that its sender may not send now, or that names a task which that
//! worker does not have, is the end of the worker: nothing else is ever touched by it.

use std::cell::RefCell;
use std::io;
use std::time::Instant;

use pexec_ipc::room::Room;
use pexec_ipc::socket;
use pexec_proto::codec;
use pexec_proto::{FrameError, HandshakeError, Kind, Progress, Refused, Role, Stage};

use super::answers::{Reader, announced};
use super::inbox::Read;
use super::link::Link;
use super::{Driver, Source};

/// A report of a failure has room to say what happened, however small a pool's messages may be.
pub(super) const SMALLEST_LIMIT: u32 = 64 << 10;

/// What a worker did wrong.
pub(super) struct Fault(pub(super) String);

impl From<FrameError> for Fault {
    fn from(error: FrameError) -> Fault {
        Fault(format!("frame refused: {error}"))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Fault {
        Fault(error.to_string())
    }
}

impl From<HandshakeError> for Fault {
    fn from(error: HandshakeError) -> Fault {
        Fault(format!("handshake failed: {error}"))
    }
}

impl Driver {
    /// Reads what the events say is there.
    fn read_one(&mut self, source: Source, now: Instant) {
        match source {
            Source::Channel(slot) => self.read_socket(slot, now),
            Source::Bell(slot) => {
                // It rings once; from now on it is silent until somebody asks again.
                self.silent.insert(slot);
                self.read_from(slot, now);
            }
            Source::Stderr(slot) => {
                if let Some(link) = self.links.0.get_mut(slot).and_then(Option::as_mut) {
                    link.stderr.read(&mut self.terminal, &self.shared.watch);
                }
            }
            Source::Stdout(slot) => {
                if let Some(link) = self.links.0.get_mut(slot).and_then(Option::as_mut)
                    && let Some(stdout) = &mut link.stdout
                {
                    stdout.read(&mut self.terminal, &self.shared.watch);
                }
            }
            Source::Terminal => self.resume_stderr(),
            Source::TemplateChannel => self.read_template(now),
            Source::TemplateStderr => self.template.read_stderr(&mut self.terminal, &self.shared.watch),
            Source::Exit(_) | Source::TemplateExit | Source::WakePool | Source::WakeCaller => {}
        }
    }

    pub(super) fn read_ready(&mut self, now: Instant, ready: &[Source]) {
        ready.iter().for_each(|&source| self.read_one(source, now));
    }

    /// Reads the rings of the workers that have something to answer.
    pub(super) fn read_rings(&mut self, now: Instant) {
        let mut from = 0;
        while let Some(slot) = self.busy.next(from) {
            from = slot + 1;
            if self.has_news(slot) {
                let before = self.outcomes();
                self.read_from(slot, now);
                // Of few tasks the pace means little, and to look at it costs more than one.
                if self.outcomes() - before >= 8
                    && let Some(link) = &mut self.links.0[slot]
                    && let Some(pace) = link.pace.of(&link.cells)
                {
                    self.core.set_pace(slot, pace);
                }
            }
            if !self.core.is_busy(slot) {
                self.busy.remove(slot);
            }
        }
    }

    /// The socket has bytes, or is at its end.
    fn read_socket(&mut self, slot: usize, now: Instant) {
        let Some(link) = self.links.0.get_mut(slot).and_then(Option::as_mut) else {
            return;
        };
        if link.hung_up || link.live_rings().is_none() {
            self.read_from(slot, now);
            return;
        }
        let received = loop {
            if link.arrived.is_full() {
                break Ok(true);
            }
            match link.arrived.receive_marked(&link.socket) {
                Ok(true) => {}
                received => break received,
            }
        };
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.fault(slot, now, error.to_string());
            }
            Ok(true) => {
                // Each set was sent before its announcement, and one announcement is under way at a time.
                while self.has_news(slot) && self.read_from(slot, now) == Reading::Some {}
                let link = self.links.0[slot].as_ref();
                if link.is_some_and(|link| !link.hung_up && link.arrived.has_stray()) {
                    let what = "it sent descriptors that belong to no answer".to_owned();
                    self.fault(slot, now, what);
                }
            }
            Ok(false) | Err(_) => {
                // What it has written before it hung up counts.
                while self.has_news(slot) && self.read_from(slot, now) == Reading::Some {}
                self.hang_up(slot, now);
            }
        }
    }

    pub(super) fn has_news(&self, slot: usize) -> bool {
        self.links.0[slot].as_ref().is_some_and(Link::has_news)
    }

    fn hang_up(&mut self, slot: usize, now: Instant) {
        if let Some(link) = &mut self.links.0[slot]
            && !link.hung_up
        {
            link.hang_up(&self.shared.watch);
            self.core.hung_up(now, slot);
        }
    }

    pub(super) fn fault(&mut self, slot: usize, now: Instant, what: String) {
        if let Some(link) = &mut self.links.0[slot] {
            tracing::warn!(slot, pid = link.pid, fault = %what, "worker broke the protocol");
            link.hang_up(&self.shared.watch);
            link.fault = Some(what);
            self.core.fault(now, slot, &mut self.links);
        }
    }

    /// Our own standard error takes bytes again: on with those that were held back.
    fn resume_stderr(&mut self) {
        self.terminal.flush(&self.shared.watch);
        for (slot, link) in self.links.0.iter_mut().enumerate() {
            if let Some(link) = link {
                link.stderr
                    .resume(Source::Stderr(slot), &self.terminal, &self.shared.watch);
            }
        }
        self.template.resume_stderr(&self.terminal, &self.shared.watch);
    }

    /// Reads from one worker.
    pub(super) fn read_from(&mut self, slot: usize, now: Instant) -> Reading {
        let Some(link) = self.links.0.get_mut(slot).and_then(Option::as_mut) else {
            return Reading::End;
        };
        if link.hung_up {
            return Reading::End;
        }
        let Link {
            inbox,
            rings,
            batch,
            cells,
            pace,
            socket,
            stage,
            handshake,
            outbox,
            fault,
            pid,
            started,
            stdout,
            stderr,
            capture,
            arrived,
            carried,
            ..
        } = link;
        // Filled by what receives, emptied by what handles.
        let arrived = RefCell::new(arrived);
        let socket = &*socket;
        let mut reader = Reader {
            slot,
            now,
            core: &mut self.core,
            tasks: &mut self.tasks,
            stage,
            batch,
            cells,
            pace,
            carried,
            max_message: self.shared.max_message,
            stdout,
            stderr,
            terminal: &mut self.terminal,
            watch: &self.shared.watch,
            observer: &mut self.observer,
            timings: &mut self.timings,
        };
        let launch = &self.launch;
        let generation = self.generations[slot];
        let may_carry = *reader.stage == Stage::Serving;
        let mut answers = match rings {
            Some(rings) if *reader.stage == Stage::Serving => Some(&mut rings.answers),
            _ => None,
        };
        let in_rings = answers.is_some();
        let receive = |mut room: Room<'_>| match &mut answers {
            // Nobody who has not proved himself hands us anything.
            None if !may_carry => room.fill(|buffer| socket::receive(socket, buffer)),
            None => {
                let mut arrived = arrived.borrow_mut();
                let got = room.fill(|buffer| arrived.receive(socket, buffer));
                if arrived.has_stray() {
                    let why = "it sent descriptors that belong to no answer";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
                got
            }
            Some(ring) => match room.take_from(ring)? {
                0 => Err(io::ErrorKind::WouldBlock.into()),
                n => {
                    if ring.writer_waits() {
                        ring.wake_writer();
                    }
                    Ok(n)
                }
            },
        };
        let read = inbox.read(receive, |header, body| -> Result<Option<u32>, Fault> {
            match reader.stage {
                Stage::Handshake => {
                    let Some(steps) = handshake.as_mut() else {
                        return Err(Fault("no handshake is due".into()));
                    };
                    match steps.receive(header, body.bytes())? {
                        Progress::Continue(bytes) => outbox.push(&bytes),
                        Progress::Done { peer, send } => {
                            if peer.pid != *pid as u32 {
                                return Err(Fault(format!(
                                    "handshake failed: it says it is process {}",
                                    peer.pid
                                )));
                            }
                            outbox.push(&send);
                            *handshake = None;
                            *reader.stage = Stage::Setup;
                            reader.core.authenticated(slot);
                            launch.tell(&launch.setup(slot, generation, *capture), outbox)?;
                            return Ok(Some(
                                u32::try_from(launch.max_message)
                                    .unwrap_or(u32::MAX)
                                    .max(SMALLEST_LIMIT),
                            ));
                        }
                    }
                    Ok(None)
                }
                // Nearly all of them.
                Stage::Serving if header.kind == Kind::Value => reader.handle(header, body).map(|()| None),
                Stage::Setup | Stage::Serving => {
                    if !header.kind.allowed(Role::Worker, *reader.stage) {
                        return Err(Fault(format!(
                            "a {:?} frame came where none is allowed",
                            header.kind
                        )));
                    }
                    if header.kind == Kind::Refused {
                        let refused: Refused = codec::decode(body.bytes())
                            .map_err(|e| Fault(format!("its refusal cannot be decoded: {e}")))?;
                        *fault = Some(refused.reason);
                        return Ok(None);
                    }
                    if header.kind == Kind::Ready {
                        tracing::debug!(slot, pid, after = ?started.elapsed(), "worker ready");
                    }
                    if header.kind == Kind::Descriptors {
                        let set = announced(&mut arrived.borrow_mut(), socket, in_rings, body.bytes())?;
                        reader.carry(set)?;
                        return Ok(None);
                    }
                    reader.handle(header, body).map(|()| None)
                }
            }
        });
        if !link.outbox.is_empty() {
            self.unsent.insert(slot);
        }
        match read {
            Ok(Read::Some) => return Reading::Some,
            Ok(Read::End) => self.hang_up(slot, now),
            Err(Fault(what)) => self.fault(slot, now, what),
        }
        Reading::End
    }
}

/// How far reading from a worker came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// All that is there, or a turn's share of it.
    Some,
    /// Its channel is at its end, or not to be trusted.
    End,
}
