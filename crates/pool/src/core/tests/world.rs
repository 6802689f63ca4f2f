//! A played world around the core: the driver's turns with its order of things, and after each event the core's
//! books and the truth side by side.

mod commands;
mod driver;
mod exits;

use std::time::{Duration, Instant};

use super::books;
use super::process::{Doing, Machine, Weather};
use super::truth::{Chance, Truth};
use crate::core::life::Life;
use crate::core::tasks::Place;
use crate::core::workers::Worker;
use crate::core::{Action, Config, Core, Recycle, Size, State};

pub(super) struct World {
    core: Core,
    pub(super) machine: Machine,
    chance: Chance,
    now: Instant,
    /// Which task the driver means by a key.
    keys: Vec<Option<u64>>,
    /// Which task each decided action meant when it was decided; 0: none.
    meant: Vec<u64>,
    state: State,
    /// Which task each slot's last worker was ended for, and the pool's state just before that end.
    last_end: Vec<(Option<u64>, State)>,
    terminated: bool,
    replaces: bool,
    /// Slots that have had a process.
    started: Vec<bool>,
    broken: bool,
    closed: bool,
    most_live: u64,
    /// Some tasks have one.
    priorities: bool,
    /// How often something was asked of the core, or told to it.
    pub(super) events: u64,
    /// Everything that was decided, where somebody wants to compare it.
    pub(super) record: Option<Vec<(Instant, Action)>>,
}

impl World {
    pub(super) fn new(seed: u64, base: Instant) -> World {
        let mut chance = Chance::new(seed);
        let workers = 1 + chance.below(4) as usize;
        let restart_limit = match chance.below(4) {
            0 => Some((
                chance.below(20) as usize,
                Duration::from_millis(1 + chance.below(2000)),
            )),
            _ => None,
        };
        let most = workers + [0, 0, 0, chance.below(4) as usize][chance.below(4) as usize];
        let mut bound = |most: u64| chance.one_in(4).then(|| 1 + chance.below(most));
        let recycle = Recycle {
            tasks: bound(20),
            age: bound(500).map(Duration::from_millis),
            memory: bound(10),
        };
        let replaces = !chance.one_in(16);
        // Who cannot be replaced is neither recycled nor one of a varying number.
        let (most, recycle) = if replaces {
            (most, recycle)
        } else {
            (workers, Recycle::default())
        };
        let config = Config {
            size: Size { least: workers, most },
            idle_timeout: Duration::from_millis(1 + chance.below(100)),
            recycle,
            kill_grace: Duration::from_millis(1 + chance.below(200)),
            restart_limit,
            handshake_limit: Duration::from_millis(100 + chance.below(5000)),
            replaces,
        };
        let mut rate = |often: u64| match chance.below(4) {
            0 => 0,
            n => often * [1, 8, 64][n as usize - 1],
        };
        let weather = Weather {
            crash: rate(40),
            crash_at_start: rate(5),
            refuse: rate(5),
            hang: rate(100),
            garbage: rate(200),
            close: rate(200),
            panic: rate(2),
            ignores_term: rate(1),
            refused_spawn: rate(3),
            broken_pipe: rate(50),
            slow_pipe: rate(2),
            length: rate(2) + 1,
        };
        let core = Core::new(config, base);
        let machine = Machine {
            processes: (0..most).map(|_| None).collect(),
            truth: Truth::default(),
            chance: Chance::new(chance.next()),
            weather,
        };
        World {
            core,
            machine,
            now: base,
            keys: Vec::new(),
            meant: Vec::new(),
            state: State::Running,
            last_end: vec![(None, State::Running); most],
            terminated: false,
            replaces,
            started: vec![false; workers],
            broken: false,
            closed: false,
            most_live: [3, 12, 40, 200][chance.below(4) as usize],
            priorities: chance.one_in(2),
            events: 0,
            record: None,
            chance,
        }
    }

    /// Lives through about so many events, then ends in one of the ways a pool can end.
    pub(super) fn live(&mut self, events: u64) {
        self.after();
        self.carry_out();
        while self.events < events && !self.closed {
            self.turn(true);
            if self.chance.one_in(4) {
                self.submit_turn();
            }
            self.now += match self.chance.below(16) {
                0 => Duration::from_millis(self.chance.below(50)),
                1 => Duration::from_secs(self.chance.below(3)),
                2 | 3 => self
                    .core
                    .next_timer()
                    .map_or(Duration::ZERO, |at| at.saturating_duration_since(self.now)),
                _ => Duration::from_micros(self.chance.below(300)),
            };
        }
        self.wind_down();
        self.check_the_end();
    }

