//! Records on their way to the subscriber, and outcomes that wait behind them; the thread that hands both over.
//!
//! The thread is there from the first record on, and ends when the driver has let go of the queue and nothing is left.
//! It always goes on: a subscriber that panics costs its record.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use tracing::dispatcher::{self, Dispatch};

use super::replay::Replay;
use crate::future::slot::{End, SlotRef};

/// How many bytes of records may wait.
const MOST: usize = 16 << 20;
/// What an entry costs beyond its bytes, about.
const EACH: usize = 64;

pub(super) struct Told {
    pub(super) worker: usize,
    pub(super) task: u64,
    pub(super) label: Option<Box<str>>,
    pub(super) record: Vec<u8>,
}

enum Entry {
    Told(Told),
    Departed(usize),
    End(SlotRef, End),
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Entry>,
    /// Bytes of those records.
    bytes: usize,
    /// Entries so far.
    pushed: u64,
    /// Records that did not fit, and that nobody has been told of.
    lost: u64,
    thread: Option<ThreadId>,
    /// There is no thread to be had: everything is lost.
    deaf: bool,
    busy: bool,
    closed: bool,
}

pub(crate) struct Queue {
    name: String,
    subscriber: Option<Dispatch>,
    state: Mutex<State>,
    changed: Condvar,
    /// How many entries have been handed over.
    delivered: AtomicU64,
}

impl Queue {
    pub(crate) fn new(pool: &str, subscriber: Option<Dispatch>) -> Arc<Queue> {
        Arc::new(Queue {
            name: format!("{pool}-tracing"),
            subscriber,
            state: Mutex::default(),
            changed: Condvar::new(),
            delivered: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the thread; `wake` is called when it has put an outcome down.
    pub(super) fn start(self: &Arc<Queue>, wake: impl Fn() + Send + 'static) {
        let queue = Arc::clone(self);
        let started = std::thread::Builder::new()
            .name(self.name.clone())
            .spawn(move || match &queue.subscriber {
                Some(subscriber) => dispatcher::with_default(subscriber, || queue.serve(&wake)),
                None => queue.serve(&wake),
            });
        let mut state = self.lock();
        match started {
            Ok(thread) => state.thread = Some(thread.thread().id()),
            // No thread to be had: what workers tell is lost, and nothing waits for it.
            Err(_) => state.deaf = true,
        }
    }

    /// Its number, or `None` if there is no room.
    pub(super) fn push_record(
        &self,
        worker: usize,
        task: u64,
        label: Option<&str>,
        record: &[u8],
    ) -> Option<u64> {
        let mut state = self.lock();
        let size = record.len() + EACH;
        if state.deaf || state.bytes + size > MOST {
            state.lost += 1;
            return None;
        }
        state.bytes += size;
        let told = Told {
            worker,
            task,
            label: label.map(Into::into),
            record: record.to_vec(),
        };
        Some(self.push(state, Entry::Told(told)))
    }

    pub(super) fn push_departed(&self, worker: usize) {
        self.push(self.lock(), Entry::Departed(worker));
    }

    pub(super) fn push_end(&self, task: SlotRef, end: End) {
        self.push(self.lock(), Entry::End(task, end));
    }

    fn push(&self, mut state: MutexGuard<'_, State>, entry: Entry) -> u64 {
        state.waiting.push_back(entry);
        state.pushed += 1;
        let number = state.pushed;
        drop(state);
        self.changed.notify_all();
        number
    }

    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Acquire)
    }

    /// Nothing more is to come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Waits until everything is handed over; at once on the very thread that does it.
    pub(crate) fn drain(&self) {
        let mut state = self.lock();
        if state.thread == Some(std::thread::current().id()) {
            return;
        }
        while state.busy || !state.waiting.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn serve(&self, wake: &dyn Fn()) {
        let mut replay = Replay::default();
        let mut state = self.lock();
        loop {
            let lost = std::mem::take(&mut state.lost);
            let Some(entry) = state.waiting.pop_front() else {
                if state.closed {
                    return;
                }
                state.lost = lost;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if let Entry::Told(told) = &entry {
                state.bytes -= told.record.len() + EACH;
            }
            state.busy = true;
            drop(state);
            // Somebody else's code, on our thread: its panic is reported by the hook and goes no further.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                if lost > 0 {
                    tracing::warn!(
                        lost,
                        "records of tasks were left out: they came faster than they were taken"
                    );
                }
                match entry {
                    Entry::Told(told) => replay.tell(&told),
                    Entry::Departed(worker) => replay.forget(worker),
                    Entry::End(task, end) => {
                        task.complete(end);
                        wake();
                    }
                }
            }));
            self.delivered.fetch_add(1, Ordering::Release);
            state = self.lock();
            state.busy = false;
            if state.waiting.is_empty() {
                self.changed.notify_all();
            }
        }
    }
}
