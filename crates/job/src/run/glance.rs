//! The wish to learn what runs right now, from any thread.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::inbox::Inbox;
use crate::event::Who;
use crate::text::Text;

/// Has a run tell its sink what runs: clones of one handle are one wish.
#[derive(Clone, Default)]
pub struct Glance(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    asked: bool,
    inbox: Option<Arc<Inbox>>,
}

/// An attempt that runs, at a glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flying {
    /// Which instance.
    pub who: Who,
    /// From 1.
    pub attempt: u32,
    /// The last line that it has written, to either stream, as far as that is known: one that has just begun, or writes to
    /// files of its own, has none.
    pub last: Option<Text>,
}

impl Glance {
    /// Asks. Not to be called inside a signal handler.
    pub fn ask(&self) {
        let mut shared = self.lock();
        shared.asked = true;
        if let Some(inbox) = &shared.inbox {
            inbox.wake();
        }
    }

    /// Whether somebody has asked since this was called last.
    pub(super) fn take(&self) -> bool {
        std::mem::take(&mut self.lock().asked)
    }

    /// From now on, asking wakes this inbox.
    pub(super) fn wakes(&self, inbox: &Arc<Inbox>) {
        self.lock().inbox = Some(Arc::clone(inbox));
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Glance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glance({})", self.lock().asked)
    }
}
