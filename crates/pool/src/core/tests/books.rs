//! The core's own books, checked as a whole: every task is in exactly one place, and all sums are right.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::core::life::Life;
use crate::core::tasks::{Place, Task};
use crate::core::workers::Worker;
use crate::core::{Core, Key, State, WINDOW_MAX};

/// Panics at the first entry that contradicts another.
pub(super) fn check(core: &Core) {
    let (mut live, mut queued, mut delayed, mut sent) = (0, 0, 0, 0);
    for task in core.tasks.iter().flatten() {
        live += usize::from(task.place != Place::Ended);
        match task.place {
            Place::Queued { .. } => queued += 1,
            Place::Delayed { .. } => delayed += 1,
            Place::Sent { .. } => sent += 1,
            Place::Ended => {}
        }
    }
    assert_eq!(live, core.live, "live tasks");
    assert_eq!(queued, core.queued, "queued tasks");
    let is_at = |key: u32, place| core.task(key).is_some_and(|task| task.place == place);
    let entries = core
        .queue
        .iter()
        .filter(|&&(key, ticket)| is_at(key, Place::Queued { ticket }));
    for (&(Reverse(priority), turn), &key) in &core.ranked {
        let task = core.task(key).expect("what waits exists");
        let policy = task.policy.as_ref().expect("it has a priority");
        assert!(matches!(task.place, Place::Queued { .. }));
        assert_eq!((policy.priority, policy.turn), (priority, turn));
        assert_ne!(priority, 0, "a plain task is not ranked");
    }
    assert_eq!(
        entries.count() + core.ranked.len(),
        queued,
        "each queued task has its entry"
    );
    let ranked = |task: &&Task| task.place != Place::Ended && task.priority() != 0;
    assert_eq!(
        core.tasks.iter().flatten().filter(ranked).count(),
        core.with_priority,
        "tasks with a priority"
    );
    let to_start: BTreeSet<(u64, Key)> = core.start_by.iter().map(|e| (e.0.1, e.0.2)).collect();
    for (key, task) in (0..).zip(&core.tasks) {
        if let Some(task) = task
            && matches!(task.place, Place::Queued { .. } | Place::Delayed { .. })
            && task.attempt == 1
            && task.policy.as_ref().is_some_and(|p| p.start_by.is_some())
        {
            assert!(
                to_start.contains(&(task.id, key)),
                "nobody ends task {} in time",
                task.id
            );
        }
    }
    let entries = core
        .delayed
        .iter()
        .filter(|d| is_at(d.key, Place::Delayed { order: d.order }));
    assert_eq!(entries.count(), delayed, "each delayed task has its entry");
    let entries = core
        .workers
        .iter()
        .enumerate()
        .map(|(index, worker)| check_worker(core, index, worker));
    assert_eq!(entries.sum::<usize>(), sent, "each sent task is with its worker");
    let wanted = core.workers.iter().filter(|w| w.stays).count();
    assert_eq!(wanted, core.wanted, "workers that are replaced");
    assert!(
        (core.size.least..=core.size.most).contains(&wanted),
        "{wanted} workers in a pool of {:?}",
        core.size
    );
    if core.state >= State::Stopping {
        assert_eq!(
            (queued, delayed),
            (0, 0),
            "nothing waits in a pool that is stopping"
        );
    }
    if core.state == State::Closed {
        assert_eq!(live, 0, "a closed pool has no task");
        assert!(
            core.workers.iter().all(Worker::is_gone),
            "a closed pool has no worker"
        );
    }
}

fn check_worker(core: &Core, index: usize, worker: &Worker) -> usize {
    let mut cells = 0u128;
    let (mut live, mut bytes) = (0, 0);
    for entry in &worker.sent {
        assert!(cells & (1 << entry.cell) == 0, "a cell is used twice at a time");
        cells |= 1 << entry.cell;
        if entry.live {
            live += 1;
            let task = core.task(entry.key).expect("what was sent exists");
            assert_eq!(
                (task.id, task.place, task.priority()),
                (entry.id, Place::Sent { worker: index as u32 }, entry.priority)
            );
            bytes += u64::from(task.size);
        }
    }
    assert!(worker.sent.len() <= WINDOW_MAX);
    assert_eq!(
        (worker.live_sent, worker.sent_bytes),
        (live, bytes),
        "sums of worker {index}"
    );
    assert!(
        live as u64 <= worker.quota,
        "worker {index} is sent more tasks than it may run"
    );
    if matches!(
        worker.life,
        Life::Down { start_at: Some(_) } | Life::Starting { .. }
    ) {
        assert!(worker.stays, "worker {index} starts and nobody wants it");
    }
    if matches!(worker.life, Life::Down { .. } | Life::Starting { .. }) {
        assert!(
            worker.sent.is_empty(),
            "a worker that is not ready has been sent something"
        );
    }
    live
}
