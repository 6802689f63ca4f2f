//! A source that may block, read by a thread of its own, a few instances ahead.
//!
//! The two sides wake each other as seldom as they can: the reader goes on only when half of what it may read ahead is
//! used up, and the run is woken only when it found nothing. One item is never held back for company.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use super::super::inbox::Inbox;
use crate::plan::{Instance, Instances, SourceError};

/// How many instances are read ahead.
const AHEAD: usize = 64;

/// What the reader says; `None`: the source has ended.
type Read = Option<Result<Instance, SourceError>>;

/// The run's end.
pub(in crate::run) struct Ahead(Arc<Shared>);

#[derive(Default)]
struct Shared {
    queue: Mutex<Queue>,
    room: Condvar,
}

#[derive(Default)]
struct Queue {
    read: VecDeque<Read>,
    /// The run found nothing and waits to be woken.
    hungry: bool,
    /// The reader waits for room.
    full: bool,
    /// The run wants nothing more.
    closed: bool,
}

impl Ahead {
    /// Starts to read; the inbox is woken when there is something for a run that found nothing.
    pub(super) fn start(instances: Instances, inbox: Arc<Inbox>) -> io::Result<Ahead> {
        let shared = Arc::new(Shared::default());
        let reader = Reader(Arc::clone(&shared), inbox);
        thread::Builder::new()
            .name("pexec-source".to_owned())
            .spawn(move || {
                for read in instances.map(Some).chain([None]) {
                    if !reader.put(read) {
                        return;
                    }
                }
            })?;
        Ok(Ahead(shared))
    }

    /// What was read next; `None`: nothing yet.
    pub(super) fn next(&mut self) -> Option<Read> {
        let mut queue = self.0.lock();
        let next = queue.read.pop_front();
        queue.hungry = next.is_none();
        let refill = queue.full && queue.read.len() <= AHEAD / 2;
        queue.full &= !refill;
        drop(queue);
        if refill {
            self.0.room.notify_one();
        }
        next
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.room.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's end. Dropped without having said the end, it says that the thread panicked.
struct Reader(Arc<Shared>, Arc<Inbox>);

impl Reader {
    /// False: the run wants nothing more.
    fn put(&self, read: Read) -> bool {
        let Reader(shared, inbox) = self;
        let mut queue = shared.lock();
        if queue.read.len() >= AHEAD {
            queue.full = true;
            let wait = |queue: &mut Queue| queue.full && !queue.closed;
            let waited = shared.room.wait_while(queue, wait);
            queue = waited.unwrap_or_else(PoisonError::into_inner);
        }
        if queue.closed {
            return false;
        }
        queue.read.push_back(read);
        let hungry = std::mem::take(&mut queue.hungry);
        drop(queue);
        if hungry {
            inbox.wake();
        }
        true
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if thread::panicking() {
            self.put(Some(Err(SourceError(
                "the thread that read it panicked".to_owned(),
            ))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    const WATCHDOG: Duration = Duration::from_secs(30);

    fn instance(index: u64) -> Result<Instance, SourceError> {
        Ok(Instance {
            index,
            item: None,
            keys: Vec::new(),
            label: "t".into(),
            work: Box::new(|_| panic!("not asked for")),
            files: None,
        })
    }

    /// The next thing, however long it takes.
    fn wait(ahead: &mut Ahead, inbox: &Inbox) -> Read {
        let began = Instant::now();
        loop {
            if let Some(read) = ahead.next() {
                return read;
            }
            assert!(began.elapsed() < WATCHDOG, "nothing came");
            inbox.take(WATCHDOG);
        }
    }

    #[test]
    fn everything_comes_in_order_and_a_run_that_found_nothing_is_woken() {
        let inbox = Arc::new(Inbox::new());
        let instances = Box::new((0..1000).map(instance));
        let mut ahead = Ahead::start(instances, Arc::clone(&inbox)).expect("a thread");
        for index in 0..1000 {
            match wait(&mut ahead, &inbox) {
                Some(Ok(instance)) => assert_eq!(instance.index, index),
                Some(Err(error)) => panic!("{error}"),
                None => panic!("ended at {index}"),
            }
        }
        assert!(wait(&mut ahead, &inbox).is_none(), "the end is said");
    }

    #[test]
    fn no_more_is_read_ahead_than_may_be_and_a_run_that_ends_lets_the_reader_go() {
        let read = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&read);
        let instances = Box::new((0..).map(move |index| {
            count.fetch_add(1, Ordering::SeqCst);
            instance(index)
        }));
        let mut ahead = Ahead::start(instances, Arc::new(Inbox::new())).expect("a thread");
        let began = Instant::now();
        while read.load(Ordering::SeqCst) <= AHEAD {
            assert!(began.elapsed() < WATCHDOG);
            thread::yield_now();
        }
        assert!(ahead.next().is_some());
        assert_eq!(read.load(Ordering::SeqCst), AHEAD + 1, "one is in its hand");
        let shared = Arc::downgrade(&ahead.0);
        drop(ahead);
        while shared.strong_count() > 0 {
            assert!(began.elapsed() < WATCHDOG, "the reader is still there");
            thread::yield_now();
        }
    }

    #[test]
    fn a_source_that_panics_is_a_source_that_broke() {
        let inbox = Arc::new(Inbox::new());
        let instances = Box::new((0..2).map(|index| match index {
            0 => instance(0),
            _ => panic!("on purpose"),
        }));
        let mut ahead = Ahead::start(instances, Arc::clone(&inbox)).expect("a thread");
        assert!(matches!(wait(&mut ahead, &inbox), Some(Ok(_))));
        assert!(matches!(wait(&mut ahead, &inbox), Some(Err(SourceError(why))) if why.contains("panicked")));
    }
}
