//! What was pushed into the pool and waits for whoever has the seat: tasks, up to a capacity, and commands.
//!
//! It also knows whether anything is accepted: a refusal is set once and stays, and after the end of the pool's thread
//! there are no commands either. Whoever pushes looks after the seat when it has pushed (`shared`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use nix::sys::signal::Signal;

use super::info::{PoolStats, WorkerInfo};
use crate::core::Policy;
use crate::error::TaskError;
use crate::future::bytes::Bytes;
use crate::future::slot::SlotRef;

/// A task on its way to the core.
pub(crate) struct NewTask {
    pub(crate) slot: SlotRef,
    /// The same that the slot keeps, at hand.
    pub(crate) argument: Bytes,
    /// How many bytes it has to send.
    pub(crate) size: usize,
    pub(crate) policy: Option<Box<Policy>>,
}

/// What the pool is asked to do, beyond taking tasks.
pub(crate) enum Command {
    Cancel(SlotRef, SyncSender<bool>),
    Kill(SlotRef, SyncSender<bool>),
    Interrupt(SlotRef, SyncSender<bool>),
    ShutDown {
        cancel_queued: bool,
    },
    Terminate,
    Resize(usize),
    /// To the group of the only worker, on request.
    Signal(Signal),
    Suspend(SyncSender<()>),
    Resume(SyncSender<()>),
    Workers(SyncSender<Vec<WorkerInfo>>),
    Stats(SyncSender<PoolStats>),
}

/// What was pushed. The tasks come first: a command about a task comes after it, and none is accepted after the
/// command that closes the pool.
#[derive(Default)]
pub(crate) struct Pushes {
    pub(crate) tasks: Vec<NewTask>,
    pub(crate) commands: Vec<Command>,
}

/// Why nothing is accepted.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    Closed,
    Broken(String),
}

impl Refusal {
    pub(crate) fn error(&self) -> TaskError {
        match self {
            Refusal::Closed => TaskError::PoolClosed,
            Refusal::Broken(reason) => TaskError::PoolBroken(reason.clone()),
        }
    }
}

/// What became of a task that was to be queued.
pub(crate) enum Pushed {
    Yes,
    Full,
    Refused(Refusal),
}

/// What becomes of a task for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It is not taken.
    Needed,
    /// It waits until there is.
    Awaited,
    /// It is taken all the same.
    Beside,
}

#[derive(Default)]
struct State {
    pushed: Pushes,
    /// Set once: no more tasks.
    refusal: Option<Refusal>,
    /// The thread is gone: no more commands of any kind.
    gone: bool,
    /// Tasks that were accepted and not sent to a worker yet, where somebody counts.
    waiting: usize,
}

#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    capacity: Option<usize>,
    room: Condvar,
    finished: Condvar,
    /// Something was pushed; lets a spinning thread look without the lock.
    pending: AtomicBool,
}

impl Queue {
    pub(super) fn new(capacity: Option<usize>) -> Queue {
        Queue {
            capacity,
            ..Queue::default()
        }
    }

    /// Whether it counts those that wait.
    pub(super) fn is_bounded(&self) -> bool {
        self.capacity.is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a task into it.
    pub(super) fn put(&self, room: Room, task: NewTask) -> Pushed {
        let mut state = self.lock();
        loop {
            if let Some(refusal) = &state.refusal {
                return Pushed::Refused(refusal.clone());
            }
            match self.capacity {
                Some(capacity) if state.waiting >= capacity && room == Room::Needed => return Pushed::Full,
                Some(capacity) if state.waiting >= capacity && room == Room::Awaited => {
                    state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                Some(_) => {
                    state.waiting += 1;
                    task.slot.waiting.store(true, Ordering::Relaxed);
                    break;
                }
                None => break,
            }
        }
        state.pushed.tasks.push(task);
        drop(state);
        self.pending.store(true, Ordering::SeqCst);
        Pushed::Yes
    }

    /// Puts any other command into it. False: the pool's thread is gone.
    pub(super) fn order(&self, command: Command) -> bool {
        let mut state = self.lock();
        if state.gone {
            return false;
        }
        match command {
            Command::ShutDown { .. } | Command::Terminate => {
                state.refusal.get_or_insert(Refusal::Closed);
                // Whoever waits for room learns that there will be none.
                self.room.notify_all();
            }
            _ => {}
        }
        state.pushed.commands.push(command);
        drop(state);
        self.pending.store(true, Ordering::SeqCst);
        true
    }

    /// Whether a task would be accepted right now; saves the work of encoding one that is not.
    pub(crate) fn would_accept(&self, wait: bool) -> Pushed {
        let state = self.lock();
        match (&state.refusal, self.capacity) {
            (Some(refusal), _) => Pushed::Refused(refusal.clone()),
            (None, Some(capacity)) if !wait && state.waiting >= capacity => Pushed::Full,
            (None, _) => Pushed::Yes,
        }
    }

    /// Why nothing is accepted; meaningful once something was refused.
    pub(crate) fn refusal(&self) -> Refusal {
        self.lock().refusal.clone().unwrap_or(Refusal::Closed)
    }

    /// Whether something was pushed that nobody has taken.
    #[inline]
    pub(crate) fn has_pushed(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// From the seat: takes what was pushed.
    pub(crate) fn take(&self, into: &mut Pushes) {
        self.pending.store(false, Ordering::SeqCst);
        std::mem::swap(&mut self.lock().pushed, into);
    }

    /// From the seat: this many tasks have gone to workers, or ended.
    pub(crate) fn left(&self, n: usize) {
        if self.is_bounded() && n > 0 {
            let mut state = self.lock();
            state.waiting = state.waiting.saturating_sub(n);
            drop(state);
            self.room.notify_all();
        }
    }

    /// The pool is broken.
    pub(crate) fn refuse_from_now_on(&self, reason: String) {
        let mut state = self.lock();
        match &state.refusal {
            Some(Refusal::Broken(_)) => {}
            Some(Refusal::Closed) | None => state.refusal = Some(Refusal::Broken(reason)),
        }
        drop(state);
        self.room.notify_all();
    }

    /// Pool's thread: the end. Gives the commands that came too late.
    pub(crate) fn finish(&self) -> (Pushes, Refusal) {
        let mut state = self.lock();
        state.gone = true;
        let refusal = state.refusal.get_or_insert(Refusal::Closed).clone();
        let late = std::mem::take(&mut state.pushed);
        drop(state);
        self.room.notify_all();
        self.finished.notify_all();
        (late, refusal)
    }

    /// Waits until the pool's thread has ended. False: not until then.
    pub(super) fn wait_finished(&self, until: Option<Instant>) -> bool {
        let mut state = self.lock();
        while !state.gone {
            state = match until {
                None => self.finished.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.finished
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        true
    }
}
