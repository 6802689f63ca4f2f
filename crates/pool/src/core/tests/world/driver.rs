//! The driver's part in a played world: it reads what workers say, and carries out what the core has decided.

use super::World;
use crate::core::life::{Life, Why};
use crate::core::tests::process::{Call, Cell, Doing, Frame, Order, Process};
use crate::core::tests::truth::Outcome;
use crate::core::{Action, Answer, Cause, Ending, Key, ResultKind, State};

impl World {
    /// Reads some of what a worker has said.
    pub(super) fn read(&mut self, slot: usize, most: u64) {
        for _ in 0..most {
            let Some(process) = self.machine.processes[slot].as_mut().filter(|p| !p.unread) else {
                return;
            };
            match process.out.pop_front() {
                Some(frame) => self.hear(slot, frame),
                // The channel of a process that is gone is at its end.
                None if process.exited => self.hear(slot, Frame::End),
                None => return,
            }
        }
    }

    pub(super) fn hear(&mut self, slot: usize, frame: Frame) {
        match frame {
            Frame::Proof => {
                self.core.authenticated(slot);
                self.after();
            }
            Frame::Ready => {
                assert!(self.core.ready(self.now, slot), "it was expected to become ready");
                self.after();
                let usable = self.core.workers[slot].life == Life::Ready;
                self.process(slot).usable = usable;
            }
            Frame::Refused => {}
            Frame::Answer(call, kind) => self.hear_answer(slot, call, kind),
            Frame::Skipped(call) => {
                assert!(
                    self.core.skipped(self.now, slot, call.cell, call.id),
                    "{call:?} was taken back"
                );
                self.after();
            }
            Frame::Garbage => self.hear_garbage(slot),
            Frame::End => {
                let process = self.process(slot);
                (process.unread, process.usable) = (true, false);
                self.core.hung_up(self.now, slot);
                self.after();
            }
        }
    }

    fn hear_answer(&mut self, slot: usize, call: Call, kind: ResultKind) {
        let id = call.id;
        let answer = self.core.answered(self.now, slot, call.cell, id, kind);
        self.after();
        self.process(slot).unanswered.retain(|&other| other != id);
        let again = kind == ResultKind::Panicked
            && self.state < State::Stopping
            && !self.machine.truth.task(id).killed
            && self.machine.truth.may_try_again(id, Cause::Panicked);
        match answer {
            Answer::Outcome(key) => {
                assert!(!again, "task {id} had another attempt");
                assert_eq!(
                    self.keys[key as usize].take(),
                    Some(id),
                    "the outcome of another task"
                );
                self.machine.truth.ends(id, Outcome::Answered(kind), self.now);
                self.core.release(key);
                self.after();
            }
            Answer::Again(key) => {
                assert_eq!(self.keys[key as usize], Some(id), "the attempt of another task");
                assert!(again, "task {id} had no other attempt");
                self.machine.truth.tries_again(id, Cause::Panicked, self.now);
            }
            Answer::Violation => panic!("an honest answer to {call:?} is refused"),
        }
    }

    /// Something that a worker may not say; its channel is not read any further.
    fn hear_garbage(&mut self, slot: usize) {
        let head = self.core.workers[slot].sent.front().copied();
        let id = self.chance.below(self.machine.truth.tasks.len() as u64 + 2);
        let cell = self.chance.below(300) as u16;
        if head.is_none_or(|head| (head.id, head.cell) != (id, cell)) {
            let answer = self.core.answered(self.now, slot, cell, id, ResultKind::Value);
            assert_eq!(answer, Answer::Violation);
            assert!(!self.core.skipped(self.now, slot, cell, id));
        }
        match head {
            Some(head) if head.live => assert!(!self.core.skipped(self.now, slot, head.cell, head.id)),
            Some(head) => {
                let answer = self
                    .core
                    .answered(self.now, slot, head.cell, head.id, ResultKind::Value);
                assert_eq!(answer, Answer::Violation, "task {} was taken back", head.id);
            }
            None => {}
        }
        let process = self.process(slot);
        (process.unread, process.faulty, process.usable) = (true, true, false);
        self.core.fault(self.now, slot, &mut self.machine);
        self.after();
    }

    pub(super) fn process(&mut self, slot: usize) -> &mut Process {
        self.machine.processes[slot].as_mut().expect("there is a process")
    }

