//! The thread that makes a record safe: whatever was written by the time it starts a sync is safe when that ends, so one
//! sync serves all that came while the last one ran. It makes no haste unless somebody waits: a disk that is always
//! syncing slows down the commands which use it.

use std::fmt;
use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Storage;
use crate::run::Waker;

/// How long what was written may wait for a sync when nobody waits for it.
const LEISURE: Duration = Duration::from_millis(50);

/// The handle on the thread.
pub(super) struct Syncer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl fmt::Debug for Syncer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Syncer({})", self.shared.lock().durable)
    }
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many events were written, and how many of them are safe.
    wrote: u64,
    durable: u64,
    /// Output was written since it was last made safe.
    output: bool,
    haste: bool,
    over: bool,
    failed: Option<(io::ErrorKind, String)>,
    waker: Option<Waker>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Syncer {
    /// Starts the thread; `durable` events are safe already.
    pub(super) fn start(
        output: Arc<dyn Storage>,
        events: Arc<dyn Storage>,
        dirs: Vec<File>,
        durable: u64,
    ) -> io::Result<Syncer> {
        let shared = Arc::new(Shared::default());
        {
            let mut state = shared.lock();
            (state.wrote, state.durable) = (durable, durable);
        }
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("pexec-record".to_owned())
            .spawn(move || {
                let mut dirs = dirs;
                theirs.serve(&mut |grown| {
                    // What an event points to is safe before the event is.
                    if grown {
                        output.sync()?;
                    }
                    events.sync()?;
                    // After the files: most file systems have made the names safe with them, and need not write twice.
                    for dir in dirs.drain(..) {
                        dir.sync_all()?;
                    }
                    Ok(())
                });
            })?;
        Ok(Syncer {
            shared,
            thread: Some(thread),
        })
    }

    pub(super) fn wakes(&self, waker: Waker) {
        self.shared.lock().waker = Some(waker);
    }

    /// So many events were written; `output`: and some output before them.
    pub(super) fn wrote(&self, told: u64, output: bool) {
        let mut state = self.shared.lock();
        let idle = state.wrote == state.durable;
        state.wrote = told;
        state.output |= output;
        if idle {
            self.shared.changed.notify_one();
        }
    }

    /// How many are safe.
    pub(super) fn durable(&self, haste: bool) -> io::Result<u64> {
        let mut state = self.shared.lock();
        if let Some((kind, why)) = &state.failed {
            return Err(io::Error::new(*kind, why.clone()));
        }
        if haste && !state.haste && state.durable < state.wrote {
            state.haste = true;
            self.shared.changed.notify_one();
        }
        Ok(state.durable)
    }

    /// Waits until everything that was written is safe.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        self.end();
        match &self.shared.lock().failed {
            Some((kind, why)) => Err(io::Error::new(*kind, why.clone())),
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.shared.lock().over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn serve(&self, sync: &mut dyn FnMut(bool) -> io::Result<()>) {
        let mut state = self.lock();
        loop {
            let nothing = |state: &mut State| state.wrote == state.durable && !state.over;
            state = self
                .changed
                .wait_while(state, nothing)
                .unwrap_or_else(PoisonError::into_inner);
            if state.wrote == state.durable {
                return;
            }
            let calm = |state: &mut State| !state.haste && !state.over;
            (state, _) = self
                .changed
                .wait_timeout_while(state, LEISURE, calm)
                .unwrap_or_else(PoisonError::into_inner);
            let wrote = state.wrote;
            // Who makes haste from now on waits for the next one.
            state.haste = false;
            let grown = std::mem::take(&mut state.output);
            drop(state);
            let synced = sync(grown);
            state = self.lock();
            match synced {
                Ok(()) => state.durable = wrote,
                Err(error) => state.failed = Some((error.kind(), error.to_string())),
            }
            if let Some(waker) = &state.waker {
                waker.wake();
            }
            if state.failed.is_some() {
                return;
            }
        }
    }
}
