//! The executor that has nothing: every task runs at `submit`, on the caller's thread.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use crate::error::{TaskError, TrySubmitError};
use crate::executor::{Admission, Executor};
use crate::function::{Payload, TaskFn, assert_no_captures};
use crate::future::TaskFuture;
use crate::future::control::{Control, Controller};
use crate::future::slot::{Slot, SlotRef};
use crate::ids::next_task_id;
use crate::local::{Repeated, run_once};
use crate::options::TaskOptions;
use crate::task;

/// Runs each task at `submit`, in order, on the calling thread: for debugging and for tests. A panic is caught
/// like everywhere else, and a retry after a panic runs at once, behind its pause. A `delay` is slept; timeouts and
/// priorities are not applied. Nothing is serialised, but the argument of a task that may be retried.
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
        let (not_before, _) = options.given().map_or((None, None), |o| o.window(Instant::now()));
        let retry = Repeated::retry(&mut options);
        let slot = Slot::new(next_task_id(), no_control(), options.take_extra());
        if let Some(at) = not_before {
            std::thread::sleep(at.saturating_duration_since(Instant::now()));
        }
        match retry.map(|retry| Repeated::new(f, &arg, retry)) {
            None => run_once(&slot, 0, move || f.call(arg)),
            Some(Ok(mut task)) => {
                while let Some(pause) = task.run(&slot, 0) {
                    std::thread::sleep(pause);
                }
            }
            Some(Err(error)) => {
                slot.fail(error);
            }
        }
        Ok(TaskFuture::new(slot))
    }

    fn width(&self) -> usize {
        1
    }
}

/// The future of a task that a closed executor refused.
pub(crate) fn refused<R>() -> TaskFuture<R> {
    let slot = Slot::new(next_task_id(), no_control(), None);
    slot.complete(Err(Box::new(TaskError::PoolClosed)));
    TaskFuture::new(slot)
}
