//! Tasks that run in this process, on a thread of a pool or at `submit`: once, or again after a panic.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use pexec_ipc::carry;

use crate::core::{Cause, Retry};
use crate::error::{Side, TaskError};
use crate::function::{Payload, TaskFn};
use crate::future::bytes::Descriptors;
use crate::future::slot::{End, SlotRef, Value};
use crate::options::TaskOptions;
use crate::panics;
use crate::process::encode;
use crate::task;

/// Runs a task and puts its outcome down.
pub(crate) fn run_once<R: Payload>(slot: &SlotRef, worker: usize, call: impl FnOnce() -> R) {
    slot.set_running();
    slot.complete(attempt(slot, worker, 1, || Ok(call())));
}

fn attempt<R: Payload>(
    slot: &SlotRef,
    worker: usize,
    number: u32,
    call: impl FnOnce() -> Result<R, TaskError>,
) -> End {
    match task::with_local(slot, worker, number, || panics::catch(call)) {
        Ok(Ok(value)) => Ok(Value::Local(Box::new(value))),
        Ok(Err(error)) => Err(Box::new(error)),
        Err(panic) => Err(Box::new(TaskError::Panicked(*panic))),
    }
}

/// One attempt: for this slot, in this worker's place, with this number.
type Attempt = Box<dyn FnMut(&SlotRef, usize, u32) -> End + Send>;

/// A task that may run several times. Each attempt needs an argument of its own, so that is kept as its encoding.
pub(crate) struct Repeated {
    retry: Retry,
    attempt: u32,
    call: Attempt,
}

impl Repeated {
    /// The retry of these options, if a panic is a cause for it; the others need a process.
    pub(crate) fn retry(options: &mut TaskOptions) -> Option<Retry> {
        let retry = options.given()?.retry(None)?;
        retry.is_for(Cause::Panicked).then_some(retry)
    }

    pub(crate) fn new<F, A, R, M>(f: F, arg: &A, retry: Retry) -> Result<Repeated, TaskError>
    where
        F: TaskFn<A, R, M>,
        A: Payload,
        R: Payload,
        M: 'static,
    {
        let mut descriptors = Descriptors::new();
        let bytes = encode(arg, u64::MAX, &mut descriptors)?.into_vec();
        let call = move |slot: &SlotRef, worker: usize, number: u32| {
            attempt(slot, worker, number, || {
                let read = || catch_unwind(AssertUnwindSafe(|| F::decode(&bytes)));
                let unreadable =
                    |why: &dyn Display| TaskError::decode(Side::Argument, std::any::type_name::<A>(), why);
                let arg = match carry::provide(&mut descriptors.clone(), read) {
                    Ok(read) => read.map_err(|error| unreadable(&error))?,
                    Err(_) => return Err(unreadable(&"its Deserialize panicked")),
                };
                Ok(f.call(arg))
            })
        };
        Ok(Repeated {
            retry,
            attempt: 1,
            call: Box::new(call),
        })
    }

    /// Runs it, and puts its outcome down; or gives the pause before its next attempt.
    pub(crate) fn run(&mut self, slot: &SlotRef, worker: usize) -> Option<Duration> {
        // A request to stop was for the attempt before.
        slot.key.store(u32::MAX, Ordering::Relaxed);
        slot.set_running();
        match (self.call)(slot, worker, self.attempt) {
            Err(error)
                if matches!(*error, TaskError::Panicked(_))
                    && self.retry.again(self.attempt, Cause::Panicked, 0) =>
            {
                slot.keep_attempt(*error);
                let pause = self.retry.pause(self.attempt, slot.id().0);
                self.attempt += 1;
                Some(pause)
            }
            end => {
                slot.complete(end);
                None
            }
        }
    }
}
