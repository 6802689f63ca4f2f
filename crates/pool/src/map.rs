//! Many inputs, one function, results as an iterator.
//!
//! Invariant: after `k` results at most `k + look_ahead + 1` inputs have been pulled, so an endless input works
//! and a slow consumer holds the producer back.

pub(crate) mod run;

use std::any::Any;
use std::collections::{HashMap, VecDeque};
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Deadline, TaskError};
use crate::function::Payload;

use crate::future::slot::{Notify, Slot, SlotRef};
use crate::future::wait::{Ready, until_done};
use run::{Chunk, Fed, Pending, Reading};

/// Starts at most so many inputs.
type Feed<'a, R> = Box<dyn FnMut(usize) -> Fed<R> + 'a>;

/// Pulls inputs and submits them, never further ahead than allowed.
struct Source<'a, R> {
    feed: Feed<'a, R>,
    width: usize,
    /// As the user wants it.
    look_ahead: Option<usize>,
    chunk: Chunk,
    pulled: usize,
    ended: bool,
    /// The input iterator panicked: the panic goes on where its item would have stood.
    panic: Option<Box<dyn Any + Send>>,
    deadline: Option<Instant>,
}

impl<'a, R> Source<'a, R> {
    fn new(width: usize, feed: Feed<'a, R>) -> Self {
        Source {
            feed,
            width,
            look_ahead: None,
            chunk: Chunk::adaptive(),
            pulled: 0,
            ended: false,
            panic: None,
            deadline: None,
        }
    }

    fn chunk_size(&mut self, n: usize) {
        assert!(n > 0, "chunk_size(0) would never submit anything; use at least 1");
        self.chunk = Chunk::fixed(n);
    }

    fn deadline(&mut self, deadline: Duration) {
        self.deadline = Instant::now().checked_add(deadline);
    }

    fn look_ahead(&self) -> usize {
        self.look_ahead.unwrap_or_else(|| {
            // Enough batches that no worker runs dry while the next are made.
            let batches = if self.chunk.is_adaptive() {
                4 * self.chunk.size()
            } else {
                0
            };
            self.width.saturating_mul(batches.max(32)).max(256)
        })
    }

