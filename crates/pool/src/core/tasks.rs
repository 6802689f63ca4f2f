//! What the core knows of a task, and where tasks come and go.

use std::time::{Duration, Instant};

use pexec_proto::Limits;

use super::life::{Life, Why};
use super::queue::{End, after};
use super::{Action, Cause, Core, Ending, Placement, Recall, Retry, State};

/// A task's place in the core's table, dense and used again.
pub(crate) type Key = u32;

/// What a task asked for, where it asked for anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Policy {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    /// What it may use, instead of what the pool's tasks may.
    pub(crate) limits: Option<Limits>,
    /// It is several items, and may be cut between two of them.
    pub(crate) divisible: bool,
    /// Those with a higher one start first.
    pub(crate) priority: i32,
    /// It is not handed out before.
    pub(crate) not_before: Option<Instant>,
    /// It ends unless it has started by then.
    pub(crate) start_by: Option<Instant>,
    /// What the jitter of its pauses follows from, beside its id.
    pub(crate) salt: u64,
    /// Its turn among those of its priority; the core's own to set.
    pub(crate) turn: u64,
    /// Workers that it has crashed; likewise.
    pub(crate) crashes: u32,
}

impl Policy {
    /// For a task of several items.
    pub(crate) fn divisible() -> Policy {
        Policy {
            divisible: true,
            ..Policy::default()
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// In the queue, at the entry that has this ticket; other entries with its key are left-overs.
    Queued {
        ticket: u32,
    },
    /// In the heap, at the entry that has this order; likewise.
    Delayed {
        order: u32,
    },
    Sent {
        worker: u32,
    },
    /// Ended; the driver has not given the key back yet.
    Ended,
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) id: u64,
    pub(super) place: Place,
    pub(super) attempt: u32,
    /// Bytes of the argument: large ones are not sent ahead in numbers.
    pub(super) size: u32,
    pub(super) policy: Option<Box<Policy>>,
}

impl Task {
    pub(super) fn priority(&self) -> i32 {
        self.policy.as_ref().map_or(0, |p| p.priority)
    }
}

/// What a worker's answer says, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResultKind {
    /// A value.
    Value,
    /// The function panicked.
    Panicked,
    /// Any other failure of a living worker.
    Failed,
}

/// What to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is this task's outcome; then give the key back.
    Outcome(Key),
    /// It is the end of this task's attempt; the task runs again.
    Again(Key),
    /// No such task is with that worker: the worker is not to be trusted.
    Violation,
}

impl Core {
    /// Accepts a task; `None` when nothing is accepted any more.
    pub(crate) fn submit(&mut self, id: u64, size: u32, policy: Option<Box<Policy>>) -> Option<Key> {
        let delayed = policy.as_ref().and_then(|p| p.not_before);
        let key = self.accept(id, size, policy)?;
        match delayed {
            Some(at) => self.delay(key, at),
            None => self.enqueue(key, End::Back),
        }
        Some(key)
    }

    /// Between turns: accepts a task and gives it to a worker at once, if none waits before it and one has room. What
    /// that costs does not depend on the number of workers. It is for the caller to send it.
    pub(crate) fn submit_now(
        &mut self,
        id: u64,
        size: u32,
        policy: Option<Box<Policy>>,
    ) -> Option<(Key, Placement)> {
        let delayed = policy.as_ref().and_then(|p| p.not_before);
        let key = self.accept(id, size, policy)?;
        if let Some(at) = delayed {
            self.delay(key, at);
            return Some((key, Placement::Queued));
        }
        let placement = self.place(key);
        if placement == Placement::Queued {
            self.enqueue(key, End::Back);
        }
        Some((key, placement))
    }

    /// Accepts what was cut off a task: in front of the others, and also when nothing new is accepted. `None`: nothing
    /// more is started.
    pub(crate) fn submit_rest(&mut self, id: u64, size: u32, policy: Option<Box<Policy>>) -> Option<Key> {
        if self.state >= State::Stopping {
            return None;
        }
        let key = self.enter(id, size, policy)?;
        self.enqueue(key, End::Front);
        Some(key)
    }

    /// A divisible task has ended for one of its items, and goes on with the next: in front of the others, uncharged.
    /// False: nothing more is started.
    pub(crate) fn resume(&mut self, key: Key) -> bool {
        if self.state >= State::Stopping {
            return false;
        }
        let Some(task) = self.task_mut(key).filter(|t| t.place == Place::Ended) else {
            return false;
        };
        task.attempt = 1;
        let timed = task.policy.as_ref().is_some_and(|p| p.timeout.is_some());
        // What is divisible has no priority.
        debug_assert_eq!(task.priority(), 0);
        self.live += 1;
        self.timed += usize::from(timed);
        self.enqueue(key, End::Front);
        true
    }

