//! The pool's decisions, and nothing else: which task goes where, what a death means, when enough is enough.
//!
//! Pure: no I/O, no clock, no randomness, no threads. Events come in as method calls with the turn's `now`;
//! effects go out as [`Action`]s that the driver carries out in order. The one question that needs an answer at
//! once, "may this sent task still be taken back?", goes to a [`Recall`] that the caller passes in.
//!
//! Always true (checked after each event of the random tests):
//! - a task is in exactly one place: queued, delayed, sent to one worker, or ended;
//! - only a worker that is ready is sent anything;
//! - a death ends at most the one task that was running; what was sent and had not started is queued again at
//!   the front, its attempts uncharged;
//! - while tasks have priorities, what may start next anywhere has the highest one of all that has not started;
//! - the pool's state only moves right: running, draining, stopping, closed.

mod deaths;
mod dispatch;
mod life;
mod queue;
mod ranks;
mod recall;
mod recycle;
mod retry;
mod size;
mod tasks;
#[cfg(test)]
mod tests;
mod timers;
mod workers;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::time::{Duration, Instant};

pub(crate) use deaths::Departure;
use dispatch::Rotation;
pub(crate) use dispatch::{Load, Placement};
pub(crate) use life::Standing;
use queue::Delayed;
pub(crate) use queue::after;
pub(crate) use recycle::Recycle;
pub use retry::{Cause, Retry};
pub(crate) use size::Size;
use tasks::Task;
pub(crate) use tasks::{Answer, Key, Policy, ResultKind};
use workers::Worker;

/// How many tasks may be under way to one worker; the cells of the shared page bound it.
pub(crate) const WINDOW_MAX: usize = if cfg!(test) {
    // So that the random tests use every cell many times.
    128
} else {
    4096
};
const WINDOW_MIN: usize = 2;

/// What the core decides by.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) size: Size,
    /// How long a worker above the least may have nothing to do.
    pub(crate) idle_timeout: Duration,
    pub(crate) recycle: Recycle,
    /// From TERM to KILL.
    pub(crate) kill_grace: Duration,
    /// Crashes that the pool bears within the period; `None`: as many as tasks cause.
    pub(crate) restart_limit: Option<(usize, Duration)>,
    /// From start to a completed handshake.
    pub(crate) handshake_limit: Duration,
    /// A worker that has ended is replaced. Without that each slot has one process at most, and the first end that nobody
    /// asked the pool for breaks it: what the process held cannot be had again.
    pub(crate) replaces: bool,
}

/// What the driver is to do. `worker` is a slot, from 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Start a process in this slot.
    Spawn { worker: usize },
    /// Send the task in this cell.
    Send {
        worker: usize,
        key: Key,
        cell: u16,
        attempt: u32,
    },
    /// Take back what has not started of the divisible task in this cell, and submit it as the rest of that.
    Divide { worker: usize, key: Key, cell: u16 },
    /// Tell the worker to leave when it has answered everything.
    Leave { worker: usize },
    /// Say with `weighed` how much memory the worker has.
    Weigh { worker: usize },
    /// TERM and CONT to the worker's process group.
    Terminate { worker: usize },
    /// KILL to the worker's process group.
    Kill { worker: usize },
    /// Set the running task's stop request.
    AskToStop { worker: usize, id: u64 },
    /// The task's attempt has ended thus, and another one follows.
    Again { key: Key, ending: Ending },
    /// The task has ended without an answer; give its key back with `release`.
    Complete { key: Key, ending: Ending },
    /// Nothing more will be accepted, for this reason.
    Broken { reason: String },
    /// Every task has ended and every worker is gone.
    Closed,
}

/// How a task ended that gave no answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    /// With its worker, which was at fault.
    Crashed(Ran),
    /// With its worker, which was ended for it.
    TimedOut(Ran),
    /// With its worker, which had reached a limit that was set.
    LimitExceeded(Ran),
    /// With its worker, which was ended on request.
    Killed(Ran),
    /// It never started, or never again.
    Cancelled,
    /// It did not start in time.
    Expired,
    /// It never started, or never again, and the pool is broken.
    Broken(String),
}

impl Ending {
    /// The worker that the task ended with.
    pub(crate) fn worker(&self) -> Option<usize> {
        match self {
            Ending::Crashed(ran)
            | Ending::TimedOut(ran)
            | Ending::LimitExceeded(ran)
            | Ending::Killed(ran) => Some(ran.worker),
            Ending::Cancelled | Ending::Expired | Ending::Broken(_) => None,
        }
    }
}

/// A started task's last attempt.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ran {
    pub(crate) worker: usize,
    pub(crate) attempt: u32,
    pub(crate) ran_for: Duration,
}

impl Ran {
    /// For a worker's end without a task.
    pub(crate) const NOTHING: Ran = Ran {
        worker: 0,
        attempt: 1,
        ran_for: Duration::ZERO,
    };
}

/// Answers whether a sent task could be taken back; from then on it will not start on that worker.
pub(crate) trait Recall {
    fn recall(&mut self, worker: usize, cell: u16) -> bool;

    /// Whether the worker is at this very task: reads its argument, or has started it.
    fn is_at(&mut self, worker: usize, cell: u16, id: u64) -> bool;

    /// Whether the worker has come to this task, or is not through with the last.
    fn has_reached(&mut self, worker: usize, cell: u16, id: u64) -> bool;
}