    /// One turn of the driver, in its order.
    fn turn(&mut self, commands: bool) {
        let steps = self.chance.below(12);
        self.machine.run(steps);
        for slot in 0..self.machine.processes.len() {
            if self.chance.one_in(2) {
                let frames = 1 + self.chance.below(6);
                self.read(slot, frames);
            }
        }
        for slot in 0..self.machine.processes.len() {
            let exited = self.machine.processes[slot].as_ref().is_some_and(|p| p.exited);
            if exited && self.chance.one_in(2) {
                self.bury(slot);
            }
        }
        if commands {
            self.commands();
        }
        self.core.tick(self.now, &mut self.machine);
        self.after();
        self.carry_out();
        self.core.settle(self.now, &mut self.machine);
        self.after();
        self.carry_out();
        self.break_a_pipe();
        self.check_rest();
    }

    /// The part of a turn that a submitting thread does on its own.
    fn submit_turn(&mut self) {
        self.machine.run(3);
        self.commands();
        self.carry_out();
        self.break_a_pipe();
    }

    /// To be called after whatever the core was asked or told.
    fn after(&mut self) {
        self.events += 1;
        for action in &self.core.actions[self.meant.len()..] {
            let id = match action {
                Action::Send { key, .. } | Action::Again { key, .. } | Action::Complete { key, .. } => {
                    self.keys[*key as usize].expect("an action about a task that is no more")
                }
                _ => 0,
            };
            self.meant.push(id);
            if let Some(record) = &mut self.record {
                record.push((self.now, action.clone()));
            }
        }
        books::check(&self.core);
        assert!(
            self.core.state >= self.state,
            "{:?} after {:?}",
            self.core.state,
            self.state
        );
        self.state = self.core.state.clone();
    }

    /// What holds whenever a turn is over.
    fn check_rest(&self) {
        let due = self.core.next_timer().filter(|&at| at <= self.now);
        assert_eq!(due, None, "a timer that is due and that nobody deals with");
        let usable = self.core.workers.iter().filter(|w| w.life == Life::Ready);
        if let Some(first) = self.core.first_rank() {
            let held_back = |w: &Worker| w.live_sent > 0 && self.core.rank_ahead().is_some_and(|r| r > first);
            assert!(
                usable.clone().all(|w| w.room() == 0 || held_back(w)),
                "a task waits although a worker has room"
            );
        }
        self.check_ranks();
        self.check_starts();
        for (worker, process) in self.core.workers.iter().zip(&self.machine.processes) {
            let (Life::Ready, Some(process), Some(front)) = (worker.life, process, worker.sent.front())
            else {
                continue;
            };
            let reached = process.has_reached(front.id) || process.exited;
            assert!(
                worker.front_until.is_some() || reached,
                "nobody notices that task {} is not come to",
                front.id
            );
            let works =
                matches!(process.doing, Doing::Receiving(call) | Doing::Running(call) if call.id == front.id);
            let policy = self.core.task(front.key).and_then(|task| task.policy.as_ref());
            if front.live && works && policy.is_some_and(|policy| policy.timeout.is_some()) {
                assert!(worker.head_until.is_some(), "task {} has no clock", front.id);
            }
        }
        self.check_size();
        // An answer that is still unread may hide this for a turn, and brings that turn about.
        let heard = self
            .machine
            .processes
            .iter()
            .flatten()
            .all(|p| p.out.is_empty() && !p.exited);
        if heard && usable.clone().any(|w| w.is_idle()) {
            for (worker, process) in self.core.workers.iter().zip(&self.machine.processes) {
                let last = worker.sent.iter().rev().find(|s| s.live);
                let free = process
                    .as_ref()
                    .zip(last)
                    .is_some_and(|(p, s)| p.startable().any(|c| c.id == s.id));
                assert!(
                    worker.live_sent < 2 || !free,
                    "a task is stranded behind another, and a worker has nothing to do"
                );
            }
        }
    }