    /// Writing to a worker fails: what it was not sent yet it never gets, what it says is still read.
    pub(super) fn break_a_pipe(&mut self) {
        let slot = self.chance.below(self.machine.processes.len() as u64) as usize;
        let rate = self.machine.weather.broken_pipe;
        let Some(process) = self.machine.processes[slot].as_mut().filter(|p| p.usable) else {
            return;
        };
        if self.chance.one_in(rate) {
            let kept = self.chance.below(process.orders.len() as u64 + 1) as usize;
            process.orders.truncate(kept);
            process.usable = false;
            self.core.hung_up(self.now, slot);
            self.after();
        }
    }

    pub(super) fn carry_out(&mut self) {
        let mut actions = Vec::new();
        loop {
            self.core.take_actions(&mut actions);
            if actions.is_empty() {
                return;
            }
            let meant = std::mem::take(&mut self.meant);
            assert_eq!(actions.len(), meant.len());
            for (action, id) in actions.drain(..).zip(meant) {
                assert!(!self.closed, "{action:?} after the end");
                self.carry_out_one(action, id);
            }
        }
    }

    fn carry_out_one(&mut self, action: Action, id: u64) {
        match action {
            Action::Spawn { worker } => {
                assert!(
                    self.machine.processes[worker].is_none(),
                    "two processes in one slot"
                );
                assert!(self.state < State::Stopping, "a worker is started for nothing");
                if self.chance.one_in(self.machine.weather.refused_spawn) {
                    self.core
                        .start_refused(self.now, worker, "not now", &mut self.machine);
                    self.after();
                } else if self.replaces && self.chance.one_in(self.machine.weather.refused_spawn) {
                    // It would have been forked together with one whose start has failed.
                    self.core.postpone(self.now, worker);
                    self.after();
                } else {
                    if !self.replaces {
                        let before = std::mem::replace(&mut self.started[worker], true);
                        assert!(!before, "a worker that nobody may replace is replaced");
                    }
                    let mut process = Process::new();
                    process.ignores_term = self.chance.one_in(self.machine.weather.ignores_term);
                    self.machine.processes[worker] = Some(process);
                }
            }
            Action::Send {
                worker,
                key,
                cell,
                attempt,
            } => self.send(worker, key, Call { id, cell, attempt }),
            Action::Divide { .. } => panic!("no task of this world is divisible"),
            Action::Leave { worker } => {
                let process = self.process(worker);
                assert!(
                    process.unanswered.is_empty(),
                    "a worker is to leave in the middle of a task"
                );
                assert_eq!(process.startable().next(), None, "a worker is to leave its tasks");
                (process.usable, process.sealed) = (false, true);
                process.orders.push_back(Order::Leave);
            }
            Action::Weigh { worker } => {
                assert!(self.machine.processes[worker].is_some(), "nobody to weigh");
                let bytes = self.chance.below(10);
                self.core.weighed(worker, bytes);
                self.after();
            }
            Action::Terminate { worker } => self.terminate(worker),
            Action::Kill { worker } => self.kill_process(worker),
            Action::AskToStop { worker, id } => {
                assert!(
                    self.core.workers[worker]
                        .sent
                        .iter()
                        .any(|s| s.live && s.id == id)
                );
            }
            Action::Again { key, ending } => {
                assert_eq!(self.keys[key as usize], Some(id), "the attempt of another task");
                assert!(matches!(
                    ending,
                    Ending::Crashed(_) | Ending::TimedOut(_) | Ending::LimitExceeded(_)
                ));
            }
            Action::Complete { key, ending } => self.complete(key, id, &ending),
            Action::Broken { .. } => assert!(!std::mem::replace(&mut self.broken, true), "broken twice"),
            Action::Closed => self.closed = true,
        }
    }

