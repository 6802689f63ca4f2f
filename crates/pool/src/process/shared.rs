//! What the handle, the futures and the pool's thread share: the queue of commands.
//!
//! Whoever has a command pushes it and wakes the thread only if that thread sleeps. The thread announces sleep
//! before it looks at the queue for the last time (both with sequential consistency), so either it sees the
//! command or the pusher sees it asleep: no command waits for the next one.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use pexec_proto::FunctionRef;

use super::info::{PoolStats, WorkerInfo};
use super::lead::{self, Lead};
use crate::callbacks::Callbacks;
use crate::core::Policy;
use crate::driver::{Driver, Source, Watch};
use crate::error::TaskError;
use crate::future::slot::{Control, Slot};

/// A task on its way to the core.
pub(crate) struct NewTask {
    pub(crate) slot: Arc<Slot>,
    pub(crate) function: FunctionRef,
    pub(crate) arg: Vec<u8>,
    pub(crate) policy: Option<Box<Policy>>,
}

/// What the pool's thread is asked to do.
pub(crate) enum Command {
    Submit(NewTask),
    Cancel(Arc<Slot>, SyncSender<bool>),
    Kill(Arc<Slot>, SyncSender<bool>),
    Interrupt(Arc<Slot>, SyncSender<bool>),
    ShutDown { cancel_queued: bool },
    Terminate,
    Workers(SyncSender<Vec<WorkerInfo>>),
    Stats(SyncSender<PoolStats>),
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

#[derive(Default)]
struct Queue {
    commands: Vec<Command>,
    /// Set once: no more tasks.
    refusal: Option<Refusal>,
    /// The thread is gone: no more commands of any kind.
    gone: bool,
    /// Tasks that were accepted and not sent to a worker yet, where somebody counts.
    waiting: usize,
}

pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) max_message: u64,
    pub(crate) callbacks: Callbacks,
    capacity: Option<usize>,
    queue: Mutex<Queue>,
    room: Condvar,
    finished: Condvar,
    pub(crate) watch: Watch,
    /// The driver, for whoever is to do a turn; empty before the pool's thread has begun and after it has ended.
    seat: Mutex<Option<Driver>>,
    /// No task is under way, as far as the last turn knew.
    quiet: AtomicBool,
    pub(crate) lead: Lead,
    /// How many threads sleep on the watch: one, or two while a caller takes the lead.
    sleepers: AtomicU32,
    /// The flag is up, or about to be.
    raised: AtomicBool,
    /// Something was pushed; lets a spinning thread look without the lock.
    pending: AtomicBool,
}

/// What became of a task that was to be queued.
pub(crate) enum Pushed {
    Yes,
    Full,
    Refused(Refusal),
}

