//! What workers' code tells `tracing`, told again here: to the subscriber that the thread had which built the pool, or to
//! the program's.
//!
//! A subscriber is somebody else's code, and may block on a terminal: it runs on a thread of its own (`queue`), which a
//! pool has from the first record on. Whoever does turns only queues, and a queue that is full drops what comes and counts
//! it. Each task's records come before its outcome: where some still wait, the outcome waits behind them, and nobody
//! else's does.

mod queue;
mod replay;
mod sites;

use std::sync::Arc;

use tracing::Level;
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::NoSubscriber;

use crate::future::slot::{End, SlotRef};
use crate::process::shared::Shared;
pub(crate) use queue::Queue;

/// What a pool does with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    /// The subscriber of the thread that built the pool.
    pub(crate) subscriber: Option<Dispatch>,
    /// Up to which level; `None`: what subscribers here want.
    pub(crate) level: Option<LevelFilter>,
}

impl Wish {
    /// That of the thread that builds a pool.
    pub(crate) fn of_this_thread(level: Option<LevelFilter>) -> Wish {
        Wish {
            subscriber: listening(),
            level,
        }
    }

    /// What a worker that starts now is told.
    pub(crate) fn level(&self) -> Option<u8> {
        let level = match self.level {
            Some(level) => level,
            None if self.subscriber.is_none() && listening().is_none() => return None,
            None => LevelFilter::current(),
        };
        Some(match level.into_level()? {
            Level::ERROR => 1,
            Level::WARN => 2,
            Level::INFO => 3,
            Level::DEBUG => 4,
            Level::TRACE => 5,
        })
    }
}

/// This thread's subscriber, if it has one.
fn listening() -> Option<Dispatch> {
    dispatcher::get_default(|dispatch| (!dispatch.is::<NoSubscriber>()).then(|| dispatch.clone()))
}

/// The driver's end.
pub(crate) struct Observer {
    shared: Arc<Shared>,
    /// By worker, its last record's task, and how many entries the queue had had with it.
    last: Vec<Option<(u64, u64)>>,
    /// There has been one.
    any: bool,
}

impl Observer {
    pub(crate) fn new(shared: Arc<Shared>) -> Observer {
        Observer {
            shared,
            last: Vec::new(),
            any: false,
        }
    }

    /// A worker has sent a record.
    pub(crate) fn take(&mut self, worker: usize, task: u64, label: Option<&str>, record: &[u8]) {
        if !self.any {
            self.any = true;
            let shared = Arc::clone(&self.shared);
            self.shared.observed.start(move || shared.ended_elsewhere());
        }
        if let Some(number) = self.shared.observed.push_record(worker, task, label, record) {
            if self.last.len() <= worker {
                self.last.resize(worker + 1, None);
            }
            self.last[worker] = Some((task, number));
        }
    }

    /// A worker has ended, and will send nothing more.
    pub(crate) fn departed(&mut self, worker: usize) {
        if self.last.get(worker).is_some_and(Option::is_some) {
            self.shared.observed.push_departed(worker);
        }
    }

    /// Puts down the end of a task that has run in this worker, behind what it has told.
    #[inline]
    pub(crate) fn complete(&self, worker: usize, task: SlotRef, end: End) {
        if self.any && self.is_behind(worker, &task) {
            self.shared.observed.push_end(task, end);
        } else {
            task.complete(end);
        }
    }

    /// A worker runs one task at a time, so the last record was of this one or it has none.
    #[cold]
    fn is_behind(&self, worker: usize, task: &SlotRef) -> bool {
        let Some(&Some((told, number))) = self.last.get(worker) else {
            return false;
        };
        let items = task.batch().map_or(1, |batch| batch.done() + batch.left());
        let own = task.id().0..task.id().0.saturating_add(items.into());
        own.contains(&told) && number > self.shared.observed.delivered()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.shared.observed.close();
    }
}