    pub(super) fn send(&mut self, worker: usize, key: Key, call: Call) {
        assert!(
            self.state < State::Stopping,
            "a pool that stops sends task {}",
            call.id
        );
        assert_eq!(self.keys[key as usize], Some(call.id));
        let now = self.now;
        let task = self.machine.truth.task(call.id);
        assert_eq!(task.outcome, None, "task {} is sent after its outcome", call.id);
        assert_eq!(
            task.held.replace(worker),
            None,
            "task {} is with two workers",
            call.id
        );
        assert_eq!(task.attempt, call.attempt, "task {} is charged wrongly", call.id);
        assert!(!task.killed, "task {} is sent after it was killed", call.id);
        assert!(
            task.not_before <= now,
            "task {} is sent before its pause is over",
            call.id
        );
        let process = self.process(worker);
        assert!(process.usable, "worker {worker} is sent a task and is not ready");
        let (cell, index) = (call.cell, usize::from(call.cell));
        let under_way = process
            .orders
            .iter()
            .any(|order| matches!(order, Order::Call(c) if c.cell == cell));
        assert!(
            !under_way && process.cells[index] != Cell::Sent,
            "cell {cell} is in use"
        );
        (process.cells[index], process.sent[index]) = (Cell::Sent, call.id);
        process.orders.push_back(Order::Call(call));
    }

    /// TERM is for one task: no other is on the worker, nor can be from now on.
    fn terminate(&mut self, worker: usize) {
        let only = self.core.workers[worker]
            .sent
            .iter()
            .filter(|s| s.live)
            .map(|s| s.id)
            .collect::<Vec<_>>();
        let process = self.process(worker);
        assert_eq!(only.len(), 1, "a worker is ended with {only:?}");
        assert_eq!(
            process.startable().find(|c| c.id != only[0]),
            None,
            "another task may start and be hit"
        );
        if let Doing::Running(call) = process.doing {
            assert_eq!(call.id, only[0], "the signal hits task {}", call.id);
        }
        assert!(
            process.has_reached(only[0]),
            "task {} is ended before the worker came to it",
            only[0]
        );
        (process.term, process.usable, process.sealed) = (true, false, true);
        process.ended_for = Some(only[0]);
    }

    fn kill_process(&mut self, worker: usize) {
        let life = self.core.workers[worker].life;
        let Some(process) = &mut self.machine.processes[worker] else {
            return;
        };
        let Life::Ending { why, .. } = life else {
            panic!("worker {worker} is killed although it is {life:?}")
        };
        (process.kill, process.usable) = (true, false);
        if why != Why::Fault {
            let other = process.startable().find(|c| process.ended_for != Some(c.id));
            assert_eq!(other, None, "another task may start and be hit");
            process.sealed = true;
        }
        if let (Why::Killed | Why::TimedOut, Doing::Running(call)) = (why, process.doing) {
            assert_eq!(process.ended_for, Some(call.id), "the signal hits another task");
        }
    }

    fn complete(&mut self, key: Key, id: u64, ending: &Ending) {
        assert_eq!(
            self.keys[key as usize].take(),
            Some(id),
            "the outcome of another task"
        );
        let truth = self.machine.truth.task(id);
        let outcome = match ending {
            Ending::Crashed(ran)
            | Ending::LimitExceeded(ran)
            | Ending::TimedOut(ran)
            | Ending::Killed(ran) => {
                assert_eq!(ran.attempt, truth.attempt);
                let (ended_for, state) = self.last_end[ran.worker].clone();
                let (outcome, cause) = match ending {
                    Ending::Crashed(_) => (Outcome::Crashed, Some(Cause::Crashed)),
                    Ending::LimitExceeded(_) => (Outcome::LimitExceeded, Some(Cause::LimitExceeded)),
                    Ending::TimedOut(_) => (Outcome::TimedOut, Some(Cause::TimedOut)),
                    _ => (Outcome::Killed, None),
                };
                let meant = ended_for == Some(id);
                match outcome {
                    Outcome::Crashed | Outcome::LimitExceeded => {
                        assert!(!meant && !self.terminated, "task {id} was ended on purpose");
                    }
                    Outcome::TimedOut => assert!(meant, "task {id} did not time out"),
                    _ => assert!(truth.killed || self.terminated, "nobody has killed task {id}"),
                }
                let again = cause.is_some_and(|cause| self.machine.truth.may_try_again(id, cause));
                assert!(
                    !again || state >= State::Stopping,
                    "task {id} had another attempt"
                );
                outcome
            }
            Ending::Cancelled => Outcome::Cancelled,
            Ending::Expired => Outcome::Expired,
            Ending::Broken(_) => {
                assert!(self.broken, "the pool is not broken");
                Outcome::Broken
            }
        };
        self.machine.truth.ends(id, outcome, self.now);
        self.core.release(key);
        self.after();
    }
}
