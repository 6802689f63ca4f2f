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
use super::lifeline;
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
            self.receiver.use_rings(&self.me.sender, &self.segment, bell);
        }
        Ok((self.me, self.receiver, self.setup))
    }
}

/// Becomes the worker that the process at the other end of standard input wants.
pub(super) fn start() -> io::Result<Started> {
    process::default_signals();
    // First of all: should the parent end from here on, a stopped worker wakes up and sees it.
    let parent = process::parent();
    let pdeath = process::continue_when_parent_ends();
    let watched = process::watch(parent).ok();
    if process::parent() != parent {
        return Err(io::Error::other("the supervisor ended while this worker started"));
    }
    if pdeath.is_err() && watched.is_none() {
        return Err(io::Error::other(
            "this sandbox hides the supervisor's end from its workers",
        ));
    }
    let channel = take_stdin()?;
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
    let segment = Segment::open(&memory)?;
    let bounds = Bounds::of(&setup);
    let explain = |error: io::Error| match setup.limits {
        Some(_) => io::Error::new(
            error.kind(),
            format!("it cannot start within its pool's limits: {error}"),
        ),
        None => error,
    };
    let me = Identity::new(Cells::new(Arc::clone(&segment)), sender, &setup)
        .map_err(explain)?
        .assume();
    lifeline::start(lifeline, watched, me).map_err(explain)?;
    Ok(Started {
        me,
        receiver,
        setup,
        descriptors,
        bounds,
        segment,
        bell,
    })
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

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
