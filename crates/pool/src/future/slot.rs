//! The one place where a task's outcome is put down: written once by its executor, read by its future.
//!
//! Invariant: [`Slot::complete`] changes the slot the first time only; whoever loses that race learns it from
//! the return value. Waiters are taken out under the lock and woken outside of it, so a waker or a callback may
//! touch this very slot.

mod body;
mod waiters;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::batch::Batch;
use super::bytes::{Bytes, Descriptors};
use super::control::Controller;
use crate::error::TaskError;
use crate::function::Descriptor;
use crate::ids::TaskId;
use crate::outcome::{Outcome, Output};
use body::Body;
pub(crate) use body::{Carried, End, Value};
pub(crate) use waiters::Notify;
use waiters::{Waiter, for_each_waiter};

const QUEUED: u8 = 0;
const RUNNING: u8 = 1;
const DONE: u8 = 2;

/// Called with what a running task emits.
pub(crate) type EmitFn = Box<dyn Fn(&[u8]) + Send + Sync>;

/// What only some tasks have.
#[derive(Default)]
pub(crate) struct Extra {
    pub(crate) label: Option<Box<str>>,
    pub(crate) on_emit: Option<EmitFn>,
    /// It is several items of a map.
    pub(crate) batch: Option<Batch>,
    /// Its argument has handles.
    pub(crate) carries: bool,
}

/// Only few tasks have any of it at a time.
#[derive(Default)]
struct Attendance {
    waiters: Vec<Waiter>,
    progress: Option<(f64, String)>,
    /// How its attempts so far have ended.
    attempts: Vec<TaskError>,
    output: Option<Arc<Output>>,
}

struct State {
    body: Body,
    attendance: Option<Box<Attendance>>,
}

impl State {
    fn attend(&mut self) -> &mut Attendance {
        self.attendance.get_or_insert_default()
    }

    fn waiters(&mut self) -> Option<&mut Vec<Waiter>> {
        Some(&mut self.attendance.as_mut()?.waiters)
    }
}

/// A hand on a slot. Every task has two, so they are counted in one word only: nobody needs a weak one.
pub(crate) type SlotRef = triomphe::Arc<Slot>;

pub(crate) struct Slot {
    id: TaskId,
    /// Where the executor keeps the task; its own business.
    pub(crate) key: AtomicU32,
    stage: AtomicU8,
    /// It counts against its queue's capacity; the executor's business too.
    pub(crate) waiting: AtomicBool,
    state: Mutex<State>,
    /// What runs in another process.
    pub(crate) call: Option<&'static Descriptor>,
    control: Controller,
    extra: Option<Box<Extra>>,
}

impl Slot {
    pub(crate) fn new(id: TaskId, control: Controller, extra: Option<Box<Extra>>) -> SlotRef {
        Slot::build(id, control, extra, None, Body::Empty)
    }

    /// The rest of a batch that was cut.
    pub(crate) fn with_rest(of: &Slot, rest: Batch) -> Option<SlotRef> {
        let kept = of.batch().map_or(0, |batch| batch.done() + batch.left());
        let id = TaskId(of.id.0 + u64::from(kept));
        Some(Slot::with_batch(id, Arc::clone(&of.control), of.call?, rest))
    }

    /// Several items for another process.
    pub(crate) fn with_batch(
        id: TaskId,
        control: Controller,
        call: &'static Descriptor,
        batch: Batch,
    ) -> SlotRef {
        let extra = Extra {
            batch: Some(batch),
            ..Extra::default()
        };
        Slot::build(id, control, Some(Box::new(extra)), Some(call), Body::Empty)
    }

    /// A task for another process.
    pub(crate) fn with_call(
        id: TaskId,
        control: Controller,
        extra: Option<Box<Extra>>,
        call: &'static Descriptor,
        argument: Bytes,
    ) -> SlotRef {
        Slot::build(id, control, extra, Some(call), Body::Bytes(argument))
    }

    /// A task for another process, whose argument has handles.
    pub(crate) fn with_handles(
        id: TaskId,
        control: Controller,
        extra: Option<Box<Extra>>,
        call: &'static Descriptor,
        argument: Carried,
    ) -> SlotRef {
        let mut extra = extra.unwrap_or_default();
        extra.carries = true;
        Slot::build(
            id,
            control,
            Some(extra),
            Some(call),
            Body::Carried(Box::new(argument)),
        )
    }

    fn build(
        id: TaskId,
        control: Controller,
        extra: Option<Box<Extra>>,
        call: Option<&'static Descriptor>,
        body: Body,
    ) -> SlotRef {
        SlotRef::new(Slot {
            id,
            key: AtomicU32::new(u32::MAX),
            stage: AtomicU8::new(QUEUED),
            waiting: AtomicBool::new(false),
            state: Mutex::new(State {
                body,
                attendance: None,
            }),
            call,
            control,
            extra,
        })
    }

    pub(crate) fn id(&self) -> TaskId {
        self.id
    }

    pub(crate) fn label(&self) -> Option<&str> {
        self.extra.as_ref()?.label.as_deref()
    }

    /// The id of the task that is next: of a batch, each item has its own, and its first is the slot's.
    pub(crate) fn next_id(&self) -> TaskId {
        match self.batch() {
            Some(batch) => TaskId(self.id.0 + u64::from(batch.done())),
            None => self.id,
        }
    }

    pub(crate) fn batch(&self) -> Option<&Batch> {
        self.extra.as_ref()?.batch.as_ref()
    }

