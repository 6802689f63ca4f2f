//! Worker processes as they are played: each goes its own way between any two events, answers in order, passes
//! over what was taken back, and ends, hangs, lies or falls silent at any point.

use std::collections::VecDeque;

use super::truth::{Chance, Truth};
use crate::core::{Recall, ResultKind, WINDOW_MAX};

/// How often things go wrong, each once in so many steps; 0: never.
#[derive(Clone, Debug, Default)]
pub(super) struct Weather {
    pub(super) crash: u64,
    pub(super) crash_at_start: u64,
    pub(super) refuse: u64,
    pub(super) hang: u64,
    pub(super) garbage: u64,
    pub(super) close: u64,
    pub(super) panic: u64,
    pub(super) ignores_term: u64,
    pub(super) refused_spawn: u64,
    pub(super) broken_pipe: u64,
    pub(super) slow_pipe: u64,
    /// Steps that a task takes on average.
    pub(super) length: u64,
}

/// A cell of the shared page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    Free,
    Sent,
    Started,
    TakenBack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) id: u64,
    pub(super) cell: u16,
    pub(super) attempt: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Call(Call),
    Leave,
}

/// What a worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Proof,
    Ready,
    Refused,
    Answer(Call, ResultKind),
    Skipped(Call),
    Garbage,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Doing {
    Proving,
    Initializing,
    Nothing,
    Receiving(Call),
    Running(Call),
    /// The answer is sent, the page not yet cleared.
    Sent,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) doing: Doing,
    pub(super) orders: VecDeque<Order>,
    pub(super) out: VecDeque<Frame>,
    pub(super) cells: [Cell; WINDOW_MAX],
    /// The task that was sent in each cell last.
    pub(super) sent: [u64; WINDOW_MAX],
    /// The task that the page names; 0: none.
    pub(super) named: u64,
    /// What started here and has no answer that was read.
    pub(super) unanswered: Vec<u64>,
    /// How many tasks have started here.
    pub(super) ran: u64,
    pub(super) exited: bool,
    /// It went of a limit.
    pub(super) limit: bool,
    pub(super) hangs: bool,
    pub(super) ignores_term: bool,
    pub(super) term: bool,
    pub(super) kill: bool,
    /// It has closed its channel.
    pub(super) closed: bool,
    /// The supervisor does not read what it says any more.
    pub(super) unread: bool,
    pub(super) faulty: bool,
    /// The supervisor has heard that it is ready, and has not begun to end it.
    pub(super) usable: bool,
    /// The supervisor has made sure that no task can start here any more.
    pub(super) sealed: bool,
    /// The task that it is being ended for.
    pub(super) ended_for: Option<u64>,
}

impl Process {
    pub(super) fn new() -> Process {
        Process {
            doing: Doing::Proving,
            orders: VecDeque::new(),
            out: VecDeque::new(),
            cells: [Cell::Free; WINDOW_MAX],
            sent: [0; WINDOW_MAX],
            named: 0,
            unanswered: Vec::new(),
            ran: 0,
            exited: false,
            limit: false,
            hangs: false,
            ignores_term: false,
            term: false,
            kill: false,
            closed: false,
            unread: false,
            faulty: false,
            usable: false,
            sealed: false,
            ended_for: None,
        }
    }

