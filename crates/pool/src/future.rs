//! The caller's end of a task.

pub(crate) mod batch;
pub(crate) mod bytes;
pub(crate) mod control;
pub(crate) mod slot;
pub(crate) mod wait;

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use pexec_ipc::carry;
use pexec_proto::codec::{self, DecodeError};

use crate::error::{Side, TaskError};
use crate::function::Payload;
use crate::ids::TaskId;
use crate::outcome::Outcome;
use bytes::{Bytes, Descriptors};
use slot::{Carried, End, Slot, SlotRef, Value};

/// The result of a task, now or later. Dropping it lets the task run on, detached.
///
/// Wait for it on a thread with [`result`](TaskFuture::result), or `.await` it in any async runtime: it needs
/// no reactor and no thread of its own.
///
/// ```
/// use pexec::{Executor, Inline};
/// let future = Inline::new().submit(|x: u32| x + 1, 41);
/// assert_eq!(future.result().unwrap(), 42);
/// ```
#[must_use = "a TaskFuture is how a task's outcome is learned; drop it explicitly to let the task run detached"]
pub struct TaskFuture<R> {
    slot: SlotRef,
    result: PhantomData<fn() -> R>,
}

impl<R> std::fmt::Debug for TaskFuture<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match (self.is_done(), self.is_running()) {
            (true, _) => "done",
            (false, true) => "running",
            (false, false) => "queued",
        };
        write!(f, "TaskFuture({}, {state})", self.slot.name())
    }
}

impl<R> TaskFuture<R> {
    pub(crate) fn new(slot: SlotRef) -> TaskFuture<R> {
        TaskFuture {
            slot,
            result: PhantomData,
        }
    }

    pub(crate) fn slot(&self) -> &SlotRef {
        &self.slot
    }

    /// The task's id, unique in this process.
    pub fn id(&self) -> TaskId {
        self.slot.id()
    }

    /// The label given with [`TaskBuilder::label`](crate::TaskBuilder::label).
    pub fn label(&self) -> Option<&str> {
        self.slot.label()
    }

    /// The task has ended, one way or another.
    pub fn is_done(&self) -> bool {
        self.slot.is_done()
    }

    /// The task has started and not ended.
    pub fn is_running(&self) -> bool {
        self.slot.is_running()
    }

    /// The task was cancelled before it started.
    pub fn is_cancelled(&self) -> bool {
        self.slot.is_cancelled()
    }

    /// Takes a task back that has not started. True: it had not started and never will (also when it had been
    /// cancelled before). False: it is running or done, and nothing changed. A task that waits for another attempt has
    /// started: it is not tried again, ends as its last attempt did, and the answer is false.
    pub fn cancel(&self) -> bool {
        Slot::cancel(&self.slot)
    }

    /// Ends the task: a queued one as [`cancel`](TaskFuture::cancel) does, a running one by ending its worker's
    /// process group (TERM, then KILL after the pool's `kill_grace`); the outcome is [`TaskError::Killed`].
    /// False: it had ended already, or runs where it cannot be killed (a thread). An answer that was under way when the
    /// signal came still counts.
    pub fn kill(&self) -> bool {
        Slot::kill(&self.slot)
    }

    /// The last progress that the task has told by [`task::progress`](crate::task::progress): a share and a text.
    pub fn progress(&self) -> Option<(f64, String)> {
        self.slot.progress()
    }

    /// Asks a running task to stop of its own accord: [`task::cancelled`](crate::task::cancelled) becomes true in
    /// it. Nothing is killed and no outcome is decided by this. False: it was not running.
    pub fn interrupt(&self) -> bool {
        Slot::interrupt(&self.slot)
    }

    /// Blocks until the task has ended.
    pub fn wait(&self) {
        wait::until_done(&self.slot, None);
    }

