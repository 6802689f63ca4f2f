//! A core with workers that do what a test tells them, step by step.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::core::{
    Action, Answer, Config, Core, Departure, Ending, Key, Policy, Recall, Recycle, ResultKind, Retry, Size,
};

/// The pages of all workers.
#[derive(Default)]
pub(super) struct Pages {
    /// Whether the task in a slot's cell has started; none: it was taken back.
    started: BTreeMap<(usize, u16), bool>,
    /// The task that a slot's worker names.
    named: BTreeMap<usize, u64>,
}

impl Pages {
    /// The worker is further than anybody has heard: this task has started as well.
    pub(super) fn start_also(&mut self, worker: usize, cell: u16) {
        self.started.insert((worker, cell), true);
    }

    /// The worker names this task in its page.
    pub(super) fn names(&mut self, worker: usize, id: u64) {
        self.named.insert(worker, id);
    }
}

impl Recall for Pages {
    fn recall(&mut self, worker: usize, cell: u16) -> bool {
        let waits = self.started.get(&(worker, cell)) == Some(&false);
        if waits {
            self.started.remove(&(worker, cell));
        }
        waits
    }

    fn is_at(&mut self, worker: usize, cell: u16, id: u64) -> bool {
        self.has_reached(worker, cell, id)
    }

    fn has_reached(&mut self, worker: usize, cell: u16, id: u64) -> bool {
        self.named.get(&worker) == Some(&id) || self.started.get(&(worker, cell)) == Some(&true)
    }
}

pub(super) struct Rig {
    pub(super) core: Core,
    pub(super) now: Instant,
    pub(super) pages: Pages,
    ids: u64,
}

pub(super) fn config(workers: usize) -> Config {
    Config {
        size: Size::of(workers),
        idle_timeout: Duration::from_secs(10),
        recycle: Recycle::default(),
        kill_grace: Duration::from_millis(200),
        restart_limit: None,
        handshake_limit: Duration::from_secs(5),
        replaces: true,
    }
}

pub(super) fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

pub(super) fn with_timeout(timeout: Duration) -> Policy {
    Policy {
        timeout: Some(timeout),
        ..Policy::default()
    }
}

pub(super) fn with_retry(retry: Retry) -> Policy {
    Policy {
        retry: Some(retry),
        ..Policy::default()
    }
}

pub(super) fn with_priority(priority: i32) -> Policy {
    Policy {
        priority,
        ..Policy::default()
    }
}

impl Rig {
    /// A pool whose workers are being started.
    pub(super) fn starting(config: Config) -> Rig {
        let now = Instant::now();
        let mut rig = Rig {
            core: Core::new(config, now),
            now,
            pages: Pages::default(),
            ids: 0,
        };
        rig.turn();
        rig
    }

    /// A pool whose workers are ready.
    pub(super) fn ready(workers: usize) -> Rig {
        let mut rig = Rig::starting(config(workers));
        (0..workers).for_each(|worker| rig.comes_up(worker));
        rig
    }

    pub(super) fn comes_up(&mut self, worker: usize) {
        self.core.authenticated(worker);
        assert!(self.core.ready(self.now, worker));
    }

    /// Submits a task of no size; gives its key.
    pub(super) fn submit(&mut self, policy: Option<Policy>) -> Key {
        self.ids += 1;
        self.core
            .submit(self.ids, 0, policy.map(Box::new))
            .expect("the pool accepts tasks")
    }

    pub(super) fn submit_plain(&mut self, n: usize) -> Vec<Key> {
        (0..n).map(|_| self.submit(None)).collect()
    }

    pub(super) fn submit_sized(&mut self, size: u32) -> Key {
        self.ids += 1;
        self.core
            .submit(self.ids, size, None)
            .expect("the pool accepts tasks")
    }

    /// The end of a turn; gives what was decided.
    pub(super) fn turn(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        self.core.settle(self.now, &mut self.pages);
        self.core.take_actions(&mut actions);
        // As the driver does: again until there is nothing more, which also frees the keys given back meanwhile.
        for action in &actions {
            match *action {
                Action::Send { worker, cell, .. } => {
                    self.pages.started.insert((worker, cell), false);
                }
                Action::Complete { key, .. } => self.core.release(key),
                _ => {}
            }
        }
        self.core.take_actions(&mut actions);
        actions
    }

