//! Between the core and the kernel: the driver has the workers' processes and channels, and carries out what the
//! core decides.
//!
//! It belongs to one thread at a time: the pool's (`thread`), or for the length of one submission the thread that
//! submits to an idle pool. A turn: read all that is readable, then exits, then commands, then timers, then settle and flush. Reading
//! comes before exits so that a worker that answered and then died is not blamed; one `now` is taken a turn.

mod actions;
mod channel;
mod departed;
mod inbox;
mod link;
mod outbox;
mod spawn;
mod stderr;
pub(crate) mod thread;
mod watch;

use std::io;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pexec_ipc::cells::Stage as TaskStage;
use pexec_ipc::{process, reap};
use pexec_proto::FunctionRef;

use crate::core::{Action, Config, Core, Key, Recall};
use crate::error::TaskError;
use crate::future::slot::Slot;
use crate::process::info::{PoolStats, WorkerInfo, WorkerState, resident_bytes};
use crate::process::shared::{Command, NewTask, Shared};
use link::Link;
use outbox::Body;
pub(crate) use spawn::Launch;
pub(crate) use watch::{Source, Watch};

/// What the driver keeps of a task until it has ended.
struct Payload {
    slot: Arc<Slot>,
    function: FunctionRef,
    arg: Body,
    timeout: Option<Duration>,
    /// It counts against the queue's capacity.
    waiting: bool,
}

/// The workers' processes, by slot.
struct Links(Vec<Option<Link>>);

impl Recall for Links {
    fn recall(&mut self, worker: usize, cell: u16) -> bool {
        self.0[worker]
            .as_ref()
            .is_some_and(|link| link.cells.recall(cell))
    }

    fn has_reached(&mut self, worker: usize, cell: u16, id: u64) -> bool {
        self.0[worker].as_ref().is_some_and(|link| {
            let (running, stage) = link.cells.running();
            // A worker that is not through with its last task is not idle either.
            running == id || stage != TaskStage::None || link.cells.has_started(cell)
        })
    }
}

pub(crate) struct Driver {
    shared: Arc<Shared>,
    core: Core,
    launch: Launch,
    links: Links,
    payloads: Vec<Option<Payload>>,
    generations: Vec<u64>,
    remains: Vec<Option<departed::Remains>>,
    actions: Vec<Action>,
    commands: Vec<Command>,
    terminal: stderr::Terminal,
    closed: bool,
    /// Told about the first attempt to start a worker.
    first_start: Option<SyncSender<io::Result<()>>>,
    /// Until when the pool's thread means to sleep; `None`: until something happens.
    armed: Option<Instant>,
}

impl Driver {
    pub(crate) fn new(
        shared: Arc<Shared>,
        config: Config,
        launch: Launch,
        first_start: SyncSender<io::Result<()>>,
    ) -> Driver {
        let workers = config.workers;
        Driver {
            shared,
            core: Core::new(config, Instant::now()),
            launch,
            links: Links((0..workers).map(|_| None).collect()),
            payloads: Vec::new(),
            generations: vec![0; workers],
            remains: vec![None; workers],
            actions: Vec::new(),
            commands: Vec::new(),
            terminal: stderr::Terminal::default(),
            closed: false,
            first_start: Some(first_start),
            armed: None,
        }
    }

    /// Starts the workers.
    fn begin(&mut self, now: Instant) {
        self.carry_out(now);
    }

    /// One turn. False: the pool is closed.
    pub(crate) fn turn(&mut self, now: Instant, ready: &[Source]) -> bool {
        self.read_ready(now, ready);
        self.find_exits(now, ready);
        self.take_commands(now);
        self.core.tick(now, &mut self.links);
        self.carry_out(now);
        self.core.settle(now, &mut self.links);
        self.carry_out(now);
        self.flush(now);
        self.shared.set_quiet(self.core.is_quiet());
        !self.closed
    }

    /// Takes note until when the leader sleeps.
    pub(crate) fn arm(&mut self) -> Option<Instant> {
        self.armed = self.core.next_timer();
        self.armed
    }