    /// Whoever is to leave is on the way, and nobody has run more tasks than a worker may.
    fn check_size(&self) {
        for (worker, process) in self.core.workers.iter().zip(&self.machine.processes) {
            if worker.life == Life::Ready && self.state < State::Stopping {
                assert!(worker.stays || worker.retires, "a worker that nobody wants stays");
                assert!(
                    !worker.retires || worker.live_sent > 0,
                    "a worker that is to leave, and has nothing to do, is not told so"
                );
            }
            if let (Some(most), Some(process)) = (self.core.config.recycle.tasks, process) {
                assert!(process.ran <= most, "a worker runs task number {}", process.ran);
            }
        }
    }

    /// Nothing may start that has a lower priority than what waits, or than what lies ahead elsewhere.
    fn check_ranks(&self) {
        let first = self.core.first_rank().unwrap_or(i32::MIN);
        let mut ahead = None;
        for (worker, process) in self.core.workers.iter().zip(&self.machine.processes) {
            let Some(process) = process else { continue };
            let head = worker.sent.iter().find(|s| s.live);
            for sent in worker.sent.iter().filter(|s| s.live) {
                // What the worker is at it is going to start.
                let at_head = head.is_some_and(|head| head.cell == sent.cell);
                if !process
                    .startable()
                    .any(|c| (c.id, c.cell) == (sent.id, sent.cell))
                    || at_head && (worker.spares_nothing || process.named == sent.id)
                {
                    continue;
                }
                assert!(
                    sent.priority >= first,
                    "task {} may start before one of a higher priority that waits",
                    sent.id
                );
                if !at_head {
                    assert_eq!(
                        *ahead.get_or_insert(sent.priority),
                        sent.priority,
                        "task {} lies ahead, and one of another priority as well",
                        sent.id
                    );
                }
            }
        }
    }

    /// Whatever should have started by now has, or is gone.
    fn check_starts(&self) {
        for task in self.core.tasks.iter().flatten() {
            let late = task.attempt == 1
                && task
                    .policy
                    .as_ref()
                    .and_then(|p| p.start_by)
                    .is_some_and(|at| at <= self.now);
            let waits = match task.place {
                Place::Queued { .. } | Place::Delayed { .. } => true,
                Place::Sent { worker } => {
                    let process = self.machine.processes[worker as usize].as_ref();
                    process.is_some_and(|p| p.startable().any(|c| c.id == task.id))
                }
                Place::Ended => false,
            };
            assert!(!(late && waits), "task {} waits for too long", task.id);
        }
    }

    /// No more work and no more accidents; every worker obeys KILL, and those that others wait for go on.
    fn wind_down(&mut self) {
        self.machine.weather = Weather {
            length: 3,
            ..Weather::default()
        };
        if !self.closed {
            self.end_somehow();
        }
        for turn in 0..20_000 {
            if self.closed {
                return;
            }
            let going_on = self.core.state <= State::Draining && self.core.live > 0;
            for (process, worker) in self.machine.processes.iter_mut().zip(&self.core.workers) {
                if let Some(process) = process
                    && (going_on || worker.live_sent > 0)
                    && !self.terminated
                {
                    process.hangs = false;
                }
            }
            self.machine.run(30);
            self.turn(false);
            let pause = self
                .core
                .next_timer()
                .map_or(Duration::ZERO, |at| at.saturating_duration_since(self.now));
            self.now += if turn % 4 == 0 {
                pause
            } else {
                Duration::from_micros(50)
            };
        }
        panic!(
            "the pool does not end: {:?} with {} tasks, {:#?}",
            self.core.state, self.core.live, self.core.workers
        );
    }

    fn check_the_end(&mut self) {
        let mut counts = crate::core::Counts {
            restarts: self.core.counts().restarts,
            ..Default::default()
        };
        for (index, task) in self.machine.truth.tasks.iter().enumerate() {
            use super::truth::Outcome::*;
            match task
                .outcome
                .unwrap_or_else(|| panic!("task {} was lost", index + 1))
            {
                Answered(crate::core::ResultKind::Value) => counts.done += 1,
                Cancelled if task.attempt == 1 => counts.cancelled += 1,
                Cancelled => counts.failed += 1,
                Answered(_) | Crashed | LimitExceeded | TimedOut | Killed | Expired | Broken => {
                    counts.failed += 1;
                }
            }
        }
        assert_eq!(self.core.counts(), counts);
        assert!(
            self.machine.processes.iter().all(Option::is_none),
            "a worker outlives its pool"
        );
        assert!(self.keys.iter().all(Option::is_none));
        self.core.settle(self.now, &mut self.machine);
        assert!(self.core.actions.is_empty(), "a closed pool decides something");
    }
}