    /// A divisible task goes on with this id.
    pub(crate) fn renumber(&mut self, key: Key, id: u64) {
        if let Some(task) = self.task_mut(key) {
            task.id = id;
        }
    }

    /// So many more items were answered for than tasks.
    pub(crate) fn count_items(&mut self, worker: usize, items: u64) {
        self.counts.done += items;
        self.workers[worker].tasks_done += items;
    }

    fn accept(&mut self, id: u64, size: u32, policy: Option<Box<Policy>>) -> Option<Key> {
        if self.accepts() {
            self.enter(id, size, policy)
        } else {
            None
        }
    }

    fn enter(&mut self, id: u64, size: u32, policy: Option<Box<Policy>>) -> Option<Key> {
        let (timed, ranked, start_by) = match &policy {
            Some(p) => (p.timeout.is_some(), p.priority != 0, p.start_by),
            None => (false, false, None),
        };
        let task = Task {
            id,
            place: Place::Ended,
            attempt: 1,
            size,
            policy,
        };
        let key = match self.free.pop() {
            Some(key) => {
                self.tasks[key as usize] = Some(task);
                key
            }
            None => {
                let key = Key::try_from(self.tasks.len()).ok()?;
                self.tasks.push(Some(task));
                key
            }
        };
        self.live += 1;
        self.timed += usize::from(timed);
        self.with_priority += usize::from(ranked);
        if let Some(at) = start_by {
            self.expect_start(key, id, at);
        }
        Some(key)
    }

    pub(super) fn task(&self, key: Key) -> Option<&Task> {
        self.tasks.get(key as usize)?.as_ref()
    }

    /// The time limit of a task that has not ended.
    pub(crate) fn timeout(&self, key: Key) -> Option<Duration> {
        self.task(key)?.policy.as_ref()?.timeout
    }

    /// The task's own limits.
    pub(crate) fn limits(&self, key: Key) -> Option<Limits> {
        self.task(key)?.policy.as_ref()?.limits
    }

    pub(super) fn task_mut(&mut self, key: Key) -> Option<&mut Task> {
        self.tasks.get_mut(key as usize)?.as_mut()
    }

    /// The driver has put the outcome down: the key may be used again. No action that is decided by now names it: a
    /// task has one end, and nothing else is decided of it later.
    pub(crate) fn release(&mut self, key: Key) {
        if let Some(place) = self.tasks.get_mut(key as usize)
            && place.take().is_some()
        {
            self.free.push(key);
        }
    }

    /// A worker's answer for the task that it was sent in this cell.
    pub(crate) fn answered(
        &mut self,
        now: Instant,
        worker: usize,
        cell: u16,
        id: u64,
        kind: ResultKind,
    ) -> Answer {
        let Some(sent) = self.workers[worker].sent.front().copied() else {
            return Answer::Violation;
        };
        if sent.cell != cell || sent.id != id || !sent.live {
            return Answer::Violation;
        }
        let size = self.task(sent.key).map_or(0, |t| t.size);
        self.pop_front(now, worker, size);
        self.idle_deaths = 0;
        self.time_head(worker);
        // Whoever was told that the task is being killed is not to see it start again because it panicked over that.
        let killed = matches!(self.workers[worker].life, Life::Ending { why: Why::Killed, .. });
        if kind == ResultKind::Panicked && !killed && self.tries_again(now, sent.key, Cause::Panicked) {
            return Answer::Again(sent.key);
        }
        self.workers[worker].tasks_done += 1;
        match kind {
            ResultKind::Value => self.counts.done += 1,
            ResultKind::Panicked | ResultKind::Failed => self.counts.failed += 1,
        }
        self.end(sent.key);
        Answer::Outcome(sent.key)
    }

    /// A worker has passed over a task that was taken back. False: there was none.
    pub(crate) fn skipped(&mut self, now: Instant, worker: usize, cell: u16, id: u64) -> bool {
        let Some(sent) = self.workers[worker].sent.front().copied() else {
            return false;
        };
        if sent.cell != cell || sent.id != id || sent.live {
            return false;
        }
        self.pop_front(now, worker, 0);
        self.time_head(worker);
        true
    }

