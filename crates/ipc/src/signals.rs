//! The signal handling that a worker starts with.
#![allow(unsafe_code)]

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};

/// Gives a new worker what its tasks count on, whatever the program that started it had: no signal blocked, TERM and
/// CHLD handled by default (a program that ignores CHLD would keep its tasks from learning how their own children
/// ended), PIPE ignored, so that a write to a closed pipe is an error.
pub fn prepare_worker() {
    // Failure is impossible for these signals and a valid set; there would be nothing to do about it.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    for (which, handler) in [
        (Signal::SIGTERM, SigHandler::SigDfl),
        (Signal::SIGCHLD, SigHandler::SigDfl),
        (Signal::SIGPIPE, SigHandler::SigIgn),
    ] {
        // SAFETY: neither handler is a function of ours, so nothing can be called at a bad moment.
        let _ = unsafe { signal(which, handler) };
    }
}
