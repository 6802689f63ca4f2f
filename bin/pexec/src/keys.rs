//! Enter lists what runs.
//!
//! The terminal stays in the mode that it is in and gives whole lines, so there is nothing to put back however this
//! command ends, and every other key means what it always does. Lines are read only where nobody else reads them and only in
//! the foreground: from the background they are somebody else's, and a read there would stop this command.

use std::io::{self, IsTerminal, PipeWriter};
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use pexec_job::run::Glance;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::tcgetpgrp;

use crate::writer::Curtain;

/// How long to wait in the background.
const AWAY: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 500_000_000,
};

/// The thread that reads; ends when dropped.
pub(crate) struct Keys {
    /// Its end is the thread's end.
    stop: Option<PipeWriter>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Keys {
    /// Reads from now on, if standard input is a terminal.
    pub(crate) fn start(glance: Glance, curtain: Curtain) -> io::Result<Option<Keys>> {
        if !io::stdin().is_terminal() {
            return Ok(None);
        }
        let (end, stop) = io::pipe()?;
        let thread = thread::Builder::new().name("keys".to_owned()).spawn(move || {
            // Should this command lose the foreground between the look and the read, the read only fails.
            let mut stops = SigSet::empty();
            stops.add(Signal::SIGTTIN);
            if stops.thread_block().is_ok() {
                watch(&end, &glance, &curtain);
            }
        })?;
        Ok(Some(Keys {
            stop: Some(stop),
            thread: Some(thread),
        }))
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(end: &io::PipeReader, glance: &Glance, curtain: &Curtain) {
    let stdin = io::stdin();
    let mut buffer = [0; 512];
    loop {
        let here = is_ours();
        let mut fds = vec![PollFd::new(end, PollFlags::IN)];
        if here {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        if poll(&mut fds, (!here).then_some(&AWAY)).is_err() {
            continue;
        }
        let came: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        match came[..] {
            [true, ..] => return,
            [false, true] if is_ours() => {}
            _ => continue,
        }
        match rustix::io::read(&stdin, &mut buffer) {
            // The end of input, or nothing that can be read.
            Ok(0) => return,
            Ok(n) => {
                let lines = buffer[..n].iter().filter(|&&b| b == b'\n').count();
                if lines > 0 {
                    curtain.entered(lines);
                    glance.ask();
                }
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN | rustix::io::Errno::IO) if !is_ours() => {
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
            Err(_) => return,
        }
    }
}

fn is_ours() -> bool {
    tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}
