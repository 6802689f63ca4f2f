//! The wish to stop a run, from any thread.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::inbox::Inbox;

/// Stops a run: clones of one handle are one wish. Asked once, nothing new starts and what runs gets its kill
/// ladder; asked again, what still runs is killed.
#[derive(Clone, Default)]
pub struct Stop {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    asked: u32,
    signal: Option<i32>,
    inbox: Option<Arc<Inbox>>,
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stop({:?})", self.asked())
    }
}

impl Stop {
    /// A wish that nobody has.
    pub fn new() -> Stop {
        Stop::default()
    }

    /// Asks for the run to stop, because of this signal. Never blocks for long; not to be called inside a signal
    /// handler.
    pub fn ask(&self, signal: i32) {
        let mut shared = self.lock();
        shared.asked = shared.asked.saturating_add(1);
        shared.signal.get_or_insert(signal);
        if let Some(inbox) = &shared.inbox {
            inbox.wake();
        }
    }

    /// How often it was asked for, and the first signal.
    pub(super) fn asked(&self) -> (u32, Option<i32>) {
        let shared = self.lock();
        (shared.asked, shared.signal)
    }

    /// From now on, asking wakes this inbox.
    pub(super) fn wakes(&self, inbox: &Arc<Inbox>) {
        self.lock().inbox = Some(Arc::clone(inbox));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
