//! The core's own books, checked as a whole: every task is in exactly one place, and all sums are right.

use crate::core::tasks::Place;
use crate::core::workers::{Life, Worker};
use crate::core::{Core, State, WINDOW_MAX};

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
    assert_eq!(entries.count(), queued, "each queued task has its entry");
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
                (task.id, task.place),
                (entry.id, Place::Sent { worker: index as u32 })
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
