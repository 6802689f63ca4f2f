//! Many inputs, one function, results as an iterator.
//!
//! Invariant: after `k` results at most `k + look_ahead + 1` inputs have been pulled, so an endless input works
//! and a slow consumer holds the producer back.

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Deadline, TaskError};
use crate::function::Payload;
use crate::future::TaskFuture;
use crate::future::slot::Notify;
use crate::future::wait::Ready;

type Feed<'a, R> = Box<dyn FnMut() -> Option<TaskFuture<R>> + 'a>;

/// Pulls inputs and submits them, never further ahead than allowed.
struct Source<'a, R> {
    feed: Feed<'a, R>,
    look_ahead: usize,
    chunk: usize,
    pulled: usize,
    ended: bool,
    /// The input iterator panicked: the panic goes on where its item would have stood.
    panic: Option<Box<dyn Any + Send>>,
    deadline: Option<Instant>,
}

impl<'a, R> Source<'a, R> {
    fn new(width: usize, feed: Feed<'a, R>) -> Self {
        let look_ahead = width.saturating_mul(32).max(256);
        Source {
            feed,
            look_ahead,
            chunk: 1,
            pulled: 0,
            ended: false,
            panic: None,
            deadline: None,
        }
    }

    fn chunk_size(&mut self, n: usize) {
        assert!(n > 0, "chunk_size(0) would never submit anything; use at least 1");
        self.chunk = n;
    }

    fn deadline(&mut self, deadline: Duration) {
        self.deadline = Instant::now().checked_add(deadline);
    }

    /// Submits inputs until `given + look_ahead + 1` have been pulled; `take` gets each future.
    fn fill(&mut self, given: usize, mut take: impl FnMut(usize, TaskFuture<R>)) {
        let most = given.saturating_add(self.look_ahead).saturating_add(1);
        let waiting = self.pulled - given;
        // A refill waits until a whole chunk fits, unless nothing is under way.
        if waiting > 0 && most - self.pulled.min(most) < self.chunk.min(self.look_ahead + 1) {
            return;
        }
        while !self.ended && self.pulled < most {
            match catch_unwind(AssertUnwindSafe(&mut self.feed)) {
                Ok(Some(future)) => {
                    take(self.pulled, future);
                    self.pulled += 1;
                }
                Ok(None) => self.ended = true,
                Err(panic) => {
                    self.panic = Some(panic);
                    self.ended = true;
                }
            }
        }
    }

    /// The end of the results: where the input's panic, if there was one, goes on.
    fn end<T>(&mut self) -> Option<T> {
        match self.panic.take() {
            Some(panic) => resume_unwind(panic),
            None => None,
        }
    }

    fn expire(&mut self) -> TaskError {
        self.ended = true;
        self.panic = None;
        TaskError::Expired(Deadline::Call)
    }
}

/// Results in the order of the inputs; see [`Executor::map`](crate::Executor::map).
///
/// A failing item is one `Err`, the rest still arrive. Dropping the iterator cancels what has not started. If
/// the input iterator panics, the results before it arrive and then the panic goes on in `next()`.
///
/// ```
/// use pexec::{Executor, Inline};
/// let pool = Inline::new();
/// let squares: Result<Vec<u64>, _> = pool.map(|x: u64| x * x, 0..4).collect();
/// assert_eq!(squares.unwrap(), [0, 1, 4, 9]);
/// let endless: Vec<_> = pool.map(|x: u64| x + 1, 0..).look_ahead(8).take(3).collect();
/// assert_eq!(endless.len(), 3);
/// ```
#[must_use = "iterators are lazy: nothing is submitted before the first next()"]
pub struct Map<'a, R> {
    source: Source<'a, R>,
    given: usize,
    waiting: VecDeque<TaskFuture<R>>,
}

impl<'a, R> Map<'a, R> {
    pub(crate) fn new(width: usize, feed: Feed<'a, R>) -> Self {
        Map {
            source: Source::new(width, feed),
            given: 0,
            waiting: VecDeque::new(),
        }
    }

