//! What the handle, the futures and the pool's thread share: the driver's seat, and the queue for those who do not
//! get it.
//!
//! Whoever submits takes the seat if it is free and hands the task to a worker; otherwise the task waits in the
//! queue for whoever has the seat. The one who pushes tries the seat again after it has pushed, and the one who
//! leaves the seat looks at the queue once more, both with a full fence in between: one of them sees the other. A
//! command wakes whoever sleeps, likewise. So nothing waits for the next thing to come.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use pexec_ipc::cells::Cells;
use tracing::Dispatch;

use super::alone::Only;
use super::lead::{Lead, PoolsLead};
use super::queue::{Command, NewTask, Pushed, Queue, Refusal, Room};
use super::seat::{Seat, Seated};
use super::sleeper::Sleeper;
use crate::callbacks::Callbacks;
use crate::driver::{Driver, Source, Watch};
use crate::error::TaskError;
use crate::future::control::Controller;
use crate::observed;

pub(crate) struct Shared {
    pub(crate) name: String,
    pub(crate) max_message: u64,
    pub(crate) callbacks: Callbacks,
    /// What workers' code tells.
    pub(crate) observed: Arc<observed::Queue>,
    /// Tasks always go through the queue: there may have to be more workers for them.
    elastic: bool,
    pub(crate) queue: Queue,
    pub(crate) watch: Watch,
    pub(crate) seat: Seat,
    pub(crate) lead: Lead,
    /// The two that may sleep on the watch.
    pool: Sleeper,
    pub(super) caller: Sleeper,
    /// How often somebody else than the one who means to sleep has brought a timer, or an outcome.
    news: AtomicU64,
    /// The workers' pages, by slot: what a future can see for itself.
    pub(super) pages: Mutex<Vec<Option<Cells>>>,
    /// What is known of the worker, where there is only one for all time; set before the pool's thread begins.
    pub(crate) only: OnceLock<Only>,
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
            queue: Queue::new(capacity),
            elastic,
            watch: Watch::new()?,
            seat: Seat::default(),
            lead: Lead::default(),
            pool: Sleeper::default(),
            caller: Sleeper::default(),
            news: AtomicU64::new(0),
            pages: Mutex::default(),
            only: OnceLock::new(),
        }))
    }

    /// What the slots of this pool's tasks hold.
    pub(crate) fn controller(self: &Arc<Shared>) -> Controller {
        Arc::new(Box::new(Arc::clone(self)))
    }

    /// Something was pushed: wakes whoever sleeps on the watch, or calls the pool's thread.
    fn wake_up(&self) {
        self.wake_pool();
        self.wake_caller();
        self.lead.fill_vacancy();
    }

    pub(super) fn wake_pool(&self) {
        self.pool.wake(&self.watch.wake_pool);
    }

    fn wake_caller(&self) {
        self.caller.wake(&self.watch.wake_caller);
    }

    /// Hands a task to a worker, or queues it; with `wait`, blocks while the queue is at its capacity.
    pub(crate) fn push_task(&self, wait: bool, task: NewTask) -> Pushed {
        // The number of those that wait is the queue's to know.
        let task = if self.queue.is_bounded() || self.elastic {
            task
        } else {
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
                (_, None) => return Pushed::Refused(self.queue.refusal()),
                (_, Some(task)) => task,
            }
        };
        let room = match (wait, self.seat.is_mine()) {
            (false, _) => Room::Needed,
            (true, false) => Room::Awaited,
            // Nobody else would make room.
            (true, true) => Room::Beside,
        };
        let pushed = self.queue.put(room, task);
        if let Pushed::Yes = pushed {
            fence(Ordering::SeqCst);
            self.serve_pushed();
        }
        pushed
    }

    /// Sees to what was pushed, unless somebody has the seat: who does looks once more after leaving it.
    fn serve_pushed(&self) {
        while self.queue.has_pushed() {
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
        let mut seat = self.seat.try_take()?;
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

    /// The outcome of a task that was refused.
    pub(crate) fn refused(&self, refusal: &Refusal) -> TaskError {
        let end = self.only.get().and_then(Only::end);
        match (refusal, end) {
            (Refusal::Broken(_), Some(autopsy)) => TaskError::Died(autopsy.clone()),
            (Refusal::Closed | Refusal::Broken(_), _) => refusal.error(),
        }
    }

    /// Pool's thread, while others lead: the seat, if it is free at some moment. Otherwise the caller that leads is to look
    /// at the watch: to wait for the seat would slow each lead down, since whoever leaves it would have to wake this
    /// thread, which would mostly find it taken again.
    pub(crate) fn free_seat(&self) -> Option<Seated<'_>> {
        const LOOKS: u32 = 64;
        for _ in 0..LOOKS {
            if let Some(seat) = self.seat.try_take() {
                return Some(seat);
            }
            std::hint::spin_loop();
        }
        self.lead.ask_for_a_look();
        // Should it only wait for this CPU.
        std::thread::yield_now();
        None
    }

    /// Queues any other command. False: the pool's thread is gone.
    pub(crate) fn push(&self, command: Command) -> bool {
        let open = self.queue.order(command);
        if open {
            self.wake_up();
        }
        open
    }

    /// Waits until the pool's thread has ended. False: not until then, or this is the thread that would have to end.
    pub(crate) fn wait_finished(&self, until: Option<Instant>) -> bool {
        !self.seat.is_mine() && self.queue.wait_finished(until)
    }

    /// Asks and waits for the answer. `None`: the pool's thread is gone, or this is the thread that would answer; then it
    /// does what it is asked later.
    pub(crate) fn ask<T>(&self, command: impl FnOnce(SyncSender<T>) -> Command) -> Option<T> {
        let (answer, receive) = sync_channel(1);
        if self.push(command(answer)) && !self.seat.is_mine() {
            receive.recv().ok()
        } else {
            None
        }
    }

    /// Pool's thread: sleeps on the watch until something happens, unless something was pushed or its lead has ended.
    /// `seen`: the news, from before the seat was left.
    pub(crate) fn sleep(&self, lead: PoolsLead, seen: u64, until: Option<Instant>, ready: &mut Vec<Source>) {
        self.pool.sleep(
            &self.watch.wake_pool,
            || self.lead.is_still(lead) && !self.queue.has_pushed() && self.news() == seen,
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

    pub(super) fn wait(&self, until: Option<Instant>, ready: &mut Vec<Source>) {
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
        if !self.queue.has_pushed() {
            self.lead.stand_by();
        }
        self.glance(ready);
    }

    /// Thread: the worker in this slot has these cells; `None`: it is gone.
    pub(crate) fn set_page(&self, worker: usize, page: Option<Cells>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        if pages.len() <= worker {
            pages.resize(worker + 1, None);
        }
        pages[worker] = page;
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
