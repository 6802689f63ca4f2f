//! Everything that other threads tell the run, in order.
//!
//! Output that streams in is bounded: a callback waits while the run is [`BUDGET`] bytes behind, which holds the
//! executor and through it the commands back. The run itself never waits for the executor (it submits with
//! `try_submit`), so the two cannot wait for each other; and on the run's own thread, where an inline executor
//! calls back, nothing waits at all.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

/// How many bytes of notes wait for the run at most, give or take one note.
const BUDGET: usize = 8 * 1024 * 1024;

/// A thing that a run is told.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// What a task sent while it runs.
    Note {
        /// The flight.
        flight: u64,
        /// An encoded [`Note`](crate::exec::note::Note).
        bytes: Vec<u8>,
    },
    /// A task has ended; its notes came before.
    Done {
        /// The flight.
        flight: u64,
    },
}

/// Has a run look again at what it waits for; from any thread.
#[derive(Clone)]
pub struct Waker(Arc<Inbox>);

impl Waker {
    pub(super) fn of(inbox: &Arc<Inbox>) -> Waker {
        Waker(Arc::clone(inbox))
    }

    /// Does that.
    pub fn wake(&self) {
        self.0.wake();
    }
}

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

/// The queue of messages.
pub(super) struct Inbox {
    queue: Mutex<Queue>,
    came: Condvar,
    room: Condvar,
    owner: ThreadId,
}

#[derive(Default)]
struct Queue {
    messages: Vec<Message>,
    bytes: usize,
    woken: bool,
    closed: bool,
    /// The run sleeps. Who finds this set wakes it; who does not need not: the run looks before it sleeps.
    asleep: bool,
    /// How many callbacks wait for room.
    crowd: usize,
}

impl Queue {
    /// True: whoever asks has to wake the run, once it holds the queue no more.
    fn rouse(&mut self) -> bool {
        std::mem::take(&mut self.asleep)
    }
}

impl Inbox {
    /// An inbox for the run on this thread.
    pub(super) fn new() -> Inbox {
        Inbox {
            queue: Mutex::default(),
            came: Condvar::new(),
            room: Condvar::new(),
            owner: thread::current().id(),
        }
    }

    /// Told by a task; waits while there is no room.
    pub(super) fn note(&self, flight: u64, bytes: &[u8]) {
        let mut queue = self.lock();
        while queue.bytes > BUDGET && !queue.closed && thread::current().id() != self.owner {
            queue.crowd += 1;
            queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.crowd -= 1;
        }
        if !queue.closed {
            queue.bytes += bytes.len();
            queue.messages.push(Message::Note {
                flight,
                bytes: bytes.to_vec(),
            });
            self.tell(queue);
        }
    }

    /// Told at the end of a task.
    pub(super) fn done(&self, flight: u64) {
        let mut queue = self.lock();
        queue.messages.push(Message::Done { flight });
        self.tell(queue);
    }

    /// Something other than a message is worth a look.
    pub(super) fn wake(&self) {
        let mut queue = self.lock();
        queue.woken = true;
        self.tell(queue);
    }

    /// Wakes the run if it sleeps, without having it wait for the queue.
    fn tell(&self, mut queue: MutexGuard<'_, Queue>) {
        let asleep = queue.rouse();
        drop(queue);
        if asleep {
            self.came.notify_one();
        }
    }

    /// Waits for company: what comes in this time wakes nobody.
    pub(super) fn gather(&self, time: Duration) {
        let nothing = {
            let queue = self.lock();
            queue.messages.is_empty() && !queue.woken
        };
        if nothing {
            thread::sleep(time);
        }
    }

    /// Everything that came, in order; waits up to `timeout` for something.
    pub(super) fn take(&self, timeout: Duration) -> Vec<Message> {
        let nothing = |queue: &mut Queue| {
            queue.asleep = queue.messages.is_empty() && !queue.woken;
            queue.asleep
        };
        let waited = self.came.wait_timeout_while(self.lock(), timeout, nothing);
        let (mut queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        queue.asleep = false;
        queue.woken = false;
        queue.bytes = 0;
        let crowd = queue.crowd > 0;
        let messages = std::mem::take(&mut queue.messages);
        drop(queue);
        if crowd {
            self.room.notify_all();
        }
        messages
    }

    /// The run has ended: nobody waits for room any more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.room.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const WATCHDOG: Duration = Duration::from_secs(30);

    #[test]
    fn messages_come_in_order_and_a_wake_is_enough_to_return() {
        let inbox = Inbox::new();
        inbox.note(1, b"a");
        inbox.done(1);
        let note = Message::Note {
            flight: 1,
            bytes: b"a".to_vec(),
        };
        assert_eq!(inbox.take(WATCHDOG), [note, Message::Done { flight: 1 }]);
        inbox.wake();
        assert!(inbox.take(WATCHDOG).is_empty());
        assert!(inbox.take(Duration::ZERO).is_empty());
    }

    #[test]
    fn what_is_there_waits_for_no_company() {
        let inbox = Inbox::new();
        let began = std::time::Instant::now();
        inbox.done(1);
        inbox.gather(WATCHDOG);
        assert_eq!(inbox.take(WATCHDOG), [Message::Done { flight: 1 }]);
        inbox.wake();
        inbox.gather(WATCHDOG);
        assert!(began.elapsed() < WATCHDOG);
    }

    #[test]
    fn a_flood_waits_for_the_run_and_is_let_go_when_the_run_ends() {
        let inbox = Arc::new(Inbox::new());
        let flood = Arc::clone(&inbox);
        let (sent, count) = mpsc::channel();
        let thread = thread::spawn(move || {
            for _ in 0..40 {
                flood.note(0, &vec![0; 1024 * 1024]);
                let _ = sent.send(());
            }
        });
        let within = |n: usize| (0..n).all(|_| count.recv_timeout(WATCHDOG).is_ok());
        assert!(within(9), "the budget and one note fit");
        assert!(count.try_recv().is_err(), "the next one waits");
        let taken = inbox.take(WATCHDOG).len();
        assert_eq!(taken, 9);
        assert!(within(9), "room was made");
        inbox.close();
        assert!(within(22), "nobody waits for a run that has ended");
        thread.join().expect("the flood ends");
    }

    #[test]
    fn the_runs_own_thread_never_waits() {
        let inbox = Inbox::new();
        for _ in 0..20 {
            inbox.note(0, &vec![0; 1024 * 1024]);
        }
        assert_eq!(inbox.take(WATCHDOG).len(), 20);
    }
}
