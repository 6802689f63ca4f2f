//! The clock of a run: it stands while the run is paused, so that nothing that the run waits for comes nearer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use pexec_ipc::clock::Clock;

/// Clones of one handle are one clock. Its instants must not be mixed with those of `Instant::now`.
#[derive(Clone, Debug, Default)]
pub struct RunClock(Arc<Mutex<Clock>>);

impl RunClock {
    /// The instant by this clock: for back-off and whatever else the run itself waits for.
    pub fn now(&self) -> Instant {
        self.lock().now()
    }

    /// Stops it: the run is about to be paused.
    pub fn stop(&self) {
        self.lock().stop();
    }

    /// Lets it run again.
    pub fn go_on(&self) {
        self.lock().go_on();
    }

    fn lock(&self) -> MutexGuard<'_, Clock> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
