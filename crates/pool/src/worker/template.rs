//! A template: a process that runs the pool's initializer once and then forks workers that have what it has made.
//!
//! It has one thread while it forks: a lock that another one holds would be held in every worker for ever. The kernel
//! makes its forks children of the supervisor, which watches and reaps them like all others; what happens to the
//! template later does not concern them. A fork comes out of `serve` as the worker that it is to be, with a channel, a
//! key, memory and streams of its own and none of the template's.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pexec_ipc::cells::Cells;
use pexec_ipc::fork::{Forker, Side, Threads};
use pexec_ipc::{memory, process, socket, stdio};
use pexec_proto::codec;
use pexec_proto::{Forked, Kind, Setup};

use super::bounds::Bounds;
use super::channel::{Receiver, Sender};
use super::lifeline::{self, Guard};
use super::serve::{initialize, refuse};
use super::startup::{Joined, Supervisor, explain, invalid, join};
use crate::future::bytes::Descriptors;

/// Forks for as long as the supervisor asks for it, and gives what a fork has joined; in the template itself it only
/// returns to end.
pub(super) fn serve(joined: Joined) -> io::Result<Joined> {
    let before = Threads::now()?;
    let Joined {
        supervisor,
        receiver,
        sender,
        setup,
        mut descriptors,
        lifeline,
        segment,
        ..
    } = joined;
    process::name_thread(&format!("{}-template", setup.pool));
    let watched = supervisor.watched.as_ref().map(OwnedFd::try_clone).transpose()?;
    let prepared = match Bounds::of(&setup) {
        Ok(_) => {
            let guard = lifeline
                .try_clone()
                .and_then(|lifeline| Guard::start(lifeline, watched));
            let guard = guard.map_err(|error| explain(&setup, error))?;
            let prepared = prepare(&setup, &mut descriptors);
            guard.stop();
            prepared
        }
        Err(reason) => Err(reason),
    };
    let page = Cells::new(segment);
    let fit = || {
        Forker::new(page, &before).map_err(|e| format!("no worker can be forked after the initializer: {e}"))
    };
    let forker = match prepared.and_then(|()| fit()) {
        Ok(forker) => forker,
        Err(reason) => {
            refuse(&sender, reason)?;
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    drop(descriptors);
    // Otherwise every worker would write once more what lies in these buffers.
    let _ = io::stdout().flush();
    stdio::flush_c_streams();
    sender.send_frame(Kind::Ready, 0, 0, &[])?;
    let template = Template {
        supervisor,
        receiver,
        sender,
        lifeline,
        forker,
    };
    template.fork_on_request()
}

/// What the workers take over.
fn prepare(setup: &Setup, descriptors: &mut Descriptors) -> Result<(), String> {
    if setup.capture.is_some() {
        stdio::unbuffer_c_stdout();
    }
    initialize(setup, descriptors)?;
    memory::gather_into_huge_pages();
    Ok(())
}

struct Template {
    supervisor: Supervisor,
    receiver: Receiver,
    sender: Sender,
    lifeline: OwnedFd,
    forker: Forker,
}

/// What a fork is given.
struct Given {
    channel: OwnedFd,
    stderr: OwnedFd,
    stdout: Option<OwnedFd>,
}

impl Template {
    fn fork_on_request(mut self) -> io::Result<Joined> {
        loop {
            self.wait();
            let given = self.receive()?;
            let refused = match self.forker.fork() {
                Ok(Side::Child) => {
                    let supervisor = self.supervisor.pid;
                    drop(self);
                    return given.join(supervisor);
                }
                Ok(Side::Template) => None,
                Err(error) => Some(error.to_string()),
            };
            drop(given);
            let mut body = Vec::new();
            codec::encode(&Forked { refused }, &mut body).map_err(io::Error::other)?;
            self.sender.send_frame(Kind::Forked, 0, 0, &body)?;
        }
    }

    /// Sleeps until there is a request; the supervisor's end is this process's. Between two requests nothing is
    /// buffered, because there is one at a time.
    fn wait(&self) {
        let mut fds = vec![
            PollFd::new(self.receiver.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.lifeline.as_fd(), PollFlags::POLLIN),
        ];
        let watched = self.supervisor.watched.as_ref();
        fds.extend(watched.map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)));
        while poll(&mut fds, PollTimeout::NONE).is_err() {}
        if fds[1..].iter().any(|fd| fd.any() == Some(true)) {
            lifeline::end_process();
        }
    }

    fn receive(&mut self) -> io::Result<Given> {
        let header = self.receiver.header(u32::MAX)?;
        if header.kind != Kind::Descriptors {
            return Err(invalid(format!(
                "a {:?} frame came where descriptors for a fork were expected",
                header.kind
            )));
        }
        let mut given = self
            .receiver
            .descriptors(header)?
            .into_iter()
            .filter_map(Arc::into_inner);
        let header = self.receiver.header(0)?;
        let (Kind::Fork, Some(channel), Some(stderr), stdout, None) = (
            header.kind,
            given.next(),
            given.next(),
            given.next(),
            given.next(),
        ) else {
            return Err(invalid("a request to fork without two or three descriptors"));
        };
        Ok(Given {
            channel,
            stderr,
            stdout,
        })
    }
}

impl Given {
    /// In the fork: becomes a process of its own, and joins the pool.
    fn join(self, supervisor: i32) -> io::Result<Joined> {
        let supervisor = Supervisor::watch(supervisor)?;
        process::lead_group(std::process::id() as i32)?;
        nix::unistd::dup2_stderr(&self.stderr)?;
        if let Some(stdout) = &self.stdout {
            nix::unistd::dup2_stdout(stdout)?;
        }
        let joined = join(socket::move_high(&self.channel)?, supervisor)?;
        let Setup { pool, slot, .. } = &joined.setup;
        // Only people read it.
        let _ = process::set_title(&format!("pexec-worker:{pool}:{slot}"));
        Ok(joined)
    }
}
