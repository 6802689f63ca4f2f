//! Waiting for one future or for many.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use super::TaskFuture;
use super::control::Controller;
use super::slot::{Notify, Slot, SlotRef};
use crate::error::{Deadline, TaskError};
use crate::function::Payload;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

thread_local! {
    /// One waker a thread: waiting for a task allocates nothing.
    static UNPARK: Waker = Waker::from(Arc::new(Unpark(std::thread::current())));
}

/// Blocks until the slot is done or the instant has come. True: done.
pub(crate) fn until_done(slot: &Slot, until: Option<Instant>) -> bool {
    if slot.is_done() {
        return true;
    }
    if slot.control().wait_here(&|| slot.is_done(), until) {
        return true;
    }
    let since = Instant::now();
    let waker = UNPARK
        .try_with(Waker::clone)
        .unwrap_or_else(|_| Waker::from(Arc::new(Unpark(std::thread::current()))));
    if !slot.wake_at_end(&waker) {
        return true;
    }
    // A stale token of an earlier wait only costs a turn: the condition is the slot's own stage.
    while !slot.is_done() {
        match until {
            None => std::thread::park(),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    slot.forget_waker(&waker);
                    return slot.is_done();
                }
                std::thread::park_timeout(left);
            }
        }
    }
    slot.waited(since.elapsed());
    true
}

/// Indices of futures that are done, in the order in which they ended.
#[derive(Default)]
pub(crate) struct Ready {
    queue: Mutex<VecDeque<usize>>,
    more: Condvar,
}

impl Notify for Ready {
    fn notify(&self, index: usize) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push_back(index);
        self.more.notify_one();
    }
}

