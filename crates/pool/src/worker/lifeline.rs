//! The thread that ends this process when its supervisor is gone.
//!
//! Two signs, either suffices: the lifeline (a pipe whose write end only the supervisor has) is at its end, or
//! the parent's pidfd says that it ended (which holds even if a forked copy of the parent keeps the pipe open).
//! A stopped worker notices nothing, so the kernel is asked for SIGCONT at the parent's death: unlike SIGKILL
//! it leaves this thread the time to end the groups that the worker's tasks have started.

use std::io::{self, PipeWriter, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use pexec_ipc::process;

use super::current::Identity;
use super::groups;

/// Watches from a thread of its own, until the end.
pub(super) fn start(lifeline: OwnedFd, parent: Option<OwnedFd>, me: &'static Identity) -> io::Result<()> {
    std::thread::Builder::new()
        .name("pexec-lifeline".to_owned())
        .stack_size(64 << 10)
        .spawn(move || watch(lifeline, parent, me))?;
    Ok(())
}

fn watch(lifeline: OwnedFd, parent: Option<OwnedFd>, me: &'static Identity) {
    let mut lifeline = pin!(std::fs::File::from(lifeline));
    loop {
        let mut fds = vec![PollFd::new(lifeline.as_fd(), PollFlags::POLLIN)];
        fds.extend(parent.as_ref().map(|p| PollFd::new(p.as_fd(), PollFlags::POLLIN)));
        if poll(&mut fds, PollTimeout::NONE).is_err() {
            continue;
        }
        let parent_gone = fds.get(1).is_some_and(|f| f.any() == Some(true));
        if fds[0].any() == Some(true) {
            // A byte says that the cells hold a stop request for the running task.
            match lifeline.read(&mut [0; 64]) {
                Ok(0) => end(me),
                Ok(_) => me.notice_stop(),
                Err(_) => {}
            }
        }
        if parent_gone {
            end(me);
        }
    }
}

/// Watches while a template's initializer runs: that may take long, and knows nothing of us.
pub(super) struct Guard {
    /// Dropped to end the thread.
    over: PipeWriter,
    thread: JoinHandle<()>,
}

impl Guard {
    pub(super) fn start(lifeline: OwnedFd, parent: Option<OwnedFd>) -> io::Result<Guard> {
        let (ends, over) = io::pipe()?;
        let fds = [Some(OwnedFd::from(ends)), Some(lifeline), parent];
        let thread = std::thread::Builder::new()
            .name("pexec-lifeline".to_owned())
            .stack_size(64 << 10)
            .spawn(move || {
                let mut fds = fds
                    .iter()
                    .flatten()
                    .map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN))
                    .collect::<Vec<_>>();
                while poll(&mut fds, PollTimeout::NONE).is_err() {}
                if fds[0].any() != Some(true) {
                    end_process();
                }
            })?;
        Ok(Guard { over, thread })
    }

    /// The caller watches by itself from now on; there is one thread less.
    pub(super) fn stop(self) {
        drop(self.over);
        // It cannot panic.
        let _ = self.thread.join();
    }
}

/// Ends everything that this worker has started, and the worker.
fn end(me: &Identity) -> ! {
    for group in me.cells.groups() {
        process::kill_group(group, Signal::SIGKILL);
    }
    groups::kill_cgroups();
    end_process()
}

/// Ends this process, its children and its group.
pub(super) fn end_process() -> ! {
    // A child that leads a group and was started an instant ago may not be registered yet. It was not reaped (this
    // process is about to end, and reaps nobody), so its number is its own.
    for child in process::children() {
        process::kill_group(child, Signal::SIGKILL);
        // It may be about to leave this group for one of its own, and belong to neither in the end.
        process::kill(child, Signal::SIGKILL);
    }
    // This worker leads its group, so this takes the worker along.
    process::kill_group(std::process::id() as i32, Signal::SIGKILL);
    std::process::abort()
}
