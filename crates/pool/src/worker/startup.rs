//! From a fresh process to a proved and set-up worker.

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use pexec_ipc::cells::Cells;
use pexec_ipc::segment::Segment;
use pexec_ipc::{process, socket};
use pexec_proto::codec;
use pexec_proto::handshake::MAX_HANDSHAKE_FRAME;
use pexec_proto::{HEADER_LEN, Handshake, Hello, Key, Kind, Progress, Setup};

use super::bounds::Bounds;
use super::channel::{Receiver, Sender};
use super::current::Identity;
use super::{lifeline, template};
use crate::future::bytes::Descriptors;
use crate::preamble::{self, Preamble};

/// A worker that may be told to run things.
pub(super) struct Started {
    pub(super) me: &'static Identity,
    pub(super) receiver: Receiver,
    pub(super) setup: Setup,
    /// What came along for the initializer's argument.
    pub(super) descriptors: Descriptors,
    /// What its tasks may use, or why this cannot be the worker that is wanted.
    pub(super) bounds: Result<Bounds, String>,
    pub(super) segment: Arc<Segment>,
    /// Where tasks travel through the shared memory.
    pub(super) bell: Option<OwnedFd>,
}

impl Started {
    /// Tells the supervisor that tasks may come. From then on they come the way that it has chosen.
    pub(super) fn ready(mut self) -> io::Result<(&'static Identity, Receiver, Setup)> {
        self.me.sender.send_frame(Kind::Ready, 0, 0, &[])?;
        if let Some(bell) = self.bell {
            let keeps = !self.setup.frugal;
            self.receiver
                .use_rings(&self.me.sender, &self.segment, bell, keeps);
        }
        Ok((self.me, self.receiver, self.setup))
    }
}

/// The process whose end is this one's.
pub(super) struct Supervisor {
    pub(super) pid: i32,
    /// Readable when it has ended, where the system gives such a thing.
    pub(super) watched: Option<OwnedFd>,
}

impl Supervisor {
    /// The parent, which has this number.
    pub(super) fn watch(pid: i32) -> io::Result<Supervisor> {
        // First of all: should the parent end from here on, a stopped worker wakes up and sees it.
        let pdeath = process::continue_when_parent_ends();
        let watched = process::watch(pid).ok();
        if process::parent() != pid {
            return Err(io::Error::other("the supervisor ended while this worker started"));
        }
        if pdeath.is_err() && watched.is_none() {
            return Err(io::Error::other(
                "this sandbox hides the supervisor's end from its workers",
            ));
        }
        Ok(Supervisor { pid, watched })
    }
}

/// A process that has proved itself to its supervisor, and was told what to be.
pub(super) struct Joined {
    pub(super) supervisor: Supervisor,
    pub(super) receiver: Receiver,
    pub(super) sender: Sender,
    pub(super) setup: Setup,
    /// What came along for the initializer's argument.
    pub(super) descriptors: Descriptors,
    pub(super) lifeline: OwnedFd,
    pub(super) segment: Arc<Segment>,
    bell: Option<OwnedFd>,
}

/// Becomes the worker that the process at the other end of standard input wants, or a template, of which each fork does.
pub(super) fn start() -> io::Result<Started> {
    process::default_signals();
    let supervisor = Supervisor::watch(process::parent())?;
    let mut joined = join(take_stdin()?, supervisor)?;
    if joined.setup.template {
        joined = template::serve(joined)?;
    }
    joined.begin()
}

/// Joins the pool whose supervisor has the other end of this channel.
pub(super) fn join(channel: OwnedFd, supervisor: Supervisor) -> io::Result<Joined> {
    let Preamble {
        key,
        build,
        slot,
        generation,
        lifeline,
        memory,
        bell,
    } = preamble::receive(&channel)?;
    let (mut receiver, sender) = (Receiver::new(channel.try_clone()?), Sender::new(channel));
    let hello = Hello {
        max_message: 0,
        build,
        slot,
        generation,
        pid: std::process::id(),
        nonce: preamble::random()?,
    };
    handshake(&mut receiver, &sender, &key, hello)?;
    drop(key);

    // An initializer's argument is bounded by the supervisor, which is proved by now.
    let mut header = receiver.header(u32::MAX)?;
    let mut descriptors = Vec::new();
    if header.kind == Kind::Descriptors {
        descriptors = receiver.descriptors(header)?;
        header = receiver.header(u32::MAX)?;
    }
    if header.kind != Kind::Setup {
        return Err(invalid(format!(
            "a {:?} frame came where Setup was expected",
            header.kind
        )));
    }
    let mut large = Vec::new();
    let setup: Setup = codec::decode(receiver.body(header.len as usize, &mut large)?).map_err(invalid)?;
    Ok(Joined {
        supervisor,
        receiver,
        sender,
        setup,
        descriptors,
        lifeline,
        segment: Segment::open(&memory)?,
        bell,
    })
}

impl Joined {
    fn begin(self) -> io::Result<Started> {
        let Joined { setup, segment, .. } = self;
        let bounds = Bounds::of(&setup);
        let me = Identity::new(Cells::new(Arc::clone(&segment)), self.sender, &setup)
            .map_err(|error| explain(&setup, error))?
            .assume();
        lifeline::start(self.lifeline, self.supervisor.watched, me)
            .map_err(|error| explain(&setup, error))?;
        Ok(Started {
            me,
            receiver: self.receiver,
            setup,
            descriptors: self.descriptors,
            bounds,
            segment,
            bell: self.bell,
        })
    }
}

/// Why a process did not get what it needs to start.
pub(super) fn explain(setup: &Setup, error: io::Error) -> io::Error {
    match setup.limits {
        Some(_) => io::Error::new(
            error.kind(),
            format!("it cannot start within its pool's limits: {error}"),
        ),
        None => error,
    }
}

/// Moves the channel away from standard input, where the task's own code and children would read from it.
fn take_stdin() -> io::Result<OwnedFd> {
    let channel = socket::move_high(&io::stdin().as_fd())?;
    let null = OpenOptions::new().read(true).open("/dev/null")?;
    nix::unistd::dup2_stdin(&null)?;
    Ok(channel)
}

fn handshake(receiver: &mut Receiver, sender: &Sender, key: &Key, hello: Hello) -> io::Result<()> {
    let (mut handshake, _) = Handshake::worker(key, hello);
    let limit = (MAX_HANDSHAKE_FRAME - HEADER_LEN) as u32;
    let mut large = Vec::new();
    loop {
        let header = receiver.header(limit)?;
        let body = receiver.body(header.len as usize, &mut large)?;
        match handshake.receive(&header, body).map_err(invalid)? {
            Progress::Continue(bytes) => sender.send(&bytes)?,
            Progress::Done { send, .. } => return sender.send(&send),
        }
    }
}

pub(super) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
