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
mod commands;
mod departed;
mod inbox;
mod link;
mod outbox;
mod rest;
mod slots;
mod spawn;
mod stderr;
mod submit;
mod suspend;
mod template;
pub(crate) mod thread;
mod timings;
mod watch;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::Instant;

use nix::sys::signal::Signal;
use pexec_ipc::cells::Stage as TaskStage;
use pexec_ipc::clock::Clock;
use pexec_ipc::spin::Spin;
use pexec_ipc::{process, reap};
use pexec_proto::FunctionRef;

use crate::core::{Action, Config, Core, Recall};
use crate::error::TaskError;
use crate::function::Descriptor;
use crate::future::slot::SlotRef;
use crate::observed::Observer;
use crate::process::queue::Pushes;
use crate::process::shared::Shared;
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

    /// How many tasks have ended.
    fn outcomes(&self) -> u64 {
        let counts = self.core.counts();
        counts.done + counts.failed + counts.cancelled
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
}