impl Ready {
    fn lock(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next one that is done; `control` is whose tasks they are, where they are all of one executor.
    pub(crate) fn next(&self, control: Option<&Controller>, until: Option<Instant>) -> Option<usize> {
        if let Some(index) = self.lock().pop_front() {
            return Some(index);
        }
        if let Some(control) = control
            && control.wait_here(&|| !self.lock().is_empty(), until)
        {
            return self.lock().pop_front();
        }
        if let Some(control) = control {
            control.look_after();
        }
        let since = Instant::now();
        let mut queue = self.lock();
        loop {
            if let Some(index) = queue.pop_front() {
                if let Some(control) = control {
                    control.waited(since.elapsed());
                }
                return Some(index);
            }
            queue = match until {
                None => self.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    self.more
                        .wait_timeout(queue, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }
}

/// Who has all of these tasks; `None`: several, or none. Where it is several, each looks after its own.
fn controller<'a>(slots: impl Iterator<Item = &'a SlotRef> + Clone) -> Option<Controller> {
    let mut controls = slots.clone().map(|slot| slot.control());
    let first = controls.next()?;
    if controls.all(|other| Arc::ptr_eq(other, first)) {
        return Some(Arc::clone(first));
    }
    slots.for_each(|slot| slot.control().look_after());
    None
}

/// What [`wait`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// Every future is done.
    AllDone,
    /// At least one is done.
    FirstDone,
    /// One ended with an error, or all are done.
    FirstError,
}

/// What [`wait`] found: indices into its slice, each in exactly one of the two, both ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waited {
    /// Done, one way or another.
    pub done: Vec<usize>,
    /// Not done.
    pub pending: Vec<usize>,
}

/// Blocks until the futures are as `until` says, for at most `timeout` (`None`: for ever). A timeout is no
/// error: what is pending then stands in the answer.
///
/// ```
/// use pexec::{Executor, Inline, Until};
/// let pool = Inline::new();
/// let futures = [pool.submit(|| 1, ()), pool.submit(|| 2, ())];
/// let waited = pexec::wait(&futures, Until::AllDone, None);
/// assert_eq!(waited.done, [0, 1]);
/// ```
pub fn wait<R>(futures: &[TaskFuture<R>], until: Until, timeout: Option<Duration>) -> Waited {
    let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
    let met = |done: usize, failed: bool| match until {
        Until::AllDone => done == futures.len(),
        Until::FirstDone => done > 0 || futures.is_empty(),
        Until::FirstError => failed || done == futures.len(),
    };
    let mut done = 0;
    let mut failed = false;
    for future in futures {
        done += usize::from(future.is_done());
        failed |= future.slot.is_error();
    }
    if until == Until::AllDone {
        // One after the other is as good, and nobody has to be told of each.
        let _ = futures.iter().all(|future| until_done(&future.slot, deadline));
    } else if !met(done, failed) {
        let ready = Arc::new(Ready::default());
        let notify: Arc<dyn Notify> = Arc::clone(&ready) as _;
        futures
            .iter()
            .enumerate()
            .for_each(|(i, f)| f.slot.notify_at_end(&notify, i));
        (done, failed) = (0, false);
        let control = controller(futures.iter().map(|f| &f.slot));
        while let Some(index) = ready.next(control.as_ref(), deadline) {
            done += 1;
            failed |= futures[index].slot.is_error();
            if met(done, failed) {
                break;
            }
        }
        futures.iter().for_each(|f| f.slot.forget_notify(&notify));
    }
    let (done, pending) = (0..futures.len()).partition(|&i| futures[i].is_done());
    Waited { done, pending }
}

/// Iterates over the futures in the order in which they end, those that have ended first.
///
/// Dropping the iterator cancels nothing.
///
/// ```
/// use pexec::{Executor, Inline};
/// let pool = Inline::new();
/// let futures: Vec<_> = (0..3u32).map(|i| pool.submit(|i: u32| i * i, i)).collect();
/// let mut squares: Vec<u32> = pexec::as_completed(futures).map(|(_, r)| r.unwrap()).collect();
/// squares.sort();
/// assert_eq!(squares, [0, 1, 4]);
/// ```
pub fn as_completed<R: Payload>(futures: impl IntoIterator<Item = TaskFuture<R>>) -> AsCompleted<R> {
    let futures: Vec<Option<TaskFuture<R>>> = futures.into_iter().map(Some).collect();
    let ready = Arc::new(Ready::default());
    let notify: Arc<dyn Notify> = Arc::clone(&ready) as _;
    futures
        .iter()
        .flatten()
        .enumerate()
        .for_each(|(i, f)| f.slot.notify_at_end(&notify, i));
    let control = controller(futures.iter().flatten().map(|f| &f.slot));
    AsCompleted {
        left: futures.len(),
        futures,
        ready,
        control,
        deadline: None,
        expired: None,
    }
}

/// See [`as_completed`].
#[must_use = "iterators are lazy"]
pub struct AsCompleted<R> {
    futures: Vec<Option<TaskFuture<R>>>,
    left: usize,
    ready: Arc<Ready>,
    control: Option<Controller>,
    deadline: Option<Instant>,
    /// After the deadline: how far the rest has been given as expired.
    expired: Option<usize>,
}

impl<R> AsCompleted<R> {
    /// Waits at most this long from now: what has ended by then is given first, then every other future once as
    /// `Err(Expired(Call))`, then the iterator ends.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Instant::now().checked_add(deadline);
        self
    }
}

impl<R: Payload> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let from = match self.expired {
            Some(from) => from,
            None => match self.ready.next(self.control.as_ref(), self.deadline) {
                Some(index) => {
                    self.left -= 1;
                    let result = self.futures[index].take()?.take_now()?;
                    return Some((index, result));
                }
                None => 0,
            },
        };
        let index = from + self.futures[from..].iter().position(Option::is_some)?;
        self.futures[index] = None;
        self.expired = Some(index + 1);
        self.left -= 1;
        Some((index, Err(TaskError::Expired(Deadline::Call))))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<R: Payload> ExactSizeIterator for AsCompleted<R> {}
