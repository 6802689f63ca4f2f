//! Starting a worker: its channel with everything it needs already inside, then the process.

use std::io::{self, IoSlice};
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
use pexec_proto::{BuildId, Handshake, Hello, Key, Limits, Setup, Stage};

use super::capture::Capture;
use super::inbox::Inbox;
use super::link::{Link, Pace, Rings};
use super::outbox::Outbox;
use super::stderr::Stderr;
use super::watch::{Source, Watch};
use crate::carried::Arrived;
use crate::entry::WORKER_VAR;
use crate::future::bytes::Descriptors;
use crate::observed::Wish;
use crate::preamble;

/// What marks begin with: first a byte that no text in UTF-8 has, so that little of it looks like the beginning of one.
fn token(random: &[u8; 32]) -> [u8; 16] {
    let mut token = [0xff; 16];
    token[1..].copy_from_slice(&random[..15]);
    token
}

/// How the workers of a pool are started.
pub(crate) struct Launch {
    pub(crate) pool: String,
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
            initializer: self.initializer.clone(),
            finalizer: self.finalizer.clone(),
            limits: self.limits,
            nice: self.nice,
            cpus: slot.checked_rem(self.cpus.len()).map(|at| self.cpus[at].clone()),
            capture,
            trace: self.wish.level(),
        }
    }

    /// The environment: the user's changes, then ours, so that no `env_clear` takes them away.
    pub(crate) fn environment(user: Vec<EnvChange>) -> Vec<EnvChange> {
        let mut env = user;
        env.push(EnvChange::Set(WORKER_VAR.into(), "1".into()));
        env
    }

    /// Starts a worker in this slot.
    pub(super) fn start(
        &self,
        slot: usize,
        generation: u64,
        now: Instant,
        watch: &Watch,
    ) -> io::Result<Link> {
        let (ours, theirs) = socket::pair()?;
        let (lifeline_end, lifeline) = io::pipe()?;
        let (stderr, stderr_end) = io::pipe()?;
        let (stdout, stdout_end) = match self.capture {
            Some(_) => Some(io::pipe()?).unzip(),
            None => (None, None),
        };
        let token = match self.capture {
            Some(_) => Some(token(&preamble::random()?)),
            None => None,
        };
        let capture = || Some(Capture::new(token?, self.capture?));
        let (segment, memory) = Segment::create()?;
        let bell = if self.rings { Some(Wake::new()?) } else { None };
        let key = Key::from_bytes(preamble::random()?);
        preamble::send(
            &ours,
            &key,
            (slot as u32, generation),
            &lifeline_end.into(),
            &memory,
            bell.as_ref(),
        )?;
        let hello = Hello {
            build: self.build,
            max_message: self.max_message,
            slot: slot as u32,
            generation,
            pid: std::process::id(),
            nonce: preamble::random()?,
        };
        // The greeting lies ready before the worker exists, which saves it one wait.
        let (handshake, greeting) = Handshake::supervisor(&key, hello);
        socket::send(&ours, &[IoSlice::new(&greeting)])?;
        socket::set_nonblocking(&ours, true)?;
        socket::set_nonblocking(&stderr, true)?;
        if let Some(stdout) = &stdout {
            socket::set_nonblocking(stdout, true)?;
            watch.add(stdout, Source::Stdout(slot))?;
        }
        let title = format!("pexec-worker:{}:{slot}", self.pool);
        let respawn = Respawn {
            title: &title,
            env: &self.env,
            dir: self.dir.as_ref(),
            stdin: theirs,
            stdout: stdout_end.map(Into::into),
            stderr: stderr_end.into(),
        };
        // Before there is a process: whatever fails until here leaves nothing behind.
        watch.add(&ours, Source::Channel(slot))?;
        watch.add(&stderr, Source::Stderr(slot))?;
        if let Some(bell) = &bell {
            watch.add_bell(bell, Source::Bell(slot))?;
        }
        let process::Child { pid, pidfd } = respawn.start()?;
        if let Err(error) = watch.add(&pidfd, Source::Exit(slot)) {
            process::kill_group(pid, Signal::SIGKILL);
            let _ = reap::reap_blocking(pid);
            return Err(error);
        }
        Ok(Link {
            pid,
            pidfd,
            socket: ours,
            lifeline: lifeline.into(),
            cells: Cells::new(Arc::clone(&segment)),
            pace: Pace::default(),
            batch: None,
            rings: bell.map(|bell| Rings {
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
            stderr: Stderr::new(stderr.into(), capture()),
            stdout: stdout.map(|stdout| Stderr::new(stdout.into(), capture())),
            capture: token,
            hung_up: false,
            wants_room: false,
            fault: None,
            started: now,
        })
    }
}
