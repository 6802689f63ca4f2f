//! What the core knows of a worker: what it was sent, how much of that may lie ahead, how quick it is.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::life::Life;
use super::recycle::Weight;
use super::tasks::{Key, Place};
use super::{Core, WINDOW_MAX, WINDOW_MIN};

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
    /// How many tasks all workers had been given when this one was last seen to get on.
    pub(super) handed_out_before: u64,
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
            handed_out_before: 0,
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
    pub(super) fn size_window(&mut self, now: Instant, handed_out: u64) {
        const LONG: Duration = Duration::from_micros(500);
        if self.answers > 0 || self.live_sent == 0 {
            self.handed_out_before = handed_out;
        }
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
}