    /// The task as people know it.
    pub(crate) fn name(&self) -> String {
        match self.label() {
            Some(label) => format!("{} ({label})", self.id),
            None => self.next_id().to_string(),
        }
    }

    pub(crate) fn emit(&self, bytes: &[u8]) {
        if let Some(on_emit) = self.extra.as_ref().and_then(|e| e.on_emit.as_ref()) {
            // The user's code on the executor's thread: its panic is reported by the hook and goes no further.
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| on_emit(bytes)));
        }
    }

    pub(crate) fn set_progress(&self, share: f64, text: String) {
        self.lock().attend().progress = Some((share, text));
    }

    pub(crate) fn progress(&self) -> Option<(f64, String)> {
        self.lock().attendance.as_ref()?.progress.clone()
    }

    /// What it has printed; to be called before it is completed.
    pub(crate) fn set_output(&self, output: Output) {
        self.lock().attend().output = Some(Arc::new(output));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that panics runs under this lock, so a poisoned one cannot be half-changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The encoded argument of a task that is not done.
    pub(crate) fn argument(&self) -> Option<Bytes> {
        match &self.lock().body {
            Body::Bytes(bytes) if !self.is_done() => Some(bytes.clone()),
            Body::Carried(carried) if !self.is_done() => Some(carried.bytes.clone()),
            _ => None,
        }
    }

    /// The descriptors of the handles in the argument of a task that is not done; `None` for one without.
    pub(crate) fn descriptors(&self) -> Option<Descriptors> {
        if !self.extra.as_ref()?.carries {
            return None;
        }
        match &self.lock().body {
            Body::Carried(carried) if !self.is_done() => Some(carried.descriptors.clone()),
            _ => None,
        }
    }

    pub(crate) fn set_running(&self) {
        let _ = self
            .stage
            .compare_exchange(QUEUED, RUNNING, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// It waits for another attempt.
    pub(crate) fn set_waiting(&self) {
        let _ = self
            .stage
            .compare_exchange(RUNNING, QUEUED, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn is_running(&self) -> bool {
        match self.stage.load(Ordering::Relaxed) {
            QUEUED => self.control.is_running(self) && !self.is_done(),
            stage => stage == RUNNING,
        }
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        self.stage.load(Ordering::Acquire) == DONE
    }

    /// Puts the end down and wakes whoever waits. False: the task had ended before, and nothing changed.
    pub(crate) fn complete(&self, end: End) -> bool {
        let body = Body::of(end.map_err(|error| self.with_attempts(error)));
        let (waiters, argument) = {
            let mut state = self.lock();
            if self.is_done() {
                return false;
            }
            let argument = std::mem::replace(&mut state.body, body);
            let waiters = state.waiters().map(std::mem::take);
            self.stage.store(DONE, Ordering::Release);
            (waiters, argument)
        };
        drop(argument);
        for_each_waiter(self, waiters);
        true
    }

    /// An attempt has ended thus, and another one follows.
    pub(crate) fn keep_attempt(&self, error: TaskError) {
        self.lock().attend().attempts.push(error);
    }

    /// The error of a task with what came before it.
    fn with_attempts(&self, error: Box<TaskError>) -> Box<TaskError> {
        let attempts = self
            .lock()
            .attendance
            .as_mut()
            .map(|a| std::mem::take(&mut a.attempts));
        match attempts.filter(|attempts| !attempts.is_empty()) {
            Some(attempts) => Box::new(error.after(attempts)),
            None => error,
        }
    }

    /// It has this error as its outcome, or each of its items that has none.
    pub(crate) fn fail(&self, error: TaskError) -> bool {
        match self.batch() {
            Some(batch) => {
                batch.fail(u32::MAX, &error);
                self.complete(Ok(Value::Batch))
            }
            None => self.complete(Err(Box::new(error))),
        }
    }

    /// The outcome as callbacks see it; meaningful once done.
    pub(crate) fn outcome(&self) -> Outcome {
        let state = self.lock();
        let error = state.body.failure().cloned();
        let output = state.attendance.as_ref().and_then(|a| a.output.clone());
        drop(state);
        Outcome::new(self.id, self.label().map(str::to_owned), error).with_output(output)
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_done() && matches!(self.lock().body.failure(), Some(TaskError::Cancelled))
    }

    pub(crate) fn is_error(&self) -> bool {
        self.is_done() && self.lock().body.failure().is_some()
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
        let end = self.lock().body.hand_out();
        Some(end.unwrap_or_else(|| handed_out()))
    }

    /// Hands the end of a task out that is done, whose last hand this was.
    ///
    /// # Panics
    ///
    /// As [`Slot::take`].
    pub(crate) fn into_end(self) -> End {
        let mut state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.body.hand_out() {
            Some(end) => end,
            None => handed_out(),
        }
    }

    /// Whose task it is.
    pub(crate) fn control(&self) -> &Controller {
        &self.control
    }

    pub(crate) fn waited(&self, how_long: Duration) {
        self.control.waited(how_long);
    }

    pub(crate) fn cancel(slot: &SlotRef) -> bool {
        if slot.is_done() {
            slot.is_cancelled()
        } else {
            slot.control.cancel(slot)
        }
    }

    pub(crate) fn kill(slot: &SlotRef) -> bool {
        if slot.is_done() {
            false
        } else {
            slot.control.kill(slot)
        }
    }

    pub(crate) fn interrupt(slot: &SlotRef) -> bool {
        !slot.is_done() && slot.control.interrupt(slot)
    }
}

fn handed_out() -> ! {
    panic!("a TaskFuture was used after it had given its result")
}