    /// Time goes by; then a turn.
    pub(super) fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.core.tick(self.now, &mut self.pages);
        self.turn()
    }

    /// What is with a worker and may not be taken back elsewhere, in order.
    pub(super) fn sent(&self, worker: usize) -> Vec<Key> {
        self.core.workers[worker]
            .sent
            .iter()
            .filter(|s| s.live)
            .map(|s| s.key)
            .collect()
    }

    /// The worker comes to its next task and starts it.
    pub(super) fn starts(&mut self, worker: usize) {
        let front = *self.core.workers[worker]
            .sent
            .front()
            .expect("the worker was sent something");
        let started = self
            .pages
            .started
            .get_mut(&(worker, front.cell))
            .expect("the task was not taken back");
        *started = true;
        self.pages.named.insert(worker, front.id);
    }

    /// The worker answers the task that it has started.
    pub(super) fn answers(&mut self, worker: usize, kind: ResultKind) -> Answer {
        let front = *self.core.workers[worker]
            .sent
            .front()
            .expect("the worker was sent something");
        self.pages.named.remove(&worker);
        let answer = self.core.answered(self.now, worker, front.cell, front.id, kind);
        if let Answer::Outcome(key) = answer {
            self.core.release(key);
        }
        answer
    }

    /// The worker starts and answers its next task.
    pub(super) fn works(&mut self, worker: usize) {
        self.starts(worker);
        assert!(matches!(
            self.answers(worker, ResultKind::Value),
            Answer::Outcome(_)
        ));
    }

    /// The worker passes over everything at its front that was taken back.
    pub(super) fn skips(&mut self, worker: usize) {
        while let Some(front) = self.core.workers[worker]
            .sent
            .front()
            .copied()
            .filter(|s| !s.live)
        {
            assert!(self.core.skipped(self.now, worker, front.cell, front.id));
        }
    }

    /// The worker's process ends.
    pub(super) fn dies(&mut self, worker: usize) {
        self.dies_of(worker, false);
    }

    /// Likewise; with `limit`, of one that was set for its task.
    pub(super) fn dies_of(&mut self, worker: usize, limit: bool) {
        let running = self.pages.named.remove(&worker);
        let departure = Departure {
            running,
            reason: "it fell over".to_owned(),
            limit,
        };
        self.core.departed(self.now, worker, &departure, &mut self.pages);
    }

    /// The worker's process ends and its replacement is ready at once.
    pub(super) fn is_replaced(&mut self, worker: usize) -> Vec<Action> {
        self.dies(worker);
        let mut actions = self.turn();
        assert!(actions.contains(&Action::Spawn { worker }));
        self.comes_up(worker);
        actions.extend(self.turn());
        actions
    }
}

/// How the task ended, if it did.
pub(super) fn ending(actions: &[Action], key: Key) -> Option<&Ending> {
    actions.iter().find_map(|action| match action {
        Action::Complete { key: other, ending } if *other == key => Some(ending),
        _ => None,
    })
}

/// How an attempt of the task ended that another one follows, if one did.
pub(super) fn again(actions: &[Action], key: Key) -> Option<&Ending> {
    actions.iter().find_map(|action| match action {
        Action::Again { key: other, ending } if *other == key => Some(ending),
        _ => None,
    })
}

/// The tasks that are sent, with their workers.
pub(super) fn sends(actions: &[Action]) -> Vec<(usize, Key)> {
    let sends = actions.iter().filter_map(|action| match *action {
        Action::Send { worker, key, .. } => Some((worker, key)),
        _ => None,
    });
    sends.collect()
}

/// Why the pool has given up, if it has.
pub(super) fn broken(actions: &[Action]) -> Option<&str> {
    actions.iter().find_map(|action| match action {
        Action::Broken { reason } => Some(reason.as_str()),
        _ => None,
    })
}
