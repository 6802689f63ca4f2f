//! Starting a worker: its channel with everything it needs already inside, then the process.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use nix::sys::signal::Signal;
use pexec_ipc::cells::Cells;
use pexec_ipc::process::{EnvChange, Respawn};
use pexec_ipc::ring::{Direction, Reader, Writer};
use pexec_ipc::segment::Segment;
use pexec_ipc::wake::Wake;
use pexec_ipc::{process, reap, socket};
use pexec_proto::handshake::MAX_HANDSHAKE_BODY;
use pexec_proto::{BuildId, Handshake, Header, Hello, Key, Kind, Limits, Setup, Stage, codec};

use super::capture::Capture;
use super::channel::Fault;
use super::inbox::Inbox;
use super::link::{Link, Pace, Rings};
use super::outbox::Outbox;
use super::stderr::Stderr;
use super::watch::{Source, Watch};
use crate::carried::{self, Arrived};
use crate::entry::WORKER_VAR;
use crate::future::bytes::Descriptors;
use crate::observed::Wish;
use crate::preamble;
use crate::process::StartMethod;

/// What marks begin with: first a byte that no text in UTF-8 has, so that little of it looks like the beginning of one.
fn token(random: &[u8; 32]) -> [u8; 16] {
    let mut token = [0xff; 16];
    token[1..].copy_from_slice(&random[..15]);
    token
}

/// How the workers of a pool are started.
pub(crate) struct Launch {
    pub(crate) pool: String,
    pub(crate) method: StartMethod,
    pub(crate) build: BuildId,
    pub(crate) env: Vec<EnvChange>,
    pub(crate) dir: Option<PathBuf>,
    pub(crate) depth: u32,
    pub(crate) max_message: u64,
    /// Tasks travel through shared memory.
    pub(crate) rings: bool,
    /// The initializer's call: reference and argument.
    pub(crate) initializer: Option<Vec<u8>>,
    /// What goes along with the initializer's argument.
    pub(crate) descriptors: Descriptors,
    /// The finalizer's, likewise.
    pub(crate) finalizer: Option<Vec<u8>>,
    pub(crate) limits: Option<Limits>,
    pub(crate) nice: Option<i32>,
    /// Sets of CPUs, for the slots in turn.
    pub(crate) cpus: Vec<Vec<u32>>,
    /// What a worker has resident counts, even where no task uses it.
    pub(crate) frugal: bool,
    /// What is to be heard of what its code tells.
    pub(crate) wish: Wish,
    /// What tasks print is captured: so many bytes of each of their streams.
    pub(crate) capture: Option<usize>,
}

impl Launch {
    /// What the worker is told once it has proved itself.
    pub(super) fn setup(&self, slot: usize, generation: u64, capture: Option<[u8; 16]>) -> Setup {
        Setup {
            slot: slot as u32,
            generation,
            pool: self.pool.clone(),
            max_message: self.max_message,
            depth: self.depth,
            // A fork has what its template's has made.
            initializer: self
                .initializer
                .clone()
                .filter(|_| self.method == StartMethod::Spawn),
            finalizer: self.finalizer.clone(),
            limits: self.limits,
            nice: self.nice,
            cpus: slot.checked_rem(self.cpus.len()).map(|at| self.cpus[at].clone()),
            capture,
            trace: self.wish.level(),
            frugal: self.frugal,
            template: false,
        }
    }

    /// The environment: the user's changes, then ours, so that no `env_clear` takes them away.
    pub(crate) fn environment(user: Vec<EnvChange>) -> Vec<EnvChange> {
        let mut env = user;
        env.push(EnvChange::Set(WORKER_VAR.into(), "1".into()));
        env
    }

    /// What the pool's template is told once it has proved itself.
    pub(super) fn template_setup(&self, generation: u64) -> Setup {
        Setup {
            slot: TEMPLATE,
            generation,
            pool: self.pool.clone(),
            max_message: self.max_message,
            depth: self.depth,
            initializer: self.initializer.clone(),
            finalizer: None,
            limits: self.limits,
            nice: self.nice,
            cpus: None,
            // It leaves no marks, and only learns that its workers will.
            capture: self.capture.map(|_| [0; 16]),
            trace: None,
            frugal: self.frugal,
            template: true,
        }
    }

    /// Puts a set-up on its way, and the descriptors that the initializer's argument holds.
    pub(super) fn tell(&self, setup: &Setup, outbox: &mut Outbox) -> Result<(), Fault> {
        let mut body = Vec::new();
        codec::encode(setup, &mut body).map_err(|e| Fault(format!("its set-up cannot be encoded: {e}")))?;
        if !self.descriptors.is_empty() {
            let frame = carried::frame(self.descriptors.len());
            outbox.push_with(&frame, self.descriptors.clone());
        }
        outbox.push(&Header::control(Kind::Setup, body.len() as u32).encode());
        outbox.push(&body);
        Ok(())
    }

