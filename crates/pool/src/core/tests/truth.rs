//! What truly happens to the tasks of a played world, whatever the core believes; every contradiction to what the
//! pool promises is a panic here.

use std::time::Instant;

use crate::core::retry::Cause;
use crate::core::{Key, Policy, ResultKind};

/// A generator of xorshift kind (Marsaglia 2003, shifts 13, 7, 17), so that a seed is a whole history.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        // Neighbouring seeds are to have nothing in common; zero would stay zero.
        Chance(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number under `n`, which is not 0.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    /// Once in `n` times; 0: never.
    pub(super) fn one_in(&mut self, n: u64) -> bool {
        n != 0 && self.below(n) == 0
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Answered(ResultKind),
    Crashed,
    LimitExceeded,
    TimedOut,
    Killed,
    Cancelled,
    Expired,
    Broken,
}

#[derive(Debug)]
pub(super) struct TaskTruth {
    pub(super) key: Key,
    pub(super) policy: Option<Policy>,
    /// The attempt that is due or under way, by what the causes so far have earned.
    pub(super) attempt: u32,
    /// The last attempt that started.
    pub(super) started: u32,
    /// It may not be sent before.
    pub(super) not_before: Instant,
    /// Workers that it has crashed.
    pub(super) crashes: u32,
    /// The worker that was sent it and has neither answered nor lost it.
    pub(super) held: Option<usize>,
    /// The worker in which it runs.
    pub(super) runs_in: Option<usize>,
    /// Somebody was told that it is being killed.
    pub(super) killed: bool,
    pub(super) outcome: Option<Outcome>,
}

/// All tasks that were accepted; ids count from 1.
#[derive(Default)]
pub(super) struct Truth {
    pub(super) tasks: Vec<TaskTruth>,
}

impl Truth {
    pub(super) fn accept(&mut self, key: Key, policy: Option<Policy>, now: Instant) {
        let not_before = policy.as_ref().and_then(|p| p.not_before).unwrap_or(now);
        self.tasks.push(TaskTruth {
            key,
            policy,
            attempt: 1,
            started: 0,
            not_before,
            crashes: 0,
            held: None,
            runs_in: None,
            killed: false,
            outcome: None,
        });
    }

    pub(super) fn task(&mut self, id: u64) -> &mut TaskTruth {
        &mut self.tasks[id as usize - 1]
    }

    /// A worker enters the task's function.
    pub(super) fn starts(&mut self, id: u64, attempt: u32, worker: usize) {
        let task = self.task(id);
        assert_eq!(task.outcome, None, "task {id} starts after its outcome");
        assert_eq!(task.runs_in, None, "task {id} runs in two workers");
        assert_eq!(
            task.attempt, attempt,
            "task {id} starts with another attempt's number"
        );
        assert!(
            task.started < attempt,
            "attempt {attempt} of task {id} starts twice"
        );
        assert!(
            !task.killed || task.held == Some(worker),
            "task {id} starts again after it was killed"
        );
        (task.started, task.runs_in) = (attempt, Some(worker));
    }

    /// The function has returned, or its process is gone.
    pub(super) fn leaves(&mut self, id: u64) {
        self.task(id).runs_in = None;
    }

    /// An attempt ended for this cause, and another one follows.
    pub(super) fn tries_again(&mut self, id: u64, cause: Cause, now: Instant) {
        let task = self.task(id);
        assert!(!task.killed, "task {id} is tried again after it was killed");
        task.crashes += u32::from(cause == Cause::Crashed);
        let policy = task.policy.as_ref();
        let (salt, retry) = policy.map_or((0, None), |p| (p.salt, p.retry.as_ref()));
        let retry = retry.unwrap_or_else(|| panic!("task {id} has no retries and is tried again"));
        assert!(
            retry.again(task.attempt, cause, task.crashes),
            "task {id} is tried again for {cause:?} or once too often"
        );
        task.not_before = now + retry.pause(task.attempt, salt ^ id);
        task.attempt += 1;
        task.held = None;
    }

    /// Whether the task's policy grants another attempt after this cause.
    pub(super) fn may_try_again(&mut self, id: u64, cause: Cause) -> bool {
        let task = self.task(id);
        let retry = task.policy.as_ref().and_then(|p| p.retry.as_ref());
        let crashes = task.crashes + u32::from(cause == Cause::Crashed);
        retry.is_some_and(|retry| retry.again(task.attempt, cause, crashes))
    }

    pub(super) fn ends(&mut self, id: u64, outcome: Outcome, now: Instant) {
        let task = self.task(id);
        assert_eq!(
            task.outcome, None,
            "task {id} ends twice, the second time as {outcome:?}"
        );
        match outcome {
            Outcome::Cancelled | Outcome::Broken => {
                assert!(
                    task.started < task.attempt,
                    "task {id} is {outcome:?} although its attempt started"
                );
            }
            Outcome::Expired => {
                assert_eq!(task.started, 0, "task {id} has started and expires");
                let start_by = task.policy.as_ref().and_then(|p| p.start_by);
                assert!(
                    start_by.is_some_and(|at| at <= now),
                    "task {id} expires too early"
                );
            }
            Outcome::TimedOut => {
                assert!(
                    task.policy.as_ref().is_some_and(|p| p.timeout.is_some()),
                    "task {id} had no timeout"
                );
                assert!(!task.killed, "task {id} was killed, not timed out");
            }
            Outcome::Killed | Outcome::Crashed | Outcome::LimitExceeded | Outcome::Answered(_) => {}
        }
        task.outcome = Some(outcome);
        task.held = None;
    }
}
