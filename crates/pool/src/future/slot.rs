//! The one place where a task's outcome is put down: written once by its executor, read by its future.
//!
//! Invariant: [`Slot::complete`] changes the slot the first time only; whoever loses that race learns it from
//! the return value. Waiters are taken out under the lock and woken outside of it, so a waker or a callback may
//! touch this very slot.

use std::any::Any;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::ids::TaskId;
use crate::outcome::Outcome;

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const DONE: u8 = 2;

/// What a task gave back.
pub(crate) enum Value {
    /// The codec's bytes, from another process.
    Encoded(Vec<u8>),
    /// The value itself, from this process.
    Local(Box<dyn Any + Send>),
}

/// The end of a task; errors are boxed because millions of slots wait and few fail.
pub(crate) type End = Result<Value, Box<TaskError>>;

/// Called with what a running task emits.
pub(crate) type EmitFn = Box<dyn Fn(&[u8]) + Send + Sync>;

/// What an executor can be asked about a task that it accepted.
pub(crate) trait Control: Send + Sync {
    fn cancel(&self, slot: &Arc<Slot>) -> bool;
    fn kill(&self, slot: &Arc<Slot>) -> bool;
    fn interrupt(&self, slot: &Arc<Slot>) -> bool;
    /// Waits on this thread with the executor's own means, if that is quicker. True: the task is done.
    fn wait_here(&self, _slot: &Slot, _until: Option<Instant>) -> bool {
        false
    }
    /// Somebody has waited this long for a task.
    fn waited(&self, _how_long: Duration) {}
    /// Somebody counts on being told, and does not wait on a thread of the executor's knowledge.
    fn look_after(&self) {}
    /// Runs a callback on a thread where it may block.
    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>);
}

/// What only some tasks have.
pub(crate) struct Extra {
    pub(crate) label: Option<Box<str>>,
    pub(crate) on_emit: Option<EmitFn>,
}

type Callback = Box<dyn FnOnce(&Outcome) + Send>;

enum Waiter {
    Wake(Waker),
    Notify(Arc<dyn Notify>, usize),
    Call(Callback),
}

/// Told that the future with this index is done.
pub(crate) trait Notify: Send + Sync {
    fn notify(&self, index: usize);
}

enum State {
    Open(Vec<Waiter>),
    Done(End),
    /// The value was handed out; the error, where there was one, stays for callbacks that come late.
    Taken(Option<Box<TaskError>>),
}

pub(crate) struct Slot {
    id: TaskId,
    /// Where the executor keeps the task; its own business.
    pub(crate) key: AtomicU64,
    stage: AtomicU8,
    state: Mutex<State>,
    control: Arc<dyn Control>,
    extra: Option<Box<Extra>>,
    progress: OnceLock<Box<Mutex<(f64, String)>>>,
}

impl Slot {
    pub(crate) fn new(id: TaskId, control: Arc<dyn Control>, extra: Option<Box<Extra>>) -> Arc<Slot> {
        Arc::new(Slot {
            id,
            key: AtomicU64::new(u64::MAX),
            stage: AtomicU8::new(QUEUED),
            state: Mutex::new(State::Open(Vec::new())),
            control,
            extra,
            progress: OnceLock::new(),
        })
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.extra.as_ref()?.label.as_deref()
    }

    /// The task as people know it.
    pub(crate) fn name(&self) -> String {
        match self.label() {
            Some(label) => format!("{} ({label})", self.id),
            None => self.id.to_string(),
        }
    }

    pub(crate) fn emit(&self, bytes: &[u8]) {
        if let Some(on_emit) = self.extra.as_ref().and_then(|e| e.on_emit.as_ref()) {
            // The user's code on the executor's thread: its panic is reported by the hook and goes no further.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| on_emit(bytes)));
        }
    }

    pub(crate) fn set_progress(&self, share: f64, text: String) {
        let place = self.progress.get_or_init(Box::default);
        *place.lock().unwrap_or_else(PoisonError::into_inner) = (share, text);
    }