impl Shared {
    pub(crate) fn new(name: String, max_message: u64, capacity: Option<usize>) -> io::Result<Arc<Shared>> {
        Ok(Arc::new(Shared {
            callbacks: Callbacks::new(&name),
            name,
            max_message,
            capacity,
            queue: Mutex::default(),
            room: Condvar::new(),
            finished: Condvar::new(),
            watch: Watch::new()?,
            seat: Mutex::new(None),
            quiet: AtomicBool::new(false),
            lead: Lead::default(),
            sleepers: AtomicU32::new(0),
            raised: AtomicBool::new(false),
            pending: AtomicBool::new(false),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic runs under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_up(&self) {
        self.pending.store(true, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.raise();
        }
        self.lead.fill_vacancy();
    }

    fn raise(&self) {
        if !self.raised.swap(true, Ordering::SeqCst) {
            self.watch.wake.raise();
        }
    }

    /// Queues a task; with `wait`, blocks while the queue is at its capacity.
    pub(crate) fn push_task(&self, wait: bool, task: NewTask) -> Pushed {
        let mut queue = self.lock();
        loop {
            if let Some(refusal) = &queue.refusal {
                return Pushed::Refused(refusal.clone());
            }
            match self.capacity {
                Some(capacity) if queue.waiting >= capacity => {
                    if !wait {
                        return Pushed::Full;
                    }
                    queue = self.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
                }
                Some(_) => {
                    queue.waiting += 1;
                    break;
                }
                None => break,
            }
        }
        queue.commands.push(Command::Submit(task));
        drop(queue);
        if !self.submit_here() {
            self.wake_up();
        }
        Pushed::Yes
    }

    /// When nothing is under way, this thread hands the task to a worker itself instead of waking the pool's. False:
    /// that one is to look at the queue.
    fn submit_here(&self) -> bool {
        if !self.quiet.load(Ordering::Relaxed) || !self.quiet.swap(false, Ordering::AcqRel) {
            return false;
        }
        let mut seat = match self.seat.try_lock() {
            Ok(seat) => seat,
            Err(TryLockError::Poisoned(seat)) => seat.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        seat.as_mut().is_some_and(Driver::submit_turn)
    }

    fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Acquire)
    }

    /// Thread: takes the driver's seat.
    pub(crate) fn seat(&self) -> MutexGuard<'_, Option<Driver>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Thread: whether a submitted task can be handed out at once by whoever submits it.
    pub(crate) fn set_quiet(&self, quiet: bool) {
        self.quiet.store(quiet, Ordering::Release);
    }

    /// Whether a task would be accepted right now; saves the work of encoding one that is not.
    pub(crate) fn would_accept(&self, wait: bool) -> Pushed {
        let queue = self.lock();
        match (&queue.refusal, self.capacity) {
            (Some(refusal), _) => Pushed::Refused(refusal.clone()),
            (None, Some(capacity)) if !wait && queue.waiting >= capacity => Pushed::Full,
            (None, _) => Pushed::Yes,
        }
    }

    /// Queues any other command. False: the pool's thread is gone.
    pub(crate) fn push(&self, command: Command) -> bool {
        let mut queue = self.lock();
        if queue.gone {
            return false;
        }
        match command {
            Command::ShutDown { .. } | Command::Terminate => {
                queue.refusal.get_or_insert(Refusal::Closed);
                // Whoever waits for room learns that there will be none.
                self.room.notify_all();
            }
            _ => {}
        }
        queue.commands.push(command);
        drop(queue);
        self.wake_up();
        true
    }

    /// Asks and waits for the answer; `None`: the pool's thread is gone.
    pub(crate) fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
        let (answer, receive) = sync_channel(1);
        if self.push(command(answer)) {
            receive.recv().ok()
        } else {
            None
        }
    }

    /// Thread: takes what was pushed.
    pub(crate) fn take(&self, into: &mut Vec<Command>) {
        self.pending.store(false, Ordering::SeqCst);
        std::mem::swap(&mut self.lock().commands, into);
    }

    pub(crate) fn has_commands(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Sleeps on the watch until something happens, unless there are commands, or the sleeper does not lead any more.
    pub(crate) fn sleep(&self, as_caller: bool, until: Option<Instant>, ready: &mut Vec<Source>) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        if !self.has_commands() && self.lead.is_callers() == as_caller {
            self.watch.wait(
                until.map(|at| at.saturating_duration_since(Instant::now())),
                ready,
            );
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
        if ready.contains(&Source::Wake) {
            // In this order: whoever finds the flag raised between the two leaves it at that, and the turn that
            // follows takes what was pushed.
            self.watch.wake.lower();
            self.raised.store(false, Ordering::SeqCst);
        }
    }

    /// Pool's thread, after a turn: if a caller leads by now, what it waits for may have been dealt with.
    pub(crate) fn make_way(&self) {
        if self.lead.is_callers() {
            self.raise();
            self.lead.stand_by();
        }
    }

    /// Waits for a task on this thread, as the pool's leader, if that task is all there is. True: it is done.
    fn lead_for(&self, slot: &Slot, until: Option<Instant>) -> bool {
        if !self.lead.is_brisk() {
            return false;
        }
        let Ok(mut seat) = self.seat.try_lock() else {
            return false;
        };
        let Some(mut timer) = seat.as_mut().filter(|d| d.has_only(slot)).map(|d| d.arm()) else {
            return false;
        };
        let Some(pool_led) = self.lead.enter() else {
            return false;
        };
        drop(seat);
        if pool_led && self.sleepers.load(Ordering::SeqCst) > 0 {
            self.raise();
        }
        let leading = Leading {
            shared: self,
            since: Instant::now(),
        };
        let mut ready = Vec::new();
        while !slot.is_done() {
            if until.is_some_and(|at| at <= Instant::now()) {
                break;
            }
            ready.clear();
            self.sleep(true, [timer, until].into_iter().flatten().min(), &mut ready);
            seat = self.seat();
            let Some(driver) = seat.as_mut() else { break };
            if !driver.turn(Instant::now(), &ready) {
                break;
            }
            timer = driver.arm();
            drop(seat);
        }
        drop(leading);
        slot.is_done()
    }

    /// Thread: this many tasks have left the queue.
    pub(crate) fn left_queue(&self, n: usize) {
        if self.capacity.is_some() && n > 0 {
            let mut queue = self.lock();
            queue.waiting = queue.waiting.saturating_sub(n);
            drop(queue);
            self.room.notify_all();
        }
    }

    /// Thread: the pool is broken.
    pub(crate) fn refuse_from_now_on(&self, reason: String) {
        let mut queue = self.lock();
        match &queue.refusal {
            Some(Refusal::Broken(_)) => {}
            Some(Refusal::Closed) | None => queue.refusal = Some(Refusal::Broken(reason)),
        }
        drop(queue);
        self.room.notify_all();
    }

    /// Thread: the end. Gives the commands that came too late.
    pub(crate) fn finish(&self) -> (Vec<Command>, Refusal) {
        let mut queue = self.lock();
        queue.gone = true;
        let refusal = queue.refusal.get_or_insert(Refusal::Closed).clone();
        let late = std::mem::take(&mut queue.commands);
        drop(queue);
        self.room.notify_all();
        self.finished.notify_all();
        (late, refusal)
    }

    /// Waits until the pool's thread has ended. False: not until then.
    pub(crate) fn wait_finished(&self, until: Option<Instant>) -> bool {
        let mut queue = self.lock();
        while !queue.gone {
            queue = match until {
                None => self.finished.wait(queue).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.finished
                        .wait_timeout(queue, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        true
    }
}

/// A caller's lead; given back when it is dropped, by a panic too.
struct Leading<'a> {
    shared: &'a Shared,
    since: Instant,
}

impl Drop for Leading<'_> {
    fn drop(&mut self) {
        let Leading { shared, since } = self;
        let short = since.elapsed() < lead::SHORT;
        shared.lead.set_brisk(short);
        // Only a pool in which nothing else happens is left alone for a moment.
        shared.lead.leave(!short || !shared.is_quiet());
        if shared.has_commands() {
            shared.lead.fill_vacancy();
        }
    }
}

impl Control for Shared {
    fn wait_here(&self, slot: &Slot, until: Option<Instant>) -> bool {
        self.lead_for(slot, until)
    }

    fn waited(&self, how_long: Duration) {
        self.lead.set_brisk(how_long < lead::SHORT);
    }

    fn look_after(&self) {
        self.lead.fill_vacancy();
    }

    fn cancel(&self, slot: &Arc<Slot>) -> bool {
        self.ask(|answer| Command::Cancel(Arc::clone(slot), answer))
            .unwrap_or_else(|| slot.is_cancelled())
    }

    fn kill(&self, slot: &Arc<Slot>) -> bool {
        self.ask(|answer| Command::Kill(Arc::clone(slot), answer))
            .unwrap_or(false)
    }

    fn interrupt(&self, slot: &Arc<Slot>) -> bool {
        self.ask(|answer| Command::Interrupt(Arc::clone(slot), answer))
            .unwrap_or(false)
    }

    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>) {
        self.callbacks.run(callback);
    }
}