    /// Makes the channel and the streams of a worker, with everything in it that the worker needs to begin.
    pub(super) fn prepare(&self, slot: usize, generation: u64) -> io::Result<(Ends, Given)> {
        let (stderr, stderr_end) = io::pipe()?;
        let (stdout, stdout_end) = match self.capture {
            Some(_) => Some(io::pipe()?).unzip(),
            None => (None, None),
        };
        let token = match self.capture {
            Some(_) => Some(token(&preamble::random()?)),
            None => None,
        };
        let bell = if self.rings { Some(Wake::new()?) } else { None };
        let (channel, theirs) = Channel::open(self, slot as u32, generation, bell.as_ref())?;
        let capture = || Some(Capture::new(token?, self.capture?));
        socket::set_nonblocking(&stderr, true)?;
        if let Some(stdout) = &stdout {
            socket::set_nonblocking(stdout, true)?;
        }
        let given = Given {
            channel: theirs,
            stderr: stderr_end.into(),
            stdout: stdout_end.map(Into::into),
        };
        let ends = Ends {
            channel,
            bell,
            stderr: Stderr::new(stderr.into(), capture()),
            stdout: stdout.map(|stdout| Stderr::new(stdout.into(), capture())),
            capture: token,
        };
        Ok((ends, given))
    }

    /// Starts a worker in this slot.
    pub(super) fn start(
        &self,
        slot: usize,
        generation: u64,
        now: Instant,
        watch: &Watch,
    ) -> io::Result<Link> {
        let (ends, given) = self.prepare(slot, generation)?;
        let title = format!("pexec-worker:{}:{slot}", self.pool);
        // Before there is a process: whatever fails until here leaves nothing behind.
        ends.watch(slot, watch)?;
        let child = self.respawn(&title, given)?;
        if let Err(error) = watch.add(&child.pidfd, Source::Exit(slot)) {
            process::kill_group(child.pid, Signal::SIGKILL);
            let _ = reap::reap_blocking(child.pid);
            return Err(error);
        }
        Ok(ends.link(child, now))
    }

    /// Starts this program again.
    pub(super) fn respawn(&self, title: &str, given: Given) -> io::Result<process::Child> {
        let respawn = Respawn {
            title,
            env: &self.env,
            dir: self.dir.as_ref(),
            stdin: given.channel,
            stdout: given.stdout,
            stderr: given.stderr,
        };
        respawn.start()
    }
}

/// The slot that a template says it is in.
pub(super) const TEMPLATE: u32 = u32::MAX;

/// A worker's end of what its link has the other ends of.
pub(super) struct Given {
    pub(super) channel: OwnedFd,
    pub(super) stderr: OwnedFd,
    /// Where what tasks print is captured.
    pub(super) stdout: Option<OwnedFd>,
}

/// Our end of a channel in which preamble and greeting lie.
pub(super) struct Channel {
    pub(super) socket: OwnedFd,
    pub(super) lifeline: OwnedFd,
    pub(super) segment: Arc<Segment>,
    pub(super) handshake: Handshake,
}

impl Channel {
    /// A fresh channel, and its other end.
    pub(super) fn open(
        launch: &Launch,
        slot: u32,
        generation: u64,
        bell: Option<&Wake>,
    ) -> io::Result<(Channel, OwnedFd)> {
        let (ours, theirs) = socket::pair()?;
        let (lifeline_end, lifeline) = io::pipe()?;
        let (segment, memory) = Segment::create()?;
        let key = Key::from_bytes(preamble::random()?);
        preamble::send(
            &ours,
            &key,
            (slot, generation),
            &lifeline_end.into(),
            &memory,
            bell,
        )?;
        let hello = Hello {
            build: launch.build,
            max_message: launch.max_message,
            slot,
            generation,
            pid: std::process::id(),
            nonce: preamble::random()?,
        };
        // The greeting lies ready before the worker exists, which saves it one wait.
        let (handshake, greeting) = Handshake::supervisor(&key, hello);
        socket::send(&ours, &[IoSlice::new(&greeting)])?;
        socket::set_nonblocking(&ours, true)?;
        let channel = Channel {
            socket: ours,
            lifeline: lifeline.into(),
            segment,
            handshake,
        };
        Ok((channel, theirs))
    }
}

/// Our ends of a worker's channel and streams.
pub(super) struct Ends {
    channel: Channel,
    bell: Option<Wake>,
    stderr: Stderr,
    stdout: Option<Stderr>,
    capture: Option<[u8; 16]>,
}

impl Ends {
    /// Has all of them watched.
    pub(super) fn watch(&self, slot: usize, watch: &Watch) -> io::Result<()> {
        watch.add(&self.channel.socket, Source::Channel(slot))?;
        self.stderr.watch(Source::Stderr(slot), watch)?;
        if let Some(stdout) = &self.stdout {
            stdout.watch(Source::Stdout(slot), watch)?;
        }
        match &self.bell {
            Some(bell) => watch.add_bell(bell, Source::Bell(slot)),
            None => Ok(()),
        }
    }

    /// With the process that has the other ends.
    pub(super) fn link(self, process::Child { pid, pidfd }: process::Child, now: Instant) -> Link {
        let Channel {
            socket,
            lifeline,
            segment,
            handshake,
        } = self.channel;
        Link {
            pid,
            pidfd,
            socket,
            lifeline,
            cells: Cells::new(Arc::clone(&segment)),
            pace: Pace::default(),
            batch: None,
            rings: self.bell.map(|bell| Rings {
                calls: Writer::new(Arc::clone(&segment), Direction::Calls),
                answers: Reader::new(segment, Direction::Answers),
                _bell: bell,
            }),
            stage: Stage::Handshake,
            handshake: Some(handshake),
            inbox: Inbox::new(MAX_HANDSHAKE_BODY),
            arrived: Arrived::default(),
            carried: None,
            outbox: Outbox::default(),
            stderr: self.stderr,
            stdout: self.stdout,
            capture: self.capture,
            hung_up: false,
            wants_room: false,
            fault: None,
            started: now,
        }
    }
}