    pub(crate) fn progress(&self) -> Option<(f64, String)> {
        let place = self.progress.get()?;
        Some(place.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics runs under this lock, so a poisoned one cannot be half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_running(&self) {
        let _ = self
            .stage
            .compare_exchange(QUEUED, RUNNING, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn set_queued(&self) {
        let _ = self
            .stage
            .compare_exchange(RUNNING, QUEUED, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == RUNNING
    }

    pub(crate) fn is_done(&self) -> bool {
        self.stage.load(Ordering::Acquire) == DONE
    }

    /// Puts the end down and wakes whoever waits. False: the task had ended before, and nothing changed.
    pub(crate) fn complete(&self, end: End) -> bool {
        let waiters = {
            let mut state = self.lock();
            let State::Open(waiters) = &mut *state else {
                return false;
            };
            let waiters = std::mem::take(waiters);
            *state = State::Done(end);
            self.stage.store(DONE, Ordering::Release);
            waiters
        };
        if waiters.is_empty() {
            return true;
        }
        let mut calls = Vec::new();
        for waiter in waiters {
            match waiter {
                Waiter::Wake(waker) => waker.wake(),
                Waiter::Notify(notify, index) => notify.notify(index),
                Waiter::Call(callback) => calls.push(callback),
            }
        }
        if !calls.is_empty() {
            let outcome = self.outcome();
            self.control.run_callback(Box::new(move || {
                calls.into_iter().for_each(|c| contain(c, &outcome));
            }));
        }
        true
    }

    /// The outcome as callbacks see it; meaningful once done.
    fn outcome(&self) -> Outcome {
        let error = match &*self.lock() {
            State::Open(_) | State::Done(Ok(_)) => None,
            State::Done(Err(error)) => Some(TaskError::clone(error)),
            State::Taken(error) => error.as_deref().cloned(),
        };
        Outcome::new(self.id, self.label().map(str::to_owned), error)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_done()
            && match &*self.lock() {
                State::Done(Err(error)) | State::Taken(Some(error)) => {
                    matches!(**error, TaskError::Cancelled)
                }
                State::Open(_) | State::Done(Ok(_)) | State::Taken(None) => false,
            }
    }

    pub(crate) fn is_error(&self) -> bool {
        self.is_done() && matches!(&*self.lock(), State::Done(Err(_)) | State::Taken(Some(_)))
    }

    /// Hands the end out; `None` while there is none.
    ///
    /// # Panics
    ///
    /// If it was handed out before: a future that is polled after it was ready.
    pub(crate) fn take(&self) -> Option<End> {
        if !self.is_done() {
            return None;
        }
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Taken(None)) {
            State::Done(end) => {
                if let Err(error) = &end {
                    *state = State::Taken(Some(error.clone()));
                }
                Some(end)
            }
            State::Taken(error) => {
                *state = State::Taken(error);
                drop(state);
                panic!("a TaskFuture was used after it had given its result");
            }
            open @ State::Open(_) => {
                *state = open;
                None
            }
        }
    }

    /// Wakes `waker` at the end; false: it has ended, nothing was registered.
    pub(crate) fn wake_at_end(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        let State::Open(waiters) = &mut *state else {
            return false;
        };
        let known = waiters
            .iter()
            .any(|w| matches!(w, Waiter::Wake(old) if old.will_wake(waker)));
        if !known {
            waiters.push(Waiter::Wake(waker.clone()));
        }
        true
    }

    /// Replaces the waker that an earlier poll of the same future left.
    pub(crate) fn replace_waker(&self, waker: &Waker) -> bool {
        let mut state = self.lock();
        let State::Open(waiters) = &mut *state else {
            return false;
        };
        let old = waiters.iter_mut().find_map(|w| match w {
            Waiter::Wake(old) => Some(old),
            _ => None,
        });
        match old {
            Some(old) => old.clone_from(waker),
            None => waiters.push(Waiter::Wake(waker.clone())),
        }
        drop(state);
        self.control.look_after();
        true
    }

    /// Forgets a waker whose thread has stopped waiting.
    pub(crate) fn forget_waker(&self, waker: &Waker) {
        if let State::Open(waiters) = &mut *self.lock() {
            waiters.retain(|w| !matches!(w, Waiter::Wake(old) if old.will_wake(waker)));
        }
    }

    /// Tells `notify` at the end, or now.
    pub(crate) fn notify_at_end(&self, notify: &Arc<dyn Notify>, index: usize) {
        {
            let mut state = self.lock();
            if let State::Open(waiters) = &mut *state {
                waiters.push(Waiter::Notify(Arc::clone(notify), index));
                drop(state);
                return self.control.look_after();
            }
        }
        notify.notify(index);
    }

    /// Forgets everybody who was registered as `notify`.
    pub(crate) fn forget_notify(&self, notify: &Arc<dyn Notify>) {
        if let State::Open(waiters) = &mut *self.lock() {
            waiters.retain(|w| !matches!(w, Waiter::Notify(old, _) if Arc::ptr_eq(old, notify)));
        }
    }

    /// Calls back at the end, or now and here.
    pub(crate) fn call_at_end(&self, callback: Callback) {
        {
            let mut state = self.lock();
            if let State::Open(waiters) = &mut *state {
                waiters.push(Waiter::Call(callback));
                drop(state);
                return self.control.look_after();
            }
        }
        contain(callback, &self.outcome());
    }

    pub(crate) fn wait_here(&self, until: Option<Instant>) -> bool {
        self.control.wait_here(self, until)
    }

    pub(crate) fn waited(&self, how_long: Duration) {
        self.control.waited(how_long);
    }

    pub(crate) fn cancel(self: &Arc<Self>) -> bool {
        if self.is_done() {
            self.is_cancelled()
        } else {
            self.control.cancel(self)
        }
    }

    pub(crate) fn kill(self: &Arc<Self>) -> bool {
        if self.is_done() {
            false
        } else {
            self.control.kill(self)
        }
    }

    pub(crate) fn interrupt(self: &Arc<Self>) -> bool {
        self.is_running() && self.control.interrupt(self)
    }
}

/// A callback is the user's code on our thread: its panic is reported like any other panic (by the hook) and
/// goes no further, so the callbacks after it still run.
fn contain(callback: Callback, outcome: &Outcome) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| callback(outcome)));
}
