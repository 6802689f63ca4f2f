//! What a future can ask of the executor that has its task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::slot::{Slot, SlotRef};

/// What an executor can be asked about a task that it accepted.
pub(crate) trait Control: Send + Sync {
    fn cancel(&self, slot: &SlotRef) -> bool;
    fn kill(&self, slot: &SlotRef) -> bool;
    fn interrupt(&self, slot: &SlotRef) -> bool;
    /// Whether a task that is accepted and not done has started.
    fn is_running(&self, _slot: &Slot) -> bool {
        false
    }
    /// Waits on this thread with the executor's own means, if that is quicker. True: it is done.
    fn wait_here(&self, _done: &dyn Fn() -> bool, _until: Option<Instant>) -> bool {
        false
    }
    /// Somebody has waited this long for a task.
    fn waited(&self, _how_long: Duration) {}
    /// Somebody counts on being told, and does not wait on a thread of the executor's knowledge.
    fn look_after(&self) {}
    /// Runs a callback on a thread where it may block.
    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>);
}

/// An executor's hand on its tasks; thin, because every task has one.
pub(crate) type Controller = Arc<Box<dyn Control>>;