    /// Takes a task back that has not started, for good. One that waits for another attempt ends too, but it has
    /// started before: that is a no.
    pub(crate) fn cancel(&mut self, key: Key, recall: &mut dyn Recall) -> bool {
        let first = self.task(key).is_some_and(|t| t.attempt == 1);
        self.withdraw(key, &Ending::Cancelled, recall) && first
    }

    /// Ends a task whose attempt has not started. False: it has, or the task has ended.
    pub(super) fn withdraw(&mut self, key: Key, ending: &Ending, recall: &mut dyn Recall) -> bool {
        let taken = match self.task(key).map(|t| t.place) {
            Some(Place::Queued { .. }) => {
                self.leave_queue(key);
                true
            }
            Some(Place::Delayed { .. }) => true,
            Some(Place::Sent { worker }) => self.take_back(worker as usize, key, recall),
            Some(Place::Ended) | None => false,
        };
        if taken {
            self.complete(key, ending.clone());
            self.drop_left_overs();
        }
        taken
    }

    /// Ends a task: a waiting one as `cancel` does, a running one with its worker.
    pub(crate) fn kill(&mut self, now: Instant, key: Key, recall: &mut dyn Recall) -> bool {
        if self.withdraw(key, &Ending::Cancelled, recall) {
            return true;
        }
        match self.task(key).map(|t| t.place) {
            Some(Place::Sent { worker }) => self.end_running(now, worker as usize, key, Why::Killed, recall),
            _ => false,
        }
    }

    /// The worker that runs this task, and its cell there.
    pub(crate) fn place_of(&self, key: Key) -> Option<(usize, u16)> {
        let Place::Sent { worker } = self.task(key)?.place else {
            return None;
        };
        let worker = worker as usize;
        let head = self.workers[worker].head().filter(|sent| sent.key == key)?;
        Some((worker, head.cell))
    }

    /// The task with this id, if it is the one that this worker runs.
    pub(crate) fn running(&self, worker: usize, id: u64) -> Option<Key> {
        self.workers[worker]
            .head()
            .filter(|sent| sent.id == id)
            .map(|sent| sent.key)
    }

    /// Asks a running task to stop. False: it does not run.
    pub(crate) fn interrupt(&mut self, key: Key) -> bool {
        let Some(&Task {
            id,
            place: Place::Sent { worker },
            ..
        }) = self.task(key)
        else {
            return false;
        };
        let worker = worker as usize;
        let head = self.workers[worker].head().is_some_and(|sent| sent.key == key);
        if head {
            self.actions.push(Action::AskToStop { worker, id });
        }
        head
    }

    /// Queues the task again if its policy says so; its attempt is charged.
    pub(super) fn tries_again(&mut self, now: Instant, key: Key, cause: Cause) -> bool {
        if self.state >= State::Stopping {
            return false;
        }
        let Some(task) = self.tasks.get_mut(key as usize).and_then(Option::as_mut) else {
            return false;
        };
        let Some(policy) = task.policy.as_mut() else {
            return false;
        };
        policy.crashes += u32::from(cause == Cause::Crashed);
        let Some(retry) = &policy.retry else { return false };
        if !retry.again(task.attempt, cause, policy.crashes) {
            return false;
        }
        let pause = retry.pause(task.attempt, policy.salt ^ task.id);
        task.attempt += 1;
        if pause.is_zero() {
            self.enqueue(key, End::Back);
        } else {
            self.delay(key, after(now, pause));
        }
        true
    }

    /// The task has ended and leaves the core's books, all but its key.
    pub(super) fn end(&mut self, key: Key) {
        if let Some(task) = self.task_mut(key)
            && task.place != Place::Ended
        {
            task.place = Place::Ended;
            let (timed, ranked) = match &task.policy {
                Some(p) => (p.timeout.is_some(), p.priority != 0),
                None => (false, false),
            };
            self.live -= 1;
            self.timed -= usize::from(timed);
            self.with_priority -= usize::from(ranked);
        }
    }

    /// The task has ended without an answer.
    pub(super) fn complete(&mut self, key: Key, ending: Ending) {
        // What was tried before ends as its last attempt did.
        let fresh = self.task(key).is_some_and(|t| t.attempt == 1);
        match ending {
            Ending::Cancelled if fresh => self.counts.cancelled += 1,
            _ => self.counts.failed += 1,
        }
        self.end(key);
        self.actions.push(Action::Complete { key, ending });
    }
}
