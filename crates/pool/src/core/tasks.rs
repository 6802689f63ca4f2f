//! What the core knows of a task, and where tasks come and go.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use pexec_proto::Limits;

use super::workers::{Life, Why};
use super::{Action, Cause, Core, Ending, Placement, Recall, Retry, State};

/// Longer than any pool lives.
const FOR_EVER: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

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

/// An end of the queue.
#[derive(Clone, Copy)]
pub(super) enum End {
    Front,
    Back,
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

/// A retry that waits for its instant; the heap gives the earliest first, equal ones in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delayed {
    pub(super) at: Instant,
    pub(super) order: u32,
    pub(super) key: Key,
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
    /// The task runs again; the answer is dropped.
    Again,
    /// No such task is with that worker: the worker is not to be trusted.
    Violation,
}

impl Core {
    /// Accepts a task; `None` when nothing is accepted any more.
    pub(crate) fn submit(&mut self, id: u64, size: u32, policy: Option<Box<Policy>>) -> Option<Key> {
        let key = self.accept(id, size, policy)?;
        self.enqueue(key, End::Back);
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
        let key = self.accept(id, size, policy)?;
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
        let timed = policy.as_ref().is_some_and(|p| p.timeout.is_some());
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
            return Answer::Again;
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

    /// Takes a task back that has not started, for good.
    pub(crate) fn cancel(&mut self, key: Key, recall: &mut dyn Recall) -> bool {
        let taken = match self.task(key).map(|t| t.place) {
            Some(Place::Queued { .. }) => {
                self.queued -= 1;
                true
            }
            Some(Place::Delayed { .. }) => true,
            Some(Place::Sent { worker }) => self.take_back(worker as usize, key, recall),
            Some(Place::Ended) | None => false,
        };
        if taken {
            self.complete(key, Ending::Cancelled);
            self.drop_left_overs();
        }
        taken
    }

    /// Left-over entries are passed over when their turn comes. That may be far off while a long task runs, so they
    /// go as soon as they are most of what is there: a step now and then that pays for itself.
    fn drop_left_overs(&mut self) {
        const FEW: usize = 64;
        let tasks = &self.tasks;
        let is_at = |key: Key, place| {
            tasks
                .get(key as usize)
                .and_then(Option::as_ref)
                .is_some_and(|t| t.place == place)
        };
        if self.queue.len() > 2 * self.queued + FEW {
            self.queue
                .retain(|&(key, ticket)| is_at(key, Place::Queued { ticket }));
        }
        if self.delayed.len() > 2 * self.live + FEW {
            self.delayed
                .retain(|d| is_at(d.key, Place::Delayed { order: d.order }));
        }
    }

    /// Ends a task: a waiting one as `cancel` does, a running one with its worker.
    pub(crate) fn kill(&mut self, now: Instant, key: Key, recall: &mut dyn Recall) -> bool {
        if self.cancel(key, recall) {
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
        let Some(retry) = task.policy.as_ref().and_then(|p| p.retry.as_ref()) else {
            return false;
        };
        if !retry.again(task.attempt, cause) {
            return false;
        }
        let pause = retry.pause(task.attempt);
        task.attempt += 1;
        if pause.is_zero() {
            self.enqueue(key, End::Back);
        } else {
            // A pause that no clock can express is a long one, not none.
            let at = now
                .checked_add(pause)
                .or_else(|| now.checked_add(FOR_EVER))
                .unwrap_or(now);
            self.delays = self.delays.wrapping_add(1);
            task.place = Place::Delayed { order: self.delays };
            self.delayed.push(Delayed {
                at,
                order: self.delays,
                key,
            });
        }
        true
    }

    /// Puts a task that was sent and had not started in front of the queue again.
    pub(super) fn requeue(&mut self, key: Key) {
        self.enqueue(key, End::Front);
    }

    /// Puts a task that is nowhere into the queue.
    pub(super) fn enqueue(&mut self, key: Key, end: End) {
        self.tickets = self.tickets.wrapping_add(1);
        let ticket = self.tickets;
        let Some(task) = self.tasks.get_mut(key as usize).and_then(Option::as_mut) else {
            return;
        };
        task.place = Place::Queued { ticket };
        self.queued += 1;
        match end {
            End::Front => self.queue.push_front((key, ticket)),
            End::Back => self.queue.push_back((key, ticket)),
        }
    }

    /// Takes the first task out of the queue.
    pub(super) fn dequeue(&mut self) -> Option<Key> {
        while let Some((key, ticket)) = self.queue.pop_front() {
            if self
                .task(key)
                .is_some_and(|t| t.place == Place::Queued { ticket })
            {
                self.queued -= 1;
                return Some(key);
            }
        }
        None
    }

    /// The task has ended and leaves the core's books, all but its key.
    pub(super) fn end(&mut self, key: Key) {
        if let Some(task) = self.task_mut(key)
            && task.place != Place::Ended
        {
            task.place = Place::Ended;
            let timed = task.policy.as_ref().is_some_and(|p| p.timeout.is_some());
            self.live -= 1;
            self.timed -= usize::from(timed);
        }
    }

    /// The task has ended without an answer.
    pub(super) fn complete(&mut self, key: Key, ending: Ending) {
        match ending {
            Ending::Cancelled => self.counts.cancelled += 1,
            _ => self.counts.failed += 1,
        }
        self.end(key);
        self.actions.push(Action::Complete { key, ending });
    }

    /// Ends every task that no worker has started.
    pub(super) fn end_what_has_not_started(&mut self, ending: &Ending, recall: &mut dyn Recall) {
        for worker in 0..self.workers.len() {
            for key in self.recall_all(worker, recall) {
                self.complete(key, ending.clone());
            }
        }
        while let Some(key) = self.dequeue() {
            self.complete(key, ending.clone());
        }
        while let Some(Delayed { key, order, .. }) = self.delayed.pop() {
            if self.is_delayed(key, order) {
                self.complete(key, ending.clone());
            }
        }
    }

    /// Whether the heap's entry still means this task: it may have been cancelled and its key used again.
    pub(super) fn is_delayed(&self, key: Key, order: u32) -> bool {
        self.task(key)
            .is_some_and(|t| t.place == Place::Delayed { order })
    }
}
