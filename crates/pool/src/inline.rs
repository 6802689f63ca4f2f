//! The executor that has nothing: every task runs at `submit`, on the caller's thread.

use std::sync::{Arc, OnceLock};

use crate::error::{TaskError, TrySubmitError};
use crate::executor::{Admission, Executor};
use crate::function::{Payload, TaskFn, assert_no_captures};
use crate::future::TaskFuture;
use crate::future::slot::{Control, Controller, Slot, SlotRef, Value};
use crate::ids::next_task_id;
use crate::options::TaskOptions;
use crate::panics;
use crate::task;

/// Runs each task at `submit`, in order, on the calling thread: for debugging and for tests. A panic is caught
/// like everywhere else; timeouts and retries are not applied, nothing is serialised.
///
/// ```
/// use pexec::{Executor, Inline};
/// assert_eq!(Inline::new().submit(i64::abs, -3).result().unwrap(), 3);
/// ```
#[derive(Debug, Default)]
pub struct Inline(());

impl Inline {
    /// An executor without workers.
    pub fn new() -> Inline {
        Inline(())
    }
}

/// What can be asked of a task that runs in this process: nothing that needs a process to end.
struct NoControl;

fn no_control() -> Controller {
    static CONTROL: OnceLock<Controller> = OnceLock::new();
    Arc::clone(CONTROL.get_or_init(|| Arc::new(Box::new(NoControl))))
}

impl Control for NoControl {
    fn cancel(&self, _: &SlotRef) -> bool {
        false
    }
    fn kill(&self, _: &SlotRef) -> bool {
        false
    }
    fn interrupt(&self, slot: &SlotRef) -> bool {
        task::ask_local_to_stop(slot)
    }
    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>) {
        callback();
    }
}

impl Executor for Inline {
    fn start<F, A, R, M>(
        &self,
        f: F,
        arg: A,
        mut options: TaskOptions,
        _: Admission,
    ) -> Result<TaskFuture<R>, TrySubmitError<A>>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
    {
        const { assert_no_captures::<F>() };
        let slot = Slot::new(next_task_id(), no_control(), options.take_extra());
        run_local(&slot, 0, move || f.call(arg));
        Ok(TaskFuture::new(slot))
    }

    fn width(&self) -> usize {
        1
    }
}

/// Runs a task in this process and puts its outcome down.
pub(crate) fn run_local<R: Payload>(slot: &SlotRef, worker: usize, call: impl FnOnce() -> R) {
    slot.set_running();
    let result = task::with_local(slot, worker, || panics::catch(call));
    slot.complete(match result {
        Ok(value) => Ok(Value::Local(Box::new(value))),
        Err(panic) => Err(Box::new(TaskError::Panicked(*panic))),
    });
}

/// The future of a task that a closed executor refused.
pub(crate) fn refused<R>() -> TaskFuture<R> {
    let slot = Slot::new(next_task_id(), no_control(), None);
    slot.complete(Err(Box::new(TaskError::PoolClosed)));
    TaskFuture::new(slot)
}
