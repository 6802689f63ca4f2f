//! What the core knows of a worker, from its start to its end.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::recycle::Weight;
use super::tasks::{Key, Place};
use super::{Action, Core, Recall, WINDOW_MAX, WINDOW_MIN};

/// Where a worker stands, as others may know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Starting,
    Idle,
    Busy,
    Ending,
}

/// Why a worker is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// It is not needed any more.
    Leaving,
    /// Its running task was killed on request.
    Killed,
    /// Its running task ran too long.
    TimedOut,
    /// The pool was terminated.
    Terminated,
    /// It broke the protocol, hung up, or did not finish its handshake in time.
    Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// No process; one is to be started then. `None`: never again.
    Down {
        start_at: Option<Instant>,
    },
    /// A process without a completed handshake and initializer.
    Starting {
        handshake_until: Option<Instant>,
    },
    Ready,
    /// Being ended: nothing more is sent; KILL comes at the instant.
    Ending {
        why: Why,
        kill_at: Option<Instant>,
    },
}

/// A worker that has not come to the next task for this long, while nothing keeps it busy, is stopped or stuck.
pub(super) const RESPONSE: Duration = Duration::from_secs(5);

/// About how long it takes to wake a process on another CPU.
const WAKING: Duration = Duration::from_micros(200);

/// How long a quick worker may be at one task before what it has behind it is given to others. It may only have been
/// asleep.
pub(super) const PATIENCE: Duration = Duration::from_micros(500);

/// How long the only task that a worker has may lie there before it is given to another: the worker may be stopped, or
/// not through with what it has answered.
const LONG_PATIENCE: Duration = Duration::from_secs(2);

/// The pace of a worker that has not answered yet.
const UNKNOWN_PACE: u64 = u64::MAX;

#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) key: Key,
    pub(super) id: u64,
    pub(super) cell: u16,
    /// Not taken back.
    pub(super) live: bool,
    /// It has started for certain, although its answer will not be read.
    pub(super) started: bool,
    pub(super) divisible: bool,
    pub(super) priority: i32,
}

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) life: Life,
    /// In the order of sending, which is that of the answers.
    pub(super) sent: VecDeque<Sent>,
    pub(super) live_sent: usize,
    pub(super) sent_bytes: u64,
    next_cell: u16,
    /// When the task at the head came to be there.
    pub(super) head_since: Instant,
    pub(super) head_until: Option<Instant>,
    /// When the worker must have come to what is at the front, taken back or not.
    pub(super) front_until: Option<Instant>,
    pub(super) window: usize,
    /// Answers since the window was last looked at.
    pub(super) answers: usize,
    /// What it has has been asked for, and has started.
    pub(super) spares_nothing: bool,
    /// When the task at its head was to be divided last.
    pub(super) divided_at: Instant,
    /// Nanoseconds that it takes for a task, as it has said last.
    pace: u64,
    pub(super) tasks_done: u64,
    /// How many more tasks it may run.
    pub(super) quota: u64,
    /// It has run a task.
    pub(super) has_worked: bool,
    /// When it became ready.
    pub(super) ready_at: Instant,
    /// Since when it has nothing to do, if that is so.
    pub(super) idle_since: Instant,
    /// It has run a task since its memory was looked at.
    pub(super) unweighed: bool,
    pub(super) weight: Weight,
    /// It gets no more tasks, and leaves once it is through with what it has started.
    pub(super) retires: bool,
    /// When it is gone, another takes its place.
    pub(super) stays: bool,
    /// It became ready once.
    pub(super) was_ready: bool,
    pub(super) started_before: bool,
    /// No process was there after the last start.
    pub(super) postponed: bool,
    /// Starts in a row that the kernel refused.
    pub(super) refused_starts: u32,
}