    /// Blocks until the task has ended, for at most `timeout`. True: it has ended.
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        wait::until_done(&self.slot, Instant::now().checked_add(timeout))
    }

    /// How the task has ended, everything but its value; `None` while it has not. Unlike
    /// [`result`](TaskFuture::result) it can be asked more than once, and before the value is taken.
    ///
    /// ```
    /// use pexec::{Executor, Inline};
    /// let future = Inline::new().submit(|x: u32| x + 1, 41);
    /// assert!(future.outcome().is_some_and(|outcome| outcome.is_ok()));
    /// assert_eq!(future.result().unwrap(), 42);
    /// ```
    pub fn outcome(&self) -> Option<Outcome> {
        self.is_done().then(|| self.slot.outcome())
    }

    /// Calls back once when the task has ended, on a thread of the executor's where blocking, submitting and
    /// stopping the pool are all right; at once on this thread if it has ended already. A panic in the callback
    /// is reported by the panic hook and contained.
    pub fn on_done(&self, callback: impl FnOnce(&Outcome) + Send + 'static) {
        self.slot.call_at_end(Box::new(callback));
    }
}

impl<R: Payload> TaskFuture<R> {
    /// Blocks until the task has ended and gives its result.
    ///
    /// # Errors
    ///
    /// Whatever kept the task from returning a value; [`TaskError::execution`] tells whether it ran.
    pub fn result(self) -> Result<R, TaskError> {
        self.wait();
        match SlotRef::try_unwrap(self.slot) {
            // The rule: the executor has let go of what is done. Nothing has to be locked or left behind.
            Ok(slot) => open(slot.into_end()),
            Err(slot) => slot.take().map_or(Err(TaskError::Cancelled), open),
        }
    }

    /// Like [`result`](TaskFuture::result), for at most `timeout`.
    ///
    /// # Errors
    ///
    /// The outer `Err` gives the future back: not yet.
    pub fn result_timeout(self, timeout: Duration) -> Result<Result<R, TaskError>, TaskFuture<R>> {
        if self.wait_timeout(timeout)
            && let Some(result) = self.take_now()
        {
            return Ok(result);
        }
        Err(self)
    }

    /// The result if there is one by now.
    pub(crate) fn take_now(&self) -> Option<Result<R, TaskError>> {
        self.slot.take().map(open)
    }
}

fn read<R: Payload>(bytes: Bytes) -> Result<R, DecodeError> {
    match bytes {
        Bytes::Short(..) => codec::decode_typed(bytes.parts().1),
        Bytes::Long(_) | Bytes::Content(_) => codec::decode_owned(bytes.into_vec()),
    }
}

/// Runs what reads a result, with what came along for its handles.
pub(crate) fn decode<R>(
    descriptors: &mut Descriptors,
    read: impl FnOnce() -> Result<R, DecodeError>,
) -> Result<R, TaskError> {
    let name = std::any::type_name::<R>();
    let read = || carry::provide(descriptors, read);
    // What a panic leaves behind in here is dropped and not looked at.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|e| TaskError::decode(Side::Result, name, e)),
        Err(_) => Err(TaskError::decode(Side::Result, name, "its Deserialize panicked")),
    }
}

/// Makes the value of an end. Bytes are deserialised here, on the thread that wants the value: a `Deserialize`
/// that panics hurts this future only.
fn open<R: Payload>(end: End) -> Result<R, TaskError> {
    match end.map_err(|error| *error)? {
        Value::Encoded(bytes) => decode(&mut Vec::new(), || read(bytes)),
        Value::Carried(carried) => {
            let Carried {
                bytes,
                mut descriptors,
            } = *carried;
            decode(&mut descriptors, || read(bytes))
        }
        // Maps read their batches themselves.
        Value::Batch => Err(TaskError::decode(
            Side::Result,
            std::any::type_name::<R>(),
            "it is a batch",
        )),
        Value::Local(value) => match value.downcast::<R>() {
            Ok(value) => Ok(*value),
            Err(_) => Err(TaskError::decode(
                Side::Result,
                std::any::type_name::<R>(),
                "it is of another type",
            )),
        },
    }
}

impl<R: Payload> Future for TaskFuture<R> {
    type Output = Result<R, TaskError>;

    /// # Panics
    ///
    /// When polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(result) = self.take_now() {
            return Poll::Ready(result);
        }
        if self.slot.replace_waker(cx.waker()) {
            return Poll::Pending;
        }
        match self.take_now() {
            Some(result) => Poll::Ready(result),
            None => Poll::Pending,
        }
    }
}