    /// The calls that may still start here.
    pub(super) fn startable(&self) -> impl Iterator<Item = Call> + '_ {
        let receiving = match self.doing {
            Doing::Receiving(call) => Some(call),
            _ => None,
        };
        let ahead = self.orders.iter().filter_map(|order| match order {
            Order::Call(call) => Some(*call),
            Order::Leave => None,
        });
        receiving
            .into_iter()
            .chain(ahead)
            .filter(|call| self.cells[usize::from(call.cell)] == Cell::Sent)
    }

    /// Whether the worker has come to this task, or was already done with it.
    pub(super) fn has_reached(&self, id: u64) -> bool {
        let passed_over = |frame: &Frame| matches!(frame, Frame::Skipped(call) if call.id == id);
        self.named == id || self.unanswered.contains(&id) || self.out.iter().any(passed_over)
    }

    fn exits(&mut self, truth: &mut Truth) {
        self.exited = true;
        if let Doing::Running(call) = self.doing {
            truth.leaves(call.id);
        }
    }

    fn says(&mut self, frame: Frame, truth: &mut Truth) {
        if self.closed {
            self.exits(truth);
        } else {
            self.out.push_back(frame);
        }
    }

    /// Goes on a little.
    pub(super) fn step(&mut self, slot: usize, truth: &mut Truth, chance: &mut Chance, weather: &Weather) {
        if self.exited {
            return;
        }
        let term = self.term && !self.ignores_term;
        if (self.kill || term) && chance.one_in(3) {
            return self.exits(truth);
        }
        if self.hangs {
            return;
        }
        let starting = matches!(self.doing, Doing::Proving | Doing::Initializing);
        if chance.one_in(if starting {
            weather.crash_at_start
        } else {
            weather.crash
        }) {
            self.limit = chance.one_in(3);
            return self.exits(truth);
        }
        if chance.one_in(weather.hang) {
            self.hangs = true;
            return;
        }
        if !self.closed && chance.one_in(weather.garbage) {
            self.out.push_back(Frame::Garbage);
        }
        if !self.closed && chance.one_in(weather.close) {
            self.closed = true;
            self.out.push_back(Frame::End);
        }
        self.work(slot, truth, chance, weather);
    }

    fn work(&mut self, slot: usize, truth: &mut Truth, chance: &mut Chance, weather: &Weather) {
        match self.doing {
            Doing::Proving => {
                self.says(Frame::Proof, truth);
                self.doing = Doing::Initializing;
            }
            Doing::Initializing if chance.one_in(weather.refuse) => {
                self.says(Frame::Refused, truth);
                self.exits(truth);
            }
            Doing::Initializing => {
                self.says(Frame::Ready, truth);
                self.doing = Doing::Nothing;
            }
            Doing::Nothing => match self.orders.pop_front() {
                Some(Order::Call(call)) => {
                    self.named = call.id;
                    self.doing = Doing::Receiving(call);
                }
                Some(Order::Leave) => self.exits(truth),
                None => {
                    if self.closed && chance.one_in(4) {
                        self.exits(truth);
                    }
                }
            },
            Doing::Receiving(_) if chance.one_in(weather.slow_pipe) => {}
            Doing::Receiving(call) => {
                let cell = &mut self.cells[usize::from(call.cell)];
                if *cell == Cell::Sent {
                    *cell = Cell::Started;
                    let meant = self.ended_for == Some(call.id);
                    assert!(
                        !self.sealed || meant,
                        "task {} starts in worker {slot}, which is being ended for another",
                        call.id
                    );
                    truth.starts(call.id, call.attempt, slot);
                    self.unanswered.push(call.id);
                    self.ran += 1;
                    self.doing = Doing::Running(call);
                } else {
                    self.named = 0;
                    self.doing = Doing::Nothing;
                    self.says(Frame::Skipped(call), truth);
                }
            }
            Doing::Running(call) if chance.one_in(weather.length) => {
                let kind = match chance.below(8) {
                    0 => ResultKind::Failed,
                    _ if chance.one_in(weather.panic) => ResultKind::Panicked,
                    _ => ResultKind::Value,
                };
                self.says(Frame::Answer(call, kind), truth);
                if !self.exited {
                    truth.leaves(call.id);
                    self.doing = Doing::Sent;
                }
            }
            Doing::Running(_) => {}
            Doing::Sent => {
                self.named = 0;
                self.doing = Doing::Nothing;
            }
        }
    }
}

/// All processes, and what they do to the tasks.
pub(super) struct Machine {
    pub(super) processes: Vec<Option<Process>>,
    pub(super) truth: Truth,
    pub(super) chance: Chance,
    pub(super) weather: Weather,
}

impl Machine {
    /// Lets some processes go on.
    pub(super) fn run(&mut self, steps: u64) {
        for _ in 0..steps {
            let slot = self.chance.below(self.processes.len() as u64) as usize;
            if let Some(process) = &mut self.processes[slot] {
                process.step(slot, &mut self.truth, &mut self.chance, &self.weather);
            }
        }
    }
}

impl Recall for Machine {
    fn recall(&mut self, worker: usize, cell: u16) -> bool {
        // The workers do not wait while the core asks.
        let steps = self.chance.below(3);
        self.run(steps);
        let Some(process) = &mut self.processes[worker] else {
            return false;
        };
        if process.cells[usize::from(cell)] != Cell::Sent {
            return false;
        }
        process.cells[usize::from(cell)] = Cell::TakenBack;
        self.truth.task(process.sent[usize::from(cell)]).held = None;
        true
    }

    fn is_at(&mut self, worker: usize, cell: u16, id: u64) -> bool {
        self.has_reached(worker, cell, id)
    }

    fn has_reached(&mut self, worker: usize, cell: u16, id: u64) -> bool {
        let process = self.processes[worker].as_ref();
        process.is_some_and(|p| p.named == id || p.cells[usize::from(cell)] == Cell::Started)
    }
}
