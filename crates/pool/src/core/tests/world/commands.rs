//! What a user does in a played world.

use std::time::Duration;

use super::World;
use crate::core::life::Life;
use crate::core::retry::{Cause, Retry};
use crate::core::tasks::Place;
use crate::core::tests::process::Call;
use crate::core::tests::truth::Chance;
use crate::core::{Load, Placement, Policy, State};

impl World {
    /// What was pushed since the last turn.
    pub(super) fn commands(&mut self) {
        for _ in 0..self.chance.below(4) {
            match self.chance.below(1000) {
                0..=649 => {
                    for _ in 0..1 + self.chance.below(4) {
                        self.submit();
                    }
                }
                650..=779 => self.cancel(),
                780..=899 => self.kill(),
                900..=991 => self.interrupt(),
                992..=994 if self.chance.one_in(2) => self.resize(),
                992..=994 => self.end_somehow(),
                _ => self.machine.run(3),
            }
        }
    }

    fn submit(&mut self) {
        if self.core.live as u64 >= self.most_live {
            return;
        }
        let id = self.machine.truth.tasks.len() as u64 + 1;
        let size = if self.chance.one_in(8) {
            1 << 20
        } else {
            self.chance.below(2000) as u32
        };
        let policy = self.policy();
        // Between turns, with everything that was decided carried out, some are given away at once.
        let between = self.core.actions.is_empty() && self.chance.one_in(2);
        let (key, placement) = if between {
            self.core
                .submit_now(id, size, policy.clone().map(Box::new))
                .unzip()
        } else {
            (self.core.submit(id, size, policy.clone().map(Box::new)), None)
        };
        assert_eq!(
            key.is_some(),
            self.state == State::Running,
            "accepted in {:?}",
            self.state
        );
        if let Some(key) = key {
            let index = key as usize;
            if index == self.keys.len() {
                self.keys.push(None);
            }
            assert_eq!(self.keys[index].replace(id), None, "a key is given away twice");
            self.machine.truth.accept(key, policy, self.now);
            if let Some(Placement::Sent { worker, cell, load }) = placement {
                if load == Load::Nothing {
                    self.core.begins(self.now, worker);
                }
                self.send(worker, key, Call { id, cell, attempt: 1 });
            }
        }
        self.after();
    }

    fn policy(&mut self) -> Option<Policy> {
        let chance = &mut self.chance;
        if chance.one_in(2) {
            return None;
        }
        let timeout = chance
            .one_in(2)
            .then(|| Duration::from_millis(1 + chance.below(100)));
        let retry = chance.one_in(2).then(|| retry(chance));
        let delay = chance.one_in(8).then(|| Duration::from_millis(chance.below(60)));
        let patience = chance
            .one_in(6)
            .then(|| Duration::from_micros(chance.below(60_000)));
        let not_before = delay.map(|d| self.now + d);
        let priority = if self.priorities && chance.one_in(2) {
            chance.below(5) as i32 - 2
        } else {
            0
        };
        Some(Policy {
            timeout,
            retry,
            priority,
            not_before,
            start_by: patience.map(|d| not_before.unwrap_or(self.now) + d),
            salt: chance.next(),
            ..Policy::default()
        })
    }

    /// One of the youngest tasks, as the driver knows it: `None` once it has ended.
    fn some_task(&mut self) -> Option<u64> {
        let tasks = self.machine.truth.tasks.len() as u64;
        let id = tasks
            - self
                .chance
                .below(tasks.min(self.most_live + 10).max(1))
                .min(tasks);
        let key = if id == 0 {
            return None;
        } else {
            self.machine.truth.task(id).key
        };
        (self.keys[key as usize] == Some(id)).then_some(id)
    }

    fn cancel(&mut self) {
        let Some(id) = self.some_task() else { return };
        let key = self.machine.truth.task(id).key;
        let cancelled = self.core.cancel(key, &mut self.machine);
        self.after();
        let truth = self.machine.truth.task(id);
        let has_ended = self.core.task(key).is_some_and(|t| t.place == Place::Ended);
        if !cancelled && !has_ended {
            assert_eq!(
                truth.started, truth.attempt,
                "task {id} has not started and could not be cancelled"
            );
        }
        self.carry_out();
        assert_eq!(
            self.keys[key as usize].is_none(),
            cancelled || has_ended,
            "cancelled or not, not both"
        );
    }

    fn kill(&mut self) {
        let Some(id) = self.some_task() else { return };
        let key = self.machine.truth.task(id).key;
        let killed = self.core.kill(self.now, key, &mut self.machine);
        self.after();
        self.machine.truth.task(id).killed |= killed;
        self.carry_out();
    }

    fn interrupt(&mut self) {
        let Some(id) = self.some_task() else { return };
        let key = self.machine.truth.task(id).key;
        self.core.interrupt(key);
        self.after();
        self.carry_out();
    }

    fn resize(&mut self) {
        if !self.replaces {
            return;
        }
        let workers = self.chance.below(7) as usize;
        let places = workers.max(self.machine.processes.len());
        self.machine.processes.resize_with(places, || None);
        self.last_end.resize(places, (None, State::Running));
        let there = |world: &World| {
            let there = world.core.workers.iter().enumerate();
            let ready = there.filter(|(_, w)| w.life == Life::Ready && !w.retires && w.stays);
            ready.map(|(at, _)| at).collect::<Vec<_>>()
        };
        let before = there(self);
        self.core.resize(self.now, workers, &mut self.machine);
        self.after();
        let after = there(self);
        if self.state < State::Stopping && before.len() <= workers {
            assert!(
                before.iter().all(|at| after.contains(at)),
                "a worker leaves although there are to be more"
            );
        }
        self.carry_out();
    }

    /// One of the ways to end a pool; they may follow one another.
    pub(super) fn end_somehow(&mut self) {
        match self.chance.below(5) {
            0 | 1 => {
                let live = self.core.live;
                self.core.shut_down(false, &mut self.machine);
                assert_eq!(self.core.live, live, "a pool that drains drops nothing");
            }
            2 | 3 => self.core.shut_down(true, &mut self.machine),
            _ => {
                self.terminated = true;
                self.core.terminate(self.now, &mut self.machine);
            }
        }
        self.after();
    }
}

fn retry(chance: &mut Chance) -> Retry {
    let all = [
        Cause::Crashed,
        Cause::TimedOut,
        Cause::Panicked,
        Cause::LimitExceeded,
    ];
    let causes = all.into_iter().filter(|_| chance.one_in(2)).collect::<Vec<_>>();
    let first = if chance.one_in(2) {
        Duration::ZERO
    } else {
        Duration::from_millis(chance.below(40))
    };
    Retry::times(chance.below(6) as u32)
        .on(causes)
        .backoff(first, 2.0, Duration::from_millis(100))
        .jitter(chance.below(3) as f64 / 2.0)
        .crash_limit(1 + chance.below(5) as u32)
}