    /// Takes inputs `n` at a time, as far as the look-ahead allows; results never depend on it. Default: one at a
    /// time, the pool itself sends many small tasks at once.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn chunk_size(mut self, n: usize) -> Self {
        self.source.chunk_size(n);
        self
    }

    /// How many inputs may be pulled beyond those whose results were given, plus one. Default: 32 a worker, at
    /// least 256.
    pub fn look_ahead(mut self, n: usize) -> Self {
        self.source.look_ahead = n;
        self
    }

    /// From now on at most this long: at the deadline one `Err(Expired(Call))`, then the end; what has not started
    /// is cancelled.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.source.deadline(deadline);
        self
    }
}

impl<R: Payload> Iterator for Map<'_, R> {
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        let waiting = &mut self.waiting;
        self.source
            .fill(self.given, |_, future| waiting.push_back(future));
        let Some(future) = self.waiting.pop_front() else {
            return self.source.end();
        };
        if let Some(deadline) = self.source.deadline
            && !future.wait_timeout(deadline.saturating_duration_since(Instant::now()))
        {
            future.cancel();
            for late in self.waiting.drain(..) {
                late.cancel();
            }
            return Some(Err(self.source.expire()));
        }
        self.given += 1;
        Some(future.result())
    }
}

impl<R> Drop for Map<'_, R> {
    fn drop(&mut self) {
        for future in &self.waiting {
            future.cancel();
        }
    }
}

/// Results in the order in which tasks end; see [`Executor::map_unordered`](crate::Executor::map_unordered).
/// Everything else is as for [`Map`].
///
/// ```
/// use pexec::{Executor, Inline};
/// let mut pairs: Vec<(usize, u64)> =
///     Inline::new().map_unordered(|x: u64| x * 10, 1..4).map(|(i, r)| (i, r.unwrap())).collect();
/// pairs.sort();
/// assert_eq!(pairs, [(0, 10), (1, 20), (2, 30)]);
/// ```
#[must_use = "iterators are lazy: nothing is submitted before the first next()"]
pub struct MapUnordered<'a, R> {
    source: Source<'a, R>,
    given: usize,
    waiting: HashMap<usize, TaskFuture<R>>,
    ready: Arc<Ready>,
}

impl<'a, R> MapUnordered<'a, R> {
    pub(crate) fn new(width: usize, feed: Feed<'a, R>) -> Self {
        let ready = Arc::new(Ready::default());
        MapUnordered {
            source: Source::new(width, feed),
            given: 0,
            waiting: HashMap::new(),
            ready,
        }
    }

    /// See [`Map::chunk_size`].
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn chunk_size(mut self, n: usize) -> Self {
        self.source.chunk_size(n);
        self
    }

    /// See [`Map::look_ahead`].
    pub fn look_ahead(mut self, n: usize) -> Self {
        self.source.look_ahead = n;
        self
    }

    /// See [`Map::deadline`]; the index given with the `Expired` is that of an item which had not ended.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.source.deadline(deadline);
        self
    }
}

impl<R: Payload> Iterator for MapUnordered<'_, R> {
    type Item = (usize, Result<R, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        let (waiting, ready) = (&mut self.waiting, &self.ready);
        self.source.fill(self.given, |index, future| {
            let notify: Arc<dyn Notify> = Arc::clone(ready) as _;
            future.slot().notify_at_end(&notify, index);
            waiting.insert(index, future);
        });
        if self.waiting.is_empty() {
            return self.source.end();
        }
        let control = self
            .waiting
            .values()
            .next()
            .map(|f| Arc::clone(f.slot().control()));
        match self.ready.next(control.as_ref(), self.source.deadline) {
            Some(index) => {
                self.given += 1;
                Some((index, self.waiting.remove(&index)?.take_now()?))
            }
            None => {
                let index = self.waiting.keys().copied().min()?;
                for (_, late) in self.waiting.drain() {
                    late.cancel();
                }
                Some((index, Err(self.source.expire())))
            }
        }
    }
}

impl<R> Drop for MapUnordered<'_, R> {
    fn drop(&mut self) {
        for future in self.waiting.values() {
            future.cancel();
        }
    }
}
