//! What the handle, the futures and the pool's thread share: the driver's seat, and the queue for those who do not
//! get it.
//!
//! Whoever submits takes the seat if it is free and hands the task to a worker; otherwise the task waits in the
//! queue for whoever has the seat. The one who pushes tries the seat again after it has pushed, and the one who
//! leaves the seat looks at the queue once more, both with a full fence in between: one of them sees the other. A
//! command wakes whoever sleeps, likewise. So nothing waits for the next thing to come.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering, fence};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pexec_ipc::cells::{Cells, Stage};
use pexec_ipc::wake::Wake;
use tracing::Dispatch;

use super::alone::Only;
use super::info::{PoolStats, WorkerInfo};
use super::lead::{self, Lead, PoolsLead};
use crate::callbacks::Callbacks;
use crate::core::Policy;
use crate::driver::{Driver, Source, Watch};
use crate::error::TaskError;
use crate::future::bytes::Bytes;
use crate::future::slot::{Control, Controller, Slot, SlotRef};
use crate::observed;

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

#[derive(Default)]
struct Queue {
    pushed: Pushes,
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
    /// What workers' code tells.
    pub(crate) observed: Arc<observed::Queue>,
    capacity: Option<usize>,
    /// Tasks always go through the queue: there may have to be more workers for them.
    elastic: bool,
    queue: Mutex<Queue>,
    room: Condvar,
    finished: Condvar,
    pub(crate) watch: Watch,
    /// The driver, for whoever is to do a turn; empty before the pool's thread has begun and after it has ended.
    seat: Mutex<Option<Driver>>,
    pub(crate) lead: Lead,
    /// The two that may sleep on the watch.
    pool: Sleeper,
    caller: Sleeper,
    /// Something was pushed; lets a spinning thread look without the lock.
    pending: AtomicBool,
    /// How often somebody else than the one who means to sleep has brought a timer, or an outcome.
    news: AtomicU64,
    /// The workers' pages, by slot: what a future can see for itself.
    pages: Mutex<Vec<Option<Cells>>>,
    /// What is known of the worker, where there is only one for all time; set before the pool's thread begins.
    pub(crate) only: OnceLock<Only>,
}

/// One of the two that sleep on the watch. Each has a flag of its own, which only it lowers: a flag for both could be
/// lowered by the one before the other has seen it. One that is raised for nobody would keep the other from sleeping:
/// so each raise is paired with a sleep by an exchange, and the sleeper does not go on before it has taken it back.
#[derive(Default)]
struct Sleeper(AtomicU8);

const AWAKE: u8 = 0;
const ASLEEP: u8 = 1;
const CALLED: u8 = 2;

impl Sleeper {
    /// Wakes it if it sleeps. Either it sees what was stored before this, or it is seen to sleep: it looks once more after
    /// it has said so, and both have a full fence in between.
    fn wake(&self, flag: &Wake) {
        fence(Ordering::SeqCst);
        let called = || {
            self.0
                .compare_exchange(ASLEEP, CALLED, Ordering::SeqCst, Ordering::SeqCst)
        };
        if self.0.load(Ordering::SeqCst) == ASLEEP && called().is_ok() {
            flag.raise();
        }
    }

    /// Sleeps in `wait`, if `may` agrees once the intention is known.
    fn sleep(&self, flag: &Wake, may: impl FnOnce() -> bool, wait: impl FnOnce()) {
        self.0.store(ASLEEP, Ordering::SeqCst);
        if may() {
            wait();
        }
        if self.0.swap(AWAKE, Ordering::SeqCst) == CALLED {
            // Whoever called may be between the exchange and the flag.
            while !flag.lower() {
                std::thread::yield_now();
            }
        }
    }
}

/// What became of a task that was to be queued.
pub(crate) enum Pushed {
    Yes,
    Full,
    Refused(Refusal),
}

impl Shared {
    pub(crate) fn new(
        name: String,
        max_message: u64,
        capacity: Option<usize>,
        elastic: bool,
        subscriber: Option<Dispatch>,
    ) -> io::Result<Arc<Shared>> {
        Ok(Arc::new(Shared {
            callbacks: Callbacks::new(&name),
            observed: observed::Queue::new(&name, subscriber),
            name,
            max_message,
            capacity,
            elastic,
            queue: Mutex::default(),
            room: Condvar::new(),
            finished: Condvar::new(),
            watch: Watch::new()?,
            seat: Mutex::new(None),
            lead: Lead::default(),
            pool: Sleeper::default(),
            caller: Sleeper::default(),
            pending: AtomicBool::new(false),
            news: AtomicU64::new(0),
            pages: Mutex::default(),
            only: OnceLock::new(),
        }))
    }