    /// Submits inputs until `given + look_ahead + 1` have been pulled; `take` gets each task with the number of its
    /// first input.
    fn fill(&mut self, given: usize, mut take: impl FnMut(usize, Pending<R>)) {
        if self.ended {
            return;
        }
        let look_ahead = self.look_ahead();
        let most = given.saturating_add(look_ahead).saturating_add(1);
        let chunk = self.chunk.size().min(look_ahead.saturating_add(1));
        while !self.ended && self.pulled < most {
            let room = most - self.pulled;
            // A refill waits until a whole chunk fits, unless nothing is under way.
            if room < chunk && self.pulled > given {
                return;
            }
            let fed = (self.feed)(room.min(chunk));
            let mut first = self.pulled;
            self.pulled += fed.pulled;
            (self.ended, self.panic) = (fed.ended, fed.panic);
            if let Some((slot, items)) = fed.run.batch {
                take(first, Pending::Many(slot));
                first += items;
            }
            if let Some(future) = fed.run.one {
                take(first, Pending::One(future));
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
    waiting: VecDeque<Pending<R>>,
    /// Results of the batch in front.
    reading: Reading,
}

impl<'a, R> Map<'a, R> {
    pub(crate) fn new(width: usize, feed: Feed<'a, R>) -> Self {
        Map {
            source: Source::new(width, feed),
            given: 0,
            waiting: VecDeque::new(),
            reading: Reading::default(),
        }
    }

    /// Hands inputs over `n` at a time, as far as the look-ahead allows; results never depend on it. Default: adaptive,
    /// as many as keep a worker busy for about 100 us.
    ///
    /// # Panics
    ///
    /// If `n` is 0.
    pub fn chunk_size(mut self, n: usize) -> Self {
        self.source.chunk_size(n);
        self
    }

    /// How many inputs may be pulled beyond those whose results were given, plus one. Default: 32 a worker, at
    /// least 256, and more while tasks are so short that they travel in larger numbers (at most 32,768 a worker).
    pub fn look_ahead(mut self, n: usize) -> Self {
        self.source.look_ahead = Some(n);
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.reading.next() {
            Some(item) => {
                self.given += 1;
                Some(item)
            }
            None => self.next_task(),
        }
    }
}

impl<R: Payload> Map<'_, R> {
    /// Goes on with the next task.
    fn next_task(&mut self) -> Option<Result<R, TaskError>> {
        loop {
            let waiting = &mut self.waiting;
            self.source
                .fill(self.given, |_, pending| waiting.push_back(pending));
            let Some(front) = self.waiting.pop_front() else {
                return self.source.end();
            };
            if !until_done(front.slot(), self.source.deadline) {
                front.cancel();
                for late in self.waiting.drain(..) {
                    late.cancel();
                }
                return Some(Err(self.source.expire()));
            }
            match front {
                Pending::One(future) => {
                    self.given += 1;
                    return Some(future.result());
                }
                Pending::Many(slot) => {
                    let (reading, rest) = Reading::of(&slot);
                    self.source.chunk.learn(reading.results());
                    self.reading = reading;
                    if let Some(rest) = rest {
                        self.waiting.push_front(Pending::Many(rest));
                    }
                    if let Some(item) = self.reading.next() {
                        self.given += 1;
                        return Some(item);
                    }
                }
            }
        }
    }
}

impl<R> Drop for Map<'_, R> {
    fn drop(&mut self) {
        for pending in &self.waiting {
            pending.cancel();
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
    /// By the number of their first input.
    waiting: HashMap<usize, Pending<R>>,
    ready: Arc<Ready>,
    /// Results of a batch, from this number on.
    reading: (usize, Reading),
}

impl<'a, R> MapUnordered<'a, R> {
    pub(crate) fn new(width: usize, feed: Feed<'a, R>) -> Self {
        let ready = Arc::new(Ready::default());
        MapUnordered {
            source: Source::new(width, feed),
            given: 0,
            waiting: HashMap::new(),
            ready,
            reading: (0, Reading::default()),
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
        self.source.look_ahead = Some(n);
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

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (number, reading) = &mut self.reading;
            if let Some(item) = reading.next() {
                *number += 1;
                self.given += 1;
                return Some((*number - 1, item));
            }
            if let Some(item) = self.next_task()? {
                return Some(item);
            }
        }
    }
}

impl<R: Payload> MapUnordered<'_, R> {
    /// Goes on with the next task that is done. `None`: the end; nothing in it: a batch is to be read.
    fn next_task(&mut self) -> Option<Option<(usize, Result<R, TaskError>)>> {
        let (waiting, ready) = (&mut self.waiting, &self.ready);
        self.source.fill(self.given, |index, pending| {
            let slot = SlotRef::clone(pending.slot());
            waiting.insert(index, pending);
            await_task(ready, &slot, index);
        });
        if self.waiting.is_empty() {
            return self.source.end();
        }
        let control = self
            .waiting
            .values()
            .next()
            .map(|p| Arc::clone(p.slot().control()));
        let Some(index) = self.ready.next(control.as_ref(), self.source.deadline) else {
            let index = self.waiting.keys().copied().min()?;
            for (_, late) in self.waiting.drain() {
                late.cancel();
            }
            return Some(Some((index, Err(self.source.expire()))));
        };
        let pending = match self.waiting.remove(&index) {
            Some(pending) => pending,
            None => self.adopt(index)?,
        };
        match pending {
            Pending::One(future) => {
                self.given += 1;
                Some(Some((index, future.take_now()?)))
            }
            Pending::Many(slot) => {
                let (reading, rest) = Reading::of(&slot);
                self.source.chunk.learn(reading.results());
                if let Some(rest) = rest {
                    let from = index + reading.results().count() as usize;
                    self.waiting.insert(from, Pending::Many(rest));
                }
                self.reading = (index, reading);
                Some(None)
            }
        }
    }
}

impl<R> MapUnordered<'_, R> {
    /// The batch with this first item, which was cut off one that is not done.
    fn adopt(&mut self, index: usize) -> Option<Pending<R>> {
        let mut first = self.waiting.keys().copied().filter(|&k| k < index).max()?;
        let mut slot = SlotRef::clone(self.waiting.get(&first)?.slot());
        loop {
            let (kept, rest) = slot.batch()?.kept();
            first += kept;
            let rest = rest?;
            if first == index {
                let rest = slot.batch()?.take_rest()?;
                return Some(Pending::Many(rest));
            }
            slot = rest;
        }
    }
}

fn await_task(ready: &Arc<Ready>, slot: &Slot, index: usize) {
    let notify: Arc<dyn Notify> = Arc::clone(ready) as _;
    slot.notify_at_end(&notify, index);
}

impl<R> Drop for MapUnordered<'_, R> {
    fn drop(&mut self) {
        for pending in self.waiting.values() {
            pending.cancel();
        }
    }
}
