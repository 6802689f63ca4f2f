//! Between the core and the kernel: the driver has the workers' processes and channels, and carries out what the
//! core decides.
//!
//! It belongs to one thread at a time: the pool's (`thread`), a caller that waits, or for the length of one
//! submission the thread that submits. A turn: read all that is readable, then exits, then commands, then timers,
//! then settle and flush. Reading comes before exits so that a worker that answered and then died is not blamed; one
//! `now` is taken a turn.
//!
//! Workers ring their bell only while somebody sleeps on the watch: whoever does turns polls the rings, and asks to
//! be told before it sleeps (`rest`). A worker whose bell is silent is in `silent`.

mod actions;
mod answers;
mod batches;
mod capture;
mod channel;
mod departed;
mod inbox;
mod link;
mod outbox;
mod slots;
mod spawn;
mod stderr;
mod suspend;
mod template;
pub(crate) mod thread;
mod timings;
mod watch;

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pexec_ipc::cells::Stage as TaskStage;
use pexec_ipc::clock::Clock;
use pexec_ipc::spin::Spin;
use pexec_ipc::{process, reap};
use pexec_proto::FunctionRef;

use crate::core::{Action, Config, Core, Key, Load, Placement, Recall};
use crate::error::TaskError;
use crate::function::Descriptor;
use crate::future::slot::SlotRef;
use crate::observed::Observer;
use crate::process::info::{PoolStats, WorkerInfo, WorkerState, resident_bytes};
use crate::process::queue::{Command, NewTask, Pushes};
use crate::process::shared::{Placed, Shared};
use link::Link;
use slots::Slots;
pub(crate) use spawn::Launch;
use timings::Timings;
pub(crate) use watch::{Source, Watch};

/// The workers' processes, by slot.
struct Links(Vec<Option<Link>>);

impl Recall for Links {
    fn recall(&mut self, worker: usize, cell: u16) -> bool {
        self.0[worker]
            .as_ref()
            .is_some_and(|link| link.cells.recall(cell))
    }

    fn is_at(&mut self, worker: usize, cell: u16, id: u64) -> bool {
        self.0[worker]
            .as_ref()
            .is_some_and(|link| link.cells.running().0 == id || link.cells.has_started(cell))
    }

    fn has_reached(&mut self, worker: usize, cell: u16, id: u64) -> bool {
        self.0[worker].as_ref().is_some_and(|link| {
            let (running, stage) = link.cells.running();
            // A worker that reads the task's argument is at it, and one that is not through with its last task is not
            // idle either; unless it is stopped there. What has started is left to its time limit.
            let at_it = running == id || stage != TaskStage::None;
            link.cells.has_started(cell) || at_it && !process::is_stopped(link.pid)
        })
    }
}

