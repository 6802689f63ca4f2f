//! What a task can learn and say while it runs.
//!
//! In a worker process the current task is the worker's; on a thread or inline it is the thread's. Threads that
//! a task starts have no current task, except that a worker's stop request is seen by all of its threads.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::sync::atomic::Ordering;
use std::time::Instant;

use crate::future::slot::{Slot, SlotRef};
use crate::ids::TaskId;
use crate::worker;

/// The task that runs now; see [`current`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskContext {
    /// The id that the caller's future has.
    pub id: TaskId,
    /// The label given at submission.
    pub label: Option<String>,
    /// From 1.
    pub attempt: u32,
    /// When the task will be timed out, about.
    pub deadline: Option<Instant>,
    /// The worker's place in its pool, from 0.
    pub slot: usize,
}

thread_local! {
    /// The task, its worker's place, its attempt.
    static LOCAL: RefCell<Option<(SlotRef, usize, u32)>> = const { RefCell::new(None) };
}

/// In a slot of this process, `key` says whether the task was asked to stop.
const ASKED_TO_STOP: u32 = 1;

pub(crate) fn ask_local_to_stop(slot: &Slot) -> bool {
    slot.key.store(ASKED_TO_STOP, Ordering::Release);
    true
}

/// Runs with `slot` as this thread's current task.
pub(crate) fn with_local<T>(slot: &SlotRef, worker: usize, attempt: u32, run: impl FnOnce() -> T) -> T {
    let outer = LOCAL.replace(Some((SlotRef::clone(slot), worker, attempt)));
    let value = run();
    LOCAL.replace(outer);
    value
}

/// The task that runs on this thread; `None` outside of a task.
///
/// ```
/// use pexec::{Executor, Inline};
/// assert!(pexec::task::current().is_none());
/// let attempt = Inline::new().submit(|| pexec::task::current().unwrap().attempt, ()).result();
/// assert_eq!(attempt.unwrap(), 1);
/// ```
pub fn current() -> Option<TaskContext> {
    let local = LOCAL.with_borrow(|local| {
        local.as_ref().map(|(slot, worker, attempt)| TaskContext {
            id: slot.id(),
            label: slot.label().map(str::to_owned),
            attempt: *attempt,
            deadline: None,
            slot: *worker,
        })
    });
    local.or_else(worker::current::context)
}

/// Whether the running task was asked to stop, by [`TaskFuture::interrupt`](crate::TaskFuture::interrupt) or
/// because it is about to be killed. Cheap; ask often.
pub fn cancelled() -> bool {
    let local = LOCAL.with_borrow(|local| {
        local
            .as_ref()
            .map(|(slot, ..)| slot.key.load(Ordering::Acquire) == ASKED_TO_STOP)
    });
    local.unwrap_or_else(worker::current::cancelled)
}

/// In a worker process: a descriptor that is readable while the running task is asked to stop, for tasks that
/// wait in `poll`. It stays readable until the task ends; do not read from it.
pub fn cancel_fd() -> Option<BorrowedFd<'static>> {
    worker::current::cancel_fd()
}

/// Tells whoever waits how far the task is: a share (0 to 1, say) and a few words, of which the first 4 KiB count.
/// It is what [`TaskFuture::progress`](crate::TaskFuture::progress) gives from then on, and stands in the autopsy of a
/// task that is not finished any more. Nothing happens outside of a task.
pub fn progress(share: f64, text: impl Into<String>) {
    const LONGEST: usize = 4096;
    let mut text = text.into();
    text.truncate(text.floor_char_boundary(LONGEST));
    let local = LOCAL.with_borrow(|local| local.as_ref().map(|(slot, ..)| SlotRef::clone(slot)));
    match local {
        Some(slot) => slot.set_progress(share, text),
        None => worker::current::progress(share, &text),
    }
}

/// Sends bytes to the `on_emit` of whoever submitted the running task, while it runs, in order. Blocks while the
/// pool is not keeping up. Nothing happens outside of a task.
pub fn emit(bytes: &[u8]) {
    let local = LOCAL.with_borrow(|local| local.as_ref().map(|(slot, ..)| SlotRef::clone(slot)));
    match local {
        Some(slot) => slot.emit(bytes),
        None => worker::current::emit(bytes),
    }
}