    /// What the slots of this pool's tasks hold.
    pub(crate) fn controller(self: &Arc<Shared>) -> Controller {
        Arc::new(Box::new(Arc::clone(self)))
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic runs under this lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something was pushed: wakes whoever sleeps on the watch, or calls the pool's thread.
    fn wake_up(&self) {
        self.pending.store(true, Ordering::SeqCst);
        self.wake_pool();
        self.wake_caller();
        self.lead.fill_vacancy();
    }

    fn wake_pool(&self) {
        self.pool.wake(&self.watch.wake_pool);
    }

    fn wake_caller(&self) {
        self.caller.wake(&self.watch.wake_caller);
    }

    /// Hands a task to a worker, or queues it; with `wait`, blocks while the queue is at its capacity.
    pub(crate) fn push_task(&self, wait: bool, task: NewTask) -> Pushed {
        let task = match self.capacity {
            // The number of those that wait is the queue's to know.
            Some(_) => task,
            None if self.elastic => task,
            None => {
                let mut task = Some(task);
                let placed = self.in_the_seat(|driver, alone| driver.submit_now(task.take()?, alone));
                match (placed, task) {
                    (Some(Some(placed)), _) => {
                        self.follow_up(placed);
                        // Others may have pushed while this thread had the seat.
                        fence(Ordering::SeqCst);
                        self.serve_pushed();
                        return Pushed::Yes;
                    }
                    (_, None) => return Pushed::Refused(self.refusal()),
                    (_, Some(task)) => task,
                }
            }
        };
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
                    task.slot.waiting.store(true, Ordering::Relaxed);
                    break;
                }
                None => break,
            }
        }
        queue.pushed.tasks.push(task);
        drop(queue);
        self.pending.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.serve_pushed();
        Pushed::Yes
    }

    /// Sees to what was pushed, unless somebody has the seat: who does looks once more after leaving it.
    fn serve_pushed(&self) {
        while self.has_commands() {
            match self.in_the_seat(Driver::submit_pushed) {
                Some(placed) => {
                    self.follow_up(placed);
                    fence(Ordering::SeqCst);
                }
                None => return,
            }
        }
    }

    /// Does something with the driver on this thread, if that is free; also told whether nobody else does turns.
    fn in_the_seat<T>(&self, act: impl FnOnce(&mut Driver, bool) -> T) -> Option<T> {
        let mut seat = match self.seat.try_lock() {
            Ok(seat) => seat,
            Err(TryLockError::Poisoned(seat)) => seat.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(act(seat.as_mut()?, self.lead.is_vacant()))
    }

    /// After something was submitted from the seat.
    fn follow_up(&self, placed: Placed) {
        match placed {
            Placed::Quietly => {}
            Placed::AnotherRow => {
                if self.lead.is_vacant() {
                    self.lead.carry_on();
                } else if self.lead.relieve() {
                    self.wake_pool();
                }
            }
            // Whoever sleeps would sleep too long.
            Placed::WithTimer => {
                self.news.fetch_add(1, Ordering::SeqCst);
                self.wake_pool();
                self.wake_caller();
            }
        }
    }

    /// Why nothing is accepted; meaningful once something was refused.
    pub(crate) fn refusal(&self) -> Refusal {
        self.lock().refusal.clone().unwrap_or(Refusal::Closed)
    }

    /// The outcome of a task that was refused.
    pub(crate) fn refused(&self, refusal: &Refusal) -> TaskError {
        let end = self.only.get().and_then(Only::end);
        match (refusal, end) {
            (Refusal::Broken(_), Some(autopsy)) => TaskError::Died(autopsy.clone()),
            (Refusal::Closed | Refusal::Broken(_), _) => refusal.error(),
        }
    }

    /// Thread: takes the driver's seat.
    pub(crate) fn seat(&self) -> MutexGuard<'_, Option<Driver>> {
        self.seat.lock().unwrap_or_else(PoisonError::into_inner)
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
        queue.pushed.commands.push(command);
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
    pub(crate) fn take(&self, into: &mut Pushes) {
        self.pending.store(false, Ordering::SeqCst);
        std::mem::swap(&mut self.lock().pushed, into);
    }

    pub(crate) fn has_commands(&self) -> bool {
        self.pending.load(Ordering::SeqCst)
    }

    /// Pool's thread: sleeps on the watch until something happens, unless something was pushed or its lead has ended.
    /// `seen`: the news, from before the seat was left.
    pub(crate) fn sleep(&self, lead: PoolsLead, seen: u64, until: Option<Instant>, ready: &mut Vec<Source>) {
        self.pool.sleep(
            &self.watch.wake_pool,
            || self.lead.is_still(lead) && !self.has_commands() && self.news() == seen,
            || self.wait(until, ready),
        );
    }

    /// The caller that leads: likewise, unless what it waits for is done.
    fn sleep_as_caller(
        &self,
        done: &dyn Fn() -> bool,
        seen: u64,
        until: Option<Instant>,
        ready: &mut Vec<Source>,
    ) {
        self.caller.sleep(
            &self.watch.wake_caller,
            || !self.has_commands() && !done() && self.news() == seen,
            || self.wait(until, ready),
        );
    }

    /// Whoever means to sleep looks at this in the seat, and once more when it has said that it sleeps: what others have
    /// brought in between has found nobody to wake.
    pub(crate) fn news(&self) -> u64 {
        self.news.load(Ordering::SeqCst)
    }

    /// Another thread than the one in the seat has put an outcome down; a caller that leads may wait for that.
    pub(crate) fn ended_elsewhere(&self) {
        self.news.fetch_add(1, Ordering::SeqCst);
        self.wake_caller();
    }

    fn wait(&self, until: Option<Instant>, ready: &mut Vec<Source>) {
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        self.watch.wait(left, ready);
    }

    /// Looks at the watch without waiting.
    pub(crate) fn glance(&self, ready: &mut Vec<Source>) {
        self.watch.wait(Some(Duration::ZERO), ready);
    }

    /// Pool's thread, after a turn, when it does not lead: stands by until it does, or for a moment. Whoever leads polls
    /// the rings and may not look at the watch for long, so this thread does.
    pub(crate) fn make_way(&self, news: bool, ready: &mut Vec<Source>) {
        if news {
            // What the caller waits for may have been dealt with in the last turn, or it would sleep too long.
            self.ended_elsewhere();
        }
        if !self.has_commands() {
            self.lead.stand_by();
        }
        self.glance(ready);
    }

    /// Waits on this thread, as the pool's leader, if that promises to be quick. True: it is done.
    fn lead_until(&self, done: &dyn Fn() -> bool, until: Option<Instant>) -> bool {
        if self.lead.is_callers() || !(self.lead.is_brisk() || self.lead.is_vacant()) {
            return false;
        }
        // Whoever else has it gives it back within a turn.
        let mut seat = self.seat();
        if seat.is_none() {
            return false;
        }
        let Some(pool_led) = self.lead.enter() else {
            return false;
        };
        let leading = Leading {
            shared: self,
            since: Instant::now(),
        };
        if pool_led {
            self.wake_pool();
        }
        let mut ready = Vec::new();
        while let Some(driver) = seat.as_mut() {
            if !driver.turn(&ready) || done() || until.is_some_and(|at| at <= Instant::now()) {
                break;
            }
            ready.clear();
            if let Some(timer) = driver.rest() {
                let seen = self.news();
                drop(seat);
                self.sleep_as_caller(done, seen, [timer, until].into_iter().flatten().min(), &mut ready);
                seat = self.seat();
                if let Some(driver) = seat.as_mut() {
                    driver.woke();
                }
            } else if driver.watch_is_due() {
                self.glance(&mut ready);
            }
        }
        drop(seat);
        drop(leading);
        done()
    }

    /// Thread: the worker in this slot has these cells; `None`: it is gone.
    pub(crate) fn set_page(&self, worker: usize, page: Option<Cells>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() <= worker {
            pages.resize(worker + 1, None);
        }
        pages[worker] = page;
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
    pub(crate) fn finish(&self) -> (Pushes, Refusal) {
        let mut queue = self.lock();
        queue.gone = true;
        let refusal = queue.refusal.get_or_insert(Refusal::Closed).clone();
        let late = std::mem::take(&mut queue.pushed);
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

/// What became of a task that was submitted from the driver's seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    Quietly,
    /// So many tasks were submitted in a row that whoever submits might as well do the turns.
    AnotherRow,
    /// It brought a timer that is due before anybody means to wake.
    WithTimer,
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
        shared.lead.leave(!short || shared.lead.is_wanted());
        if shared.has_commands() {
            shared.lead.fill_vacancy();
        }
    }
}

impl Control for Arc<Shared> {
    fn wait_here(&self, done: &dyn Fn() -> bool, until: Option<Instant>) -> bool {
        self.lead_until(done, until)
    }

    fn waited(&self, how_long: Duration) {
        self.lead.set_brisk(how_long < lead::SHORT);
    }

    fn look_after(&self) {
        self.lead.want();
    }

    fn is_running(&self, slot: &Slot) -> bool {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let named = pages.iter().flatten().map(Cells::running);
        named
            .into_iter()
            .any(|(id, stage)| id == slot.id().0 && !matches!(stage, Stage::None | Stage::Receiving))
    }

    fn cancel(&self, slot: &SlotRef) -> bool {
        self.ask(|answer| Command::Cancel(SlotRef::clone(slot), answer))
            .unwrap_or_else(|| slot.is_cancelled())
    }

    fn kill(&self, slot: &SlotRef) -> bool {
        self.ask(|answer| Command::Kill(SlotRef::clone(slot), answer))
            .unwrap_or(false)
    }

    fn interrupt(&self, slot: &SlotRef) -> bool {
        self.ask(|answer| Command::Interrupt(SlotRef::clone(slot), answer))
            .unwrap_or(false)
    }

    fn run_callback(&self, callback: Box<dyn FnOnce() + Send>) {
        self.callbacks.run(callback);
    }
}