pub(crate) struct Driver {
    shared: Arc<Shared>,
    core: Core,
    launch: Launch,
    links: Links,
    /// The tasks that have not ended, by key.
    tasks: Vec<Option<SlotRef>>,
    generations: Vec<u64>,
    remains: Vec<Option<departed::Remains>>,
    /// What workers are forked from, where they are.
    template: template::Template,
    actions: Vec<Action>,
    pushed: Pushes,
    terminal: stderr::Terminal,
    observer: Observer,
    timings: Timings,
    closed: bool,
    /// Told about the first attempt to start a worker: its pid, or why there is none.
    first_start: Option<SyncSender<io::Result<u32>>>,
    /// Every instant here is by this clock, and so are the core's.
    clock: Clock,
    /// Until when whoever sleeps means to; `None`: until something happens.
    armed: Option<Instant>,
    /// Workers that have something to answer.
    busy: Slots,
    /// Workers whose bell does not ring.
    silent: Slots,
    /// Workers for which something waits to be written.
    unsent: Slots,
    spin: Spin,
    /// When the watch was looked at last.
    watched: Instant,
    /// The instant of the last turn.
    now: Instant,
    /// Tasks submitted from the seat, one by one.
    submitted: u32,
    submitted_before: u32,
    /// A batch was cut, and its rest submitted.
    divided: bool,
    /// A worker that had no process yet is not to have one any more.
    withdrawn: bool,
    /// Those since the last turn.
    in_a_row: u32,
    /// The function that was sent last, as it travels.
    function: Option<(&'static Descriptor, [u8; FunctionRef::LEN])>,
}

/// How many tasks are submitted from the seat before the answers are looked at.
const ROW: u32 = 64;
/// How long the watch may go without being looked at while turns are done.
const UNWATCHED: Duration = Duration::from_millis(1);

/// How long a pool without a timer sleeps, once, after tasks came; shorter than any timer that a plain task brings.
const LINGER: Duration = Duration::from_secs(4);

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        config: Config,
        launch: Launch,
        first_start: SyncSender<io::Result<u32>>,
    ) -> Driver {
        let workers = config.size.most;
        let clock = Clock::default();
        let now = clock.now();
        Driver {
            observer: Observer::new(Arc::clone(&shared)),
            shared,
            core: Core::new(config, now),
            launch,
            links: Links((0..workers).map(|_| None).collect()),
            tasks: Vec::new(),
            generations: vec![0; workers],
            remains: vec![None; workers],
            template: template::Template::default(),
            timings: Timings::default(),
            actions: Vec::new(),
            pushed: Pushes::default(),
            terminal: stderr::Terminal::default(),
            closed: false,
            first_start: Some(first_start),
            clock,
            armed: None,
            busy: Slots::new(workers),
            silent: Slots::new(workers),
            unsent: Slots::new(workers),
            spin: Spin::default(),
            watched: now,
            now,
            submitted: 0,
            submitted_before: 0,
            divided: false,
            withdrawn: false,
            in_a_row: 0,
            function: None,
        }
    }

    /// Starts the workers.
    fn begin(&mut self) {
        self.carry_out(self.clock.now());
    }

    /// One turn. False: the pool is closed.
    pub(crate) fn turn(&mut self, ready: &[Source]) -> bool {
        let now = self.clock.now();
        self.now = now;
        self.in_a_row = 0;
        self.silence();
        self.read_ready(now, ready);
        self.read_rings(now);
        self.find_exits(now, ready);
        self.take_pushed(now);
        if self.core.is_due(now) {
            self.read_everything(now);
        }
        self.core.tick(now, &mut self.links);
        self.carry_out(now);
        self.settle(now);
        self.flush(now);
        if self.core.is_quiet() {
            self.shared.lead.want_no_more();
        }
        !self.closed
    }

    /// Reads what no event has told of yet: this process may have been stopped before it asked, for longer than any
    /// worker's time.
    fn read_everything(&mut self, now: Instant) {
        let mut ready = Vec::new();
        // Nobody who floods keeps us here: each may say something once.
        for _ in 0..=self.links.0.len() {
            self.shared.glance(&mut ready);
            if ready.is_empty() {
                break;
            }
            self.read_ready(now, &ready);
            self.find_exits(now, &ready);
            ready.clear();
        }
        self.read_rings(now);
    }

    fn settle(&mut self, now: Instant) {
        self.core.settle(now, &mut self.links);
        self.carry_out(now);
        // What was cut off a batch is there for a worker that has nothing to do; and a worker that had no process is gone
        // already, without an event that would tell.
        let mut again = std::mem::take(&mut self.divided);
        while std::mem::take(&mut again) | std::mem::take(&mut self.withdrawn) {
            self.core.settle(now, &mut self.links);
            self.carry_out(now);
        }
    }

    /// A timer came up that is due before whoever sleeps means to wake.
    fn is_due_earlier(&self) -> bool {
        match (self.core.new_timer(), self.armed) {
            (Some(new), Some(armed)) => new < armed,
            (new, None) => new.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// From the seat of a thread that submits: a task, and what goes with it at once. With `alone` nobody else does
    /// turns, so this thread looks at the answers now and then. `None`: it is not accepted.
    pub(crate) fn submit_now(&mut self, task: NewTask, alone: bool) -> Option<Placed> {
        if self.shared.queue.has_pushed() {
            let now = self.clock.now();
            self.now = now;
            self.take_pushed(now);
            // Otherwise they, and this task behind them, would wait for a turn that nobody is about to do.
            self.settle(now);
        }
        let NewTask {
            slot,
            argument,
            size,
            policy,
        } = task;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let policy = self.timed(policy);
        let may_start = policy.as_ref().is_none_or(|p| p.not_before.is_none());
        let (key, placement) = self.core.submit_now(slot.id().0, size, policy)?;
        if may_start {
            self.timings.submitted(slot.id().0);
        }
        self.keep(key, slot);
        self.submitted = self.submitted.wrapping_add(1);
        self.in_a_row += 1;
        let mut later = false;
        if let Placement::Sent { worker, cell, load } = placement {
            if load == Load::Nothing {
                // Only the first task of a worker needs the time.
                self.now = self.clock.now();
                self.core.begins(self.now, worker);
            }
            let mut left_queue = 0;
            self.send(worker, key, cell, 1, Some(&argument), &mut left_queue);
            self.shared.queue.left(left_queue);
            // In the middle of a flood a worker that has enough to do learns of more a row at a time: to wake it for
            // each task would cost more than the task. Should the flood end here, the next turn tells it.
            later = alone && load == Load::Little && self.in_a_row > ROW;
        } else if self.core.has_priorities() {
            // Only a turn's end knows whether it goes before others.
            self.now = self.clock.now();
            self.settle(self.now);
        }
        Some(self.finish_submitting(alone, later))
    }

    /// From the seat of a thread that has pushed something: takes what was pushed.
    pub(crate) fn submit_pushed(&mut self, alone: bool) -> Placed {
        let now = self.clock.now();
        self.now = now;
        self.take_pushed(now);
        self.settle(now);
        self.submitted = self.submitted.wrapping_add(1);
        self.finish_submitting(alone, false)
    }

    fn finish_submitting(&mut self, alone: bool, later: bool) -> Placed {
        let row = self.submitted.is_multiple_of(ROW);
        if row || !later {
            self.flush(self.now);
        }
        if alone {
            self.silence();
        }
        if row {
            if alone {
                let now = self.clock.now();
                self.now = now;
                self.read_rings(now);
                self.settle(now);
                self.flush(now);
            }
            return Placed::AnotherRow;
        }
        if self.is_due_earlier() {
            Placed::WithTimer
        } else {
            Placed::Quietly
        }
    }

    /// Looks for news for a moment, and prepares to sleep if there are none. `None`: there is something to do;
    /// otherwise until when to sleep.
    pub(crate) fn rest(&mut self) -> Option<Option<Instant>> {
        let Driver {
            spin,
            shared,
            busy,
            unsent,
            links,
            ..
        } = self;
        let has_news = |slot: usize| links.0[slot].as_ref().is_some_and(Link::has_news);
        let has_room = |slot: usize| links.0[slot].as_ref().is_some_and(Link::has_room);
        let mut news = || shared.queue.has_pushed() || busy.any(has_news) || unsent.any(has_room);
        if !busy.is_empty() && spin.look(&mut news) {
            return None;
        }
        if self.listen() || self.shared.queue.has_pushed() {
            return None;
        }
        self.now = self.clock.now();
        // While the clock stands no timer comes.
        Some(self.arm().and_then(|at| self.clock.when(at)))
    }

    /// Has every bell ring again, for somebody who sleeps. True: something came before.
    pub(crate) fn listen(&mut self) -> bool {
        let mut late = false;
        let mut from = 0;
        while let Some(slot) = self.silent.next(from) {
            from = slot + 1;
            if let Some(rings) = self.links.0[slot].as_mut().and_then(Link::live_rings) {
                rings.answers.ask_to_be_told(true);
                if rings.answers.has_news() {
                    late = true;
                    self.busy.insert(slot);
                }
                self.silent.remove(slot);
            }
        }
        late
    }

    /// After the sleep that `rest` has prepared.
    pub(crate) fn woke(&mut self) {
        let now = self.clock.now();
        self.spin.slept(now.saturating_duration_since(self.now));
        self.watched = now;
    }

    /// Whether turns were done for so long without a look at the watch that it is due.
    pub(crate) fn watch_is_due(&mut self) -> bool {
        let due = self.now.saturating_duration_since(self.watched) > UNWATCHED;
        if due {
            self.watched = self.now;
        }
        due
    }

    /// How many tasks have ended.
    fn outcomes(&self) -> u64 {
        let counts = self.core.counts();
        counts.done + counts.failed + counts.cancelled
    }

    /// No bell has to ring for workers whose rings are looked at anyway.
    fn silence(&mut self) {
        let mut from = 0;
        while let Some(slot) = self.busy.next(from) {
            from = slot + 1;
            if !self.silent.contains(slot)
                && let Some(rings) = self.links.0[slot].as_mut().and_then(Link::live_rings)
            {
                rings.answers.ask_to_be_told(false);
                self.silent.insert(slot);
            }
        }
    }

    /// Takes note until when the leader sleeps.
    fn arm(&mut self) -> Option<Instant> {
        self.armed = self.core.arm();
        if self.armed.is_none() && self.submitted != self.submitted_before {
            // More tasks may come: each would bring a timer, and wake whoever sleeps without one.
            self.submitted_before = self.submitted;
            self.armed = self.now.checked_add(LINGER);
        }
        self.armed
    }

    /// Gives every task an outcome and ends the workers, without the core's help.
    fn abandon(mut self, reason: &str) {
        for task in self.tasks.drain(..).flatten() {
            task.fail(TaskError::PoolBroken(reason.to_owned()));
        }
        for link in self.links.0.drain(..).flatten() {
            process::kill_group(link.pid, Signal::SIGKILL);
            let _ = reap::reap_blocking(link.pid);
        }
    }

    /// Handles what was pushed.
    fn take_pushed(&mut self, now: Instant) {
        let mut pushed = std::mem::take(&mut self.pushed);
        self.shared.queue.take(&mut pushed);
        for task in pushed.tasks.drain(..) {
            if let Err(slot) = self.submit(task) {
                // Pushed before the pool broke, taken after: the reason is known by now.
                self.shared
                    .queue
                    .left(usize::from(slot.waiting.swap(false, Ordering::Relaxed)));
                slot.fail(self.shared.refused(&self.shared.queue.refusal()));
            }
        }
        for command in pushed.commands.drain(..) {
            match command {
                // Whoever asked may have stopped waiting for the answer.
                Command::Cancel(slot, answer) => {
                    let done = self.key_of(&slot).is_some_and(|key| {
                        self.core.cancel(key, &mut self.links) || self.cancel_rest(key, &slot)
                    });
                    self.carry_out(now);
                    let _ = answer.send(done || slot.is_cancelled());
                }
                Command::Kill(slot, answer) => {
                    let done = self
                        .key_of(&slot)
                        .is_some_and(|key| self.core.kill(now, key, &mut self.links));
                    self.carry_out(now);
                    let _ = answer.send(done);
                }
                Command::Interrupt(slot, answer) => {
                    let done = self.key_of(&slot).is_some_and(|key| self.core.interrupt(key));
                    self.carry_out(now);
                    let _ = answer.send(done);
                }
                Command::ShutDown { cancel_queued } => {
                    // What stands still would never finish.
                    self.resume();
                    self.core.shut_down(cancel_queued, &mut self.links);
                }
                Command::Resize(workers) => {
                    self.make_room(workers);
                    self.core.resize(now, workers, &mut self.links);
                    self.carry_out(now);
                }
                Command::Terminate => {
                    self.resume();
                    self.core.terminate(now, &mut self.links);
                }
                Command::Signal(signal) => self.signal_only(signal),
                Command::Suspend(answer) => {
                    self.suspend();
                    let _ = answer.send(());
                }
                Command::Resume(answer) => {
                    self.resume();
                    let _ = answer.send(());
                }
                Command::Workers(answer) => {
                    let _ = answer.send(self.workers());
                }
                Command::Stats(answer) => {
                    let _ = answer.send(self.stats());
                }
            }
        }
        self.pushed = pushed;
    }

    /// Has places for so many workers.
    fn make_room(&mut self, workers: usize) {
        let places = workers.max(self.links.0.len());
        self.links.0.resize_with(places, || None);
        self.generations.resize(places, 0);
        self.remains.resize(places, None);
        for slots in [&mut self.busy, &mut self.silent, &mut self.unsent] {
            slots.grow(places);
        }
    }

    /// Gives the task back when nothing is accepted any more.
    fn submit(&mut self, task: NewTask) -> Result<(), SlotRef> {
        let NewTask {
            slot, size, policy, ..
        } = task;
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let policy = self.timed(policy);
        let may_start = policy.as_ref().is_none_or(|p| p.not_before.is_none());
        let Some(key) = self.core.submit(slot.id().0, size, policy) else {
            return Err(slot);
        };
        if may_start {
            self.timings.submitted(slot.id().0);
        }
        self.keep(key, slot);
        Ok(())
    }

    fn keep(&mut self, key: Key, slot: SlotRef) {
        slot.key.store(key, Ordering::Relaxed);
        let index = key as usize;
        if index == self.tasks.len() {
            self.tasks.push(Some(slot));
        } else {
            self.tasks[index] = Some(slot);
        }
    }

    /// The key of a task that has not ended.
    fn key_of(&self, slot: &SlotRef) -> Option<Key> {
        let key = slot.key.load(Ordering::Relaxed);
        let task = self.tasks.get(key as usize)?.as_ref()?;
        SlotRef::ptr_eq(task, slot).then_some(key)
    }

    fn workers(&self) -> Vec<WorkerInfo> {
        use crate::core::Standing;
        let links = self.links.0.iter().enumerate();
        let live = links.filter_map(|(slot, link)| Some((slot, link.as_ref()?)));
        live.map(|(slot, link)| {
            let (standing, tasks_done) = self.core.standing(slot);
            let state = match standing {
                Standing::Starting => WorkerState::Starting,
                Standing::Idle => WorkerState::Idle,
                Standing::Busy => WorkerState::Busy,
                Standing::Ending => WorkerState::Stopping,
            };
            let pid = link.pid as u32;
            WorkerInfo {
                slot,
                pid,
                state,
                tasks_done,
                rss: resident_bytes(pid),
            }
        })
        .collect()
    }

    fn stats(&self) -> PoolStats {
        let counts = self.core.counts();
        let (queued, running) = self.core.load();
        PoolStats {
            queued: queued as u64,
            running: running as u64,
            done: counts.done,
            failed: counts.failed,
            cancelled: counts.cancelled,
            restarts: counts.restarts,
            queue_wait: self.timings.wait(),
            run_time: self.timings.run(),
        }
    }
}