    /// Whether this is the only task there is.
    pub(crate) fn has_only(&self, slot: &Slot) -> bool {
        let key = usize::try_from(slot.key.load(std::sync::atomic::Ordering::Relaxed)).unwrap_or(usize::MAX);
        let payload = self.payloads.get(key).and_then(Option::as_ref);
        self.core.has_one_task() && payload.is_some_and(|p| std::ptr::eq(Arc::as_ptr(&p.slot), slot))
    }

    /// The part of a turn that hands a task to an idle worker, on the thread that submits it: that saves waking the
    /// pool's thread. False: that thread has something to do all the same.
    pub(crate) fn submit_turn(&mut self) -> bool {
        let now = Instant::now();
        let only_tasks = self.take_commands(now);
        self.core.hand_out_now(now);
        self.carry_out(now);
        self.flush(now);
        let timer_is_due_earlier = match (self.core.next_timer(), self.armed) {
            (Some(next), Some(armed)) => next < armed,
            (Some(_), None) => true,
            (None, _) => false,
        };
        only_tasks && !timer_is_due_earlier && !self.core.has_queued()
    }

    /// Gives every task an outcome and ends the workers, without the core's help.
    fn abandon(mut self, reason: &str) {
        for payload in self.payloads.drain(..).flatten() {
            payload
                .slot
                .complete(Err(Box::new(TaskError::PoolBroken(reason.to_owned()))));
        }
        for link in self.links.0.drain(..).flatten() {
            process::kill_group(link.pid, Signal::SIGKILL);
            let _ = reap::reap_blocking(link.pid);
        }
    }

    /// Handles what was pushed. True: there was nothing but tasks.
    fn take_commands(&mut self, now: Instant) -> bool {
        let mut only_tasks = true;
        let mut commands = std::mem::take(&mut self.commands);
        self.shared.take(&mut commands);
        for command in commands.drain(..) {
            only_tasks &= matches!(command, Command::Submit(_));
            match command {
                Command::Submit(task) => self.submit(task),
                // Whoever asked may have stopped waiting for the answer.
                Command::Cancel(slot, answer) => {
                    let done = self
                        .key_of(&slot)
                        .is_some_and(|key| self.core.cancel(key, &mut self.links));
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
                Command::ShutDown { cancel_queued } => self.core.shut_down(cancel_queued, &mut self.links),
                Command::Terminate => self.core.terminate(now, &mut self.links),
                Command::Workers(answer) => {
                    let _ = answer.send(self.workers());
                }
                Command::Stats(answer) => {
                    let _ = answer.send(self.stats());
                }
            }
        }
        self.commands = commands;
        only_tasks
    }

    fn submit(&mut self, task: NewTask) {
        let NewTask {
            slot,
            function,
            arg,
            policy,
        } = task;
        let size = u32::try_from(arg.len()).unwrap_or(u32::MAX);
        let timeout = policy.as_ref().and_then(|p| p.timeout);
        let Some(key) = self.core.submit(slot.id().0, size, policy) else {
            // Pushed before the pool closed, taken after: the refusal is known by now.
            let error = match self.shared.would_accept(true) {
                crate::process::shared::Pushed::Refused(refusal) => refusal.error(),
                _ => TaskError::PoolClosed,
            };
            self.shared.left_queue(1);
            slot.complete(Err(Box::new(error)));
            return;
        };
        slot.key
            .store(u64::from(key), std::sync::atomic::Ordering::Relaxed);
        let payload = Payload {
            slot,
            function,
            arg: Body::new(arg),
            timeout,
            waiting: true,
        };
        let index = key as usize;
        if index == self.payloads.len() {
            self.payloads.push(Some(payload));
        } else {
            self.payloads[index] = Some(payload);
        }
    }

    /// The key of a task that has not ended.
    fn key_of(&self, slot: &Arc<Slot>) -> Option<Key> {
        let key = Key::try_from(slot.key.load(std::sync::atomic::Ordering::Relaxed)).ok()?;
        let payload = self.payloads.get(key as usize)?.as_ref()?;
        Arc::ptr_eq(&payload.slot, slot).then_some(key)
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
        }
    }
}
