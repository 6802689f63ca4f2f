//! Ctrl-Z: everything that runs stands still with this command, and goes on with it. Nobody is charged for the time between.
//!
//! A command that is stopped by SIGSTOP learns nothing of it, so that one cannot be passed on; the pool only sees to it
//! that nobody is killed for it.

use std::sync::{Arc, Mutex, PoisonError};

use pexec::ProcessPool;
use pexec_job::run::RunClock;

use crate::writer::Curtain;

/// What is to stand still; clones are one. Before there is a run, and after, only this command itself.
#[derive(Clone, Default)]
pub(crate) struct Pause(Arc<Mutex<Option<Run>>>);

struct Run {
    pool: Arc<ProcessPool>,
    clock: RunClock,
    curtain: Curtain,
}

impl Pause {
    /// From now on this run.
    pub(crate) fn take(&self, pool: Arc<ProcessPool>, clock: RunClock, curtain: Curtain) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Run { pool, clock, curtain });
    }

    /// It is over.
    pub(crate) fn let_go(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Stops everything and this command, and returns when it goes on.
    pub(crate) fn pause(&self) {
        // Held all the while: who lets go waits until everything goes on.
        let run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = &*run {
            run.clock.stop();
            run.pool.suspend();
            // Last, so that nothing is drawn any more when the shell has the terminal.
            run.curtain.fall();
        }
        pexec_ipc::process::stop_like_the_terminal();
        if let Some(run) = &*run {
            run.clock.go_on();
            run.pool.resume();
            run.curtain.rise();
        }
    }
}