/// Where the pool is in its life.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    Running,
    /// No new tasks; the accepted ones run.
    Draining,
    /// Only what runs now is finished, or not even that.
    Stopping,
    Closed,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Core {
    config: Config,
    state: State,
    /// Why nothing is accepted any more, when that was not asked for.
    broken: Option<String>,
    tasks: Vec<Option<Task>>,
    free: Vec<Key>,
    live: usize,
    /// Keys with the ticket of their entry; entries of tasks that have gone elsewhere are passed over.
    queue: VecDeque<(Key, u32)>,
    /// Those that wait and have a priority, in their order.
    ranked: BTreeMap<(Reverse<i32>, u64), Key>,
    turns: u64,
    /// How many tasks wait for a worker, in both.
    queued: usize,
    tickets: u32,
    delayed: BinaryHeap<Delayed>,
    delays: u32,
    /// By when tasks are to have started, with their ids; entries of tasks that have are passed over.
    start_by: BinaryHeap<Reverse<(Instant, u64, Key)>>,
    workers: Vec<Worker>,
    /// How many of them are to be there.
    size: Size,
    /// How many are: those that are replaced when they are gone.
    wanted: usize,
    /// Since when tasks wait behind others although there could be more workers.
    pressed_since: Option<Instant>,
    /// When the workers' memory is to be looked at, and when it was.
    weigh_at: Option<Instant>,
    weighed_at: Option<Instant>,
    /// Where tasks that come one by one go.
    turn: Rotation,
    /// How often a task was given to a worker.
    handed_out: u64,
    /// How many tasks under way have a time limit.
    timed: usize,
    /// How many have a priority.
    with_priority: usize,
    /// The earliest timer that came up since somebody last meant to sleep.
    new_timer: Option<Instant>,
    crashes: VecDeque<Instant>,
    /// Workers in a row that did not become ready.
    failed_starts: u32,
    /// Workers in a row that died without a task of theirs to blame, and no task finished in between.
    idle_deaths: u32,
    actions: Vec<Action>,
    counts: Counts,
}

/// Running totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) done: u64,
    pub(crate) failed: u64,
    pub(crate) cancelled: u64,
    pub(crate) restarts: u64,
}

impl Core {
    /// A pool that wants its workers started: see the first actions.
    pub(crate) fn new(config: Config, now: Instant) -> Core {
        let size = config.size;
        let workers: Vec<Worker> = (0..size.most)
            .map(|at| Worker::new(now, at < size.least))
            .collect();
        let mut core = Core {
            config,
            state: State::Running,
            broken: None,
            tasks: Vec::new(),
            free: Vec::new(),
            live: 0,
            queue: VecDeque::new(),
            ranked: BTreeMap::new(),
            turns: 0,
            queued: 0,
            tickets: 0,
            delayed: BinaryHeap::new(),
            delays: 0,
            start_by: BinaryHeap::new(),
            turn: Rotation::new(workers.len()),
            workers,
            size,
            wanted: size.least,
            pressed_since: None,
            weigh_at: None,
            weighed_at: None,
            handed_out: 0,
            timed: 0,
            with_priority: 0,
            new_timer: None,
            crashes: VecDeque::new(),
            failed_starts: 0,
            idle_deaths: 0,
            actions: Vec::new(),
            counts: Counts::default(),
        };
        core.start_due_workers(now);
        core
    }

    /// Hands the decided actions out, oldest first.
    pub(crate) fn take_actions(&mut self, into: &mut Vec<Action>) {
        into.append(&mut self.actions);
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Tasks that wait, and tasks that a worker runs.
    pub(crate) fn load(&self) -> (usize, usize) {
        let running = self.workers.iter().filter(|w| w.live_sent > 0).count();
        (self.live - running, running)
    }

    /// Accepts nothing more. `now_`: what has not started is cancelled.
    pub(crate) fn shut_down(&mut self, cancel_queued: bool, recall: &mut dyn Recall) {
        self.advance(if cancel_queued {
            State::Stopping
        } else {
            State::Draining
        });
        if cancel_queued {
            self.end_what_has_not_started(&Ending::Cancelled, recall);
        }
    }

    /// Ends everything now: what has not started is cancelled, every worker is killed.
    pub(crate) fn terminate(&mut self, now: Instant, recall: &mut dyn Recall) {
        self.shut_down(true, recall);
        for worker in 0..self.workers.len() {
            self.kill_worker(worker, life::Why::Terminated, now);
        }
    }

    /// Gives up: what has not started ends with the reason, what runs may finish.
    fn break_pool(&mut self, reason: String, recall: &mut dyn Recall) {
        if self.broken.is_some() || self.state >= State::Closed {
            return;
        }
        self.actions.push(Action::Broken {
            reason: reason.clone(),
        });
        self.broken = Some(reason.clone());
        self.advance(State::Stopping);
        self.end_what_has_not_started(&Ending::Broken(reason), recall);
    }

    fn advance(&mut self, to: State) {
        if self.state < to {
            self.state = to;
        }
    }

    fn accepts(&self) -> bool {
        self.state == State::Running
    }

    /// To be called once at the end of each turn: hands out work, lets workers leave, closes.
    pub(crate) fn settle(&mut self, now: Instant, recall: &mut dyn Recall) {
        self.start_due_workers(now);
        self.retire_due_workers(now, recall);
        self.dispatch(now, recall);
        self.fit_size(now);
        if self.state > State::Running && self.state < State::Closed {
            if self.live == 0 {
                self.let_workers_leave(now);
            }
            if self.live == 0 && self.workers.iter().all(Worker::is_gone) {
                self.state = State::Closed;
                self.actions.push(Action::Closed);
            }
        }
    }
}