impl Worker {
    pub(super) fn new(now: Instant, stays: bool) -> Worker {
        Worker {
            life: Life::Down {
                start_at: stays.then_some(now),
            },
            sent: VecDeque::new(),
            live_sent: 0,
            sent_bytes: 0,
            next_cell: 0,
            head_since: now,
            head_until: None,
            front_until: None,
            window: WINDOW_MIN,
            answers: 0,
            spares_nothing: false,
            divided_at: now,
            pace: UNKNOWN_PACE,
            tasks_done: 0,
            quota: 0,
            has_worked: false,
            ready_at: now,
            idle_since: now,
            unweighed: false,
            weight: Weight::Fine,
            retires: false,
            stays,
            was_ready: false,
            started_before: false,
            postponed: false,
            refused_starts: 0,
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        matches!(self.life, Life::Down { .. })
    }

    /// There is no process, and then there is one again, if one is wanted here.
    pub(super) fn goes_down(&mut self, start_at: Option<Instant>) {
        self.life = Life::Down {
            start_at: start_at.filter(|_| self.stays),
        };
    }

    /// A process is started, of which nothing is known yet.
    pub(super) fn starts(&mut self, handshake_until: Option<Instant>, quota: Option<u64>) {
        self.life = Life::Starting { handshake_until };
        self.started_before = true;
        self.was_ready = false;
        self.tasks_done = 0;
        self.window = WINDOW_MIN;
        self.pace = UNKNOWN_PACE;
        self.quota = quota.unwrap_or(u64::MAX);
        (self.has_worked, self.unweighed) = (false, false);
        (self.weight, self.retires) = (Weight::Fine, false);
    }

    pub(super) fn is_idle(&self) -> bool {
        self.life == Life::Ready && self.sent.is_empty() && self.weight == Weight::Fine
    }

    pub(super) fn head(&self) -> Option<&Sent> {
        self.sent.front().filter(|sent| sent.live)
    }

    /// How many more tasks it takes. Large arguments are not heaped up at a worker: one ahead is enough to keep
    /// it busy.
    pub(super) fn room(&self) -> usize {
        const AHEAD_BYTES: u64 = 1 << 20;
        let window = if self.sent_bytes > AHEAD_BYTES {
            WINDOW_MIN
        } else {
            self.window
        };
        let takes = !self.retires && self.weight == Weight::Fine;
        let quota = if takes { self.quota } else { 0 };
        let left = quota.saturating_sub(self.live_sent as u64);
        window
            .saturating_sub(self.sent.len())
            .min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    pub(super) fn push(&mut self, key: Key, id: u64, size: u32, divisible: bool, priority: i32) -> u16 {
        let cell = self.next_cell;
        self.next_cell = (cell + 1) % WINDOW_MAX as u16;
        self.sent.push_back(Sent {
            key,
            id,
            cell,
            live: true,
            started: false,
            divisible,
            priority,
        });
        self.live_sent += 1;
        self.sent_bytes += u64::from(size);
        self.spares_nothing = false;
        cell
    }

    /// It got its first task.
    pub(super) fn begins(&mut self, now: Instant) {
        self.head_since = now;
        self.front_until = now.checked_add(RESPONSE);
    }

    /// The task at the head is answered or passed over.
    pub(super) fn pop_front(&mut self, now: Instant, size: u32) {
        if let Some(sent) = self.sent.pop_front() {
            if sent.live {
                self.live_sent -= 1;
                self.sent_bytes = self.sent_bytes.saturating_sub(u64::from(size));
                self.quota = self.quota.saturating_sub(1);
                self.has_worked = true;
            }
            self.answers += 1;
            self.spares_nothing = false;
            self.head_since = now;
            self.head_until = None;
            self.idle_since = now;
            self.front_until = if self.sent.is_empty() {
                None
            } else {
                now.checked_add(RESPONSE)
            };
        }
    }

    /// It will be through with what it has before another one could be woken, if its tasks are like those before.
    #[inline]
    pub(super) fn is_quick(&self) -> bool {
        self.pace.saturating_mul(self.sent.len() as u64) < WAKING.as_nanos() as u64
    }

    /// From when on somebody else may as well have some of what it was sent.
    pub(super) fn spares_from(&self) -> Option<Instant> {
        if self.spares_nothing {
            None
        } else if self.live_sent == 1 && self.head().is_some_and(|head| head.divisible) {
            // It may not even have come to it.
            self.head_since.max(self.divided_at).checked_add(PATIENCE)
        } else if self.live_sent == 0 {
            None
        } else if self.live_sent == 1 {
            self.head_since.checked_add(LONG_PATIENCE)
        } else if self.is_quick() {
            self.head_since.checked_add(PATIENCE)
        } else {
            Some(self.head_since)
        }
    }

    /// Sizes the window by what came back since the last look: a worker that answered half of it might have
    /// starved, one that has been at one task for long needs no more than the next one.
    pub(super) fn size_window(&mut self, now: Instant) {
        const LONG: Duration = Duration::from_micros(500);
        if self.answers * 2 >= self.window {
            self.window = (self.window * 2).min(WINDOW_MAX);
        } else if self.answers == 0
            && !self.sent.is_empty()
            && now.saturating_duration_since(self.head_since) > LONG
        {
            self.window = (self.window / 2).max(WINDOW_MIN);
        }
        self.answers = 0;
    }
}

impl Core {
    /// The worker has proved who it is; its initializer may take as long as it likes.
    pub(crate) fn authenticated(&mut self, worker: usize) {
        if let Life::Starting { handshake_until } = &mut self.workers[worker].life {
            *handshake_until = None;
        }
    }

    /// The time for the worker's handshake is counted from now: what it waited for is there.
    pub(crate) fn handshake_begins(&mut self, now: Instant, worker: usize) {
        if let Life::Starting { handshake_until } = &mut self.workers[worker].life {
            *handshake_until = now.checked_add(self.config.handshake_limit);
            let timer = *handshake_until;
            self.note_timer(timer);
        }
    }

    /// Whether a worker that is to be killed, and has no process yet, is just not needed any more. Then its kill is asked
    /// for once more, later: it may have a process by then.
    pub(crate) fn kill_later(&mut self, now: Instant, worker: usize) -> bool {
        let later = now.checked_add(self.config.handshake_limit);
        let life = &mut self.workers[worker].life;
        let Life::Ending {
            why: Why::Leaving,
            kill_at,
        } = life
        else {
            return false;
        };
        *kill_at = later;
        self.note_timer(later);
        true
    }

    /// Whether the worker is ended because something went wrong with it.
    pub(crate) fn is_faulty(&self, worker: usize) -> bool {
        matches!(self.workers[worker].life, Life::Ending { why: Why::Fault, .. })
    }

    /// The worker's initializer has succeeded. False: it was not expected to say so.
    pub(crate) fn ready(&mut self, now: Instant, worker: usize) -> bool {
        let w = &mut self.workers[worker];
        match w.life {
            Life::Starting { .. } => {
                w.life = Life::Ready;
                w.was_ready = true;
                (w.ready_at, w.idle_since) = (now, now);
                self.failed_starts = 0;
                self.turn.is_idle(worker);
                true
            }
            Life::Ending { .. } => true,
            Life::Ready | Life::Down { .. } => false,
        }
    }

    /// The worker broke the protocol: it is not trusted with another byte.
    pub(crate) fn fault(&mut self, now: Instant, worker: usize, recall: &mut dyn Recall) {
        for key in self.recall_all(worker, recall).into_iter().rev() {
            self.requeue(key);
        }
        // What could not be taken back has started, and may have been answered behind the bad frame: nobody reads on
        // to learn it, so it must not be mistaken for a task that may run again.
        for sent in self.workers[worker].sent.iter_mut().filter(|s| s.live) {
            sent.started = true;
        }
        self.kill_worker(worker, Why::Fault, now);
    }

    /// The worker's channel ended. A worker that is dying does that just before; one that lives on is ended.
    pub(crate) fn hung_up(&mut self, now: Instant, worker: usize) {
        const MOMENT: Duration = Duration::from_secs(1);
        let w = &mut self.workers[worker];
        match &mut w.life {
            Life::Starting { .. } | Life::Ready => {
                w.life = Life::Ending {
                    why: Why::Fault,
                    kill_at: now.checked_add(MOMENT),
                };
            }
            Life::Ending { .. } | Life::Down { .. } => {}
        }
    }

    pub(super) fn kill_worker(&mut self, worker: usize, why: Why, _now: Instant) {
        let w = &mut self.workers[worker];
        let why = match w.life {
            Life::Down { .. } => {
                w.life = Life::Down { start_at: None };
                return;
            }
            // A worker that we end already does not become one that crashed because it also sends rubbish.
            Life::Ending {
                why: before @ (Why::Leaving | Why::Killed | Why::TimedOut | Why::Terminated),
                ..
            } => before,
            Life::Starting { .. } | Life::Ready | Life::Ending { why: Why::Fault, .. } => why,
        };
        w.life = Life::Ending { why, kill_at: None };
        self.actions.push(Action::Kill { worker });
    }

    /// Ends the running task `key` by ending its worker. Everything that was sent behind it is taken back first,
    /// so that no other task can be on the worker when the signal arrives; if one of those has started, `key` has
    /// ended and its answer is on the way: then nothing happens. True: the worker is being ended for it.
    pub(super) fn end_running(
        &mut self,
        now: Instant,
        worker: usize,
        key: Key,
        why: Why,
        recall: &mut dyn Recall,
    ) -> bool {
        match self.workers[worker].life {
            Life::Ready => {}
            Life::Ending { why: before, .. } => {
                return self.workers[worker].head().is_some_and(|s| s.key == key) && before == why;
            }
            Life::Starting { .. } | Life::Down { .. } => return false,
        }
        // Not `key` itself, even if the worker still reads its argument: it would be sent again, and one that takes
        // longer to send than its timeout allows would never get further.
        let behind = self.workers[worker].live_sent.saturating_sub(1);
        for key in self.recall_some(worker, behind, recall).into_iter().rev() {
            self.requeue(key);
        }
        let started: Vec<&_> = self.workers[worker].sent.iter().filter(|s| s.live).collect();
        let [only] = started[..] else { return false };
        if only.key != key {
            return false;
        }
        let id = only.id;
        let kill_at = now.checked_add(self.config.kill_grace);
        self.workers[worker].life = Life::Ending { why, kill_at };
        self.actions.push(Action::AskToStop { worker, id });
        self.actions.push(Action::Terminate { worker });
        true
    }

    /// Takes back one task that was sent; false: it has started.
    pub(super) fn take_back(&mut self, worker: usize, key: Key, recall: &mut dyn Recall) -> bool {
        let sent = &self.workers[worker].sent;
        let at = sent.iter().position(|s| s.key == key && s.live);
        at.is_some_and(|at| self.take_back_at(worker, at, recall))
    }

    /// Likewise the one at this place in the worker's list.
    pub(super) fn take_back_at(&mut self, worker: usize, at: usize, recall: &mut dyn Recall) -> bool {
        let Sent { key, cell, .. } = self.workers[worker].sent[at];
        if !recall.recall(worker, cell) {
            return false;
        }
        let size = self.task(key).map_or(0, |t| t.size);
        let w = &mut self.workers[worker];
        w.sent[at].live = false;
        w.live_sent -= 1;
        w.sent_bytes = w.sent_bytes.saturating_sub(u64::from(size));
        true
    }

    /// Takes back everything that has not started, newest first (so that the worker, which goes the other way,
    /// is met once); gives it oldest first. The tasks are nowhere then: the caller puts them somewhere.
    pub(super) fn recall_all(&mut self, worker: usize, recall: &mut dyn Recall) -> Vec<Key> {
        self.recall_some(worker, usize::MAX, recall)
    }

    pub(super) fn recall_some(&mut self, worker: usize, most: usize, recall: &mut dyn Recall) -> Vec<Key> {
        let mut taken = Vec::new();
        for at in (0..self.workers[worker].sent.len()).rev() {
            let sent = self.workers[worker].sent[at];
            if !sent.live {
                continue;
            }
            // Tasks start in order: behind one that has started there is none that has not.
            if taken.len() == most || !self.take_back_at(worker, at, recall) {
                break;
            }
            taken.push(sent.key);
        }
        taken.reverse();
        taken
    }

    /// Starts the clock of the task at a worker's head.
    pub(super) fn time_head(&mut self, worker: usize) {
        if self.timed == 0 {
            return;
        }
        let Some(&Sent { key, .. }) = self.workers[worker].head() else {
            return;
        };
        debug_assert!(
            matches!(self.task(key).map(|t| t.place), Some(Place::Sent { worker: at }) if at as usize == worker)
        );
        let timeout = self.timeout(key);
        let w = &mut self.workers[worker];
        w.head_until = timeout.and_then(|t| w.head_since.checked_add(t));
        let until = w.head_until;
        self.note_timer(until);
    }

    /// A worker's answer or skip has been heard.
    pub(super) fn pop_front(&mut self, now: Instant, worker: usize, size: u32) {
        let w = &mut self.workers[worker];
        w.pop_front(now, size);
        if w.sent.is_empty() {
            self.turn.is_idle(worker);
        }
        if self.config.recycle.memory.is_some() {
            self.weigh_soon(now, worker);
        }
    }

    pub(super) fn note_timer(&mut self, at: Option<Instant>) {
        self.new_timer = match (self.new_timer, at) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// A worker takes so many nanoseconds for a task, it says.
    pub(crate) fn set_pace(&mut self, worker: usize, pace: u64) {
        self.workers[worker].pace = pace;
    }

    /// Whether a worker has anything to answer.
    pub(crate) fn is_busy(&self, worker: usize) -> bool {
        !self.workers[worker].sent.is_empty()
    }

    /// Where the worker stands, and how many tasks it has finished.
    pub(crate) fn standing(&self, worker: usize) -> (Standing, u64) {
        let w = &self.workers[worker];
        let standing = match w.life {
            Life::Down { .. } | Life::Starting { .. } => Standing::Starting,
            Life::Ready if w.live_sent == 0 => Standing::Idle,
            Life::Ready => Standing::Busy,
            Life::Ending { .. } => Standing::Ending,
        };
        (standing, w.tasks_done)
    }
}
