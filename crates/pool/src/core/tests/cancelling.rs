//! Taking tasks back: queued, delayed, sent; and what a key that is used again may not be taken for.

use std::time::Instant;

use super::rig::{Rig, ending, ms, sends, with_retry};
use crate::core::{Answer, Ending, Key, ResultKind, Retry};

#[test]
fn a_task_that_waits_is_cancelled_wherever_it_waits() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(4);
    rig.turn();
    rig.starts(0);
    for key in &keys[1..] {
        assert!(rig.core.cancel(*key, &mut rig.pages), "sent ahead or queued");
    }
    assert!(!rig.core.cancel(keys[0], &mut rig.pages), "it runs");
    let actions = rig.turn();
    assert!(
        keys[1..]
            .iter()
            .all(|&key| ending(&actions, key) == Some(&Ending::Cancelled))
    );
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(keys[0]));
    rig.skips(0);
    assert_eq!(sends(&rig.turn()), []);
    assert_eq!((rig.core.counts().done, rig.core.counts().cancelled), (1, 3));
}

#[test]
fn a_task_is_cancelled_once() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(None);
    assert!(rig.core.cancel(key, &mut rig.pages));
    assert!(!rig.core.cancel(key, &mut rig.pages));
    assert!(!rig.core.kill(rig.now, key, &mut rig.pages));
    rig.turn();
    assert!(!rig.core.cancel(key, &mut rig.pages), "its key is nobody's now");
}

#[test]
fn cancelling_every_tenth_of_a_million_takes_as_many_steps_as_there_are() {
    const N: usize = 1_000_000;
    let watchdog = Instant::now() + std::time::Duration::from_secs(120);
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(N);
    for key in keys.iter().step_by(10) {
        assert!(rig.core.cancel(*key, &mut rig.pages));
        // A step that looks at the whole queue would take hours in all.
        assert!(
            Instant::now() < watchdog,
            "cancelling takes longer the more is queued"
        );
    }
    assert_eq!(rig.core.queued, N - N / 10);
    let first = std::iter::from_fn(|| rig.core.dequeue())
        .take(5)
        .collect::<Vec<_>>();
    assert_eq!(first, keys[1..6]);
}

#[test]
fn tasks_that_come_and_are_cancelled_leave_nothing_in_the_queue() {
    let mut rig = Rig::ready(1);
    rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    let waiting = rig.submit(None);
    for _ in 0..100_000 {
        let key = rig.submit(None);
        assert!(rig.core.cancel(key, &mut rig.pages));
        rig.turn();
    }
    let sizes = (rig.core.queue.len(), rig.core.tasks.len());
    assert!(
        sizes.0 < 1000 && sizes.1 < 10,
        "{sizes:?} entries for one task that waits"
    );
    rig.answers(0, ResultKind::Value);
    assert_eq!(sends(&rig.turn()), [(0, waiting)]);
}

#[test]
fn retries_that_are_cancelled_leave_nothing_to_wait_for() {
    let mut rig = Rig::ready(1);
    let hour = std::time::Duration::from_secs(3600);
    for _ in 0..5000 {
        let key = rig.submit(Some(with_retry(Retry::times(1).backoff(hour, 1.0, hour))));
        rig.turn();
        rig.starts(0);
        rig.dies(0);
        assert!(!rig.core.cancel(key, &mut rig.pages), "it has started before");
        rig.turn();
        rig.comes_up(0);
    }
    assert!(
        rig.core.delayed.len() < 1000,
        "{} entries for no task",
        rig.core.delayed.len()
    );
}

#[test]
fn an_old_entry_of_a_key_does_not_stand_for_its_next_task() {
    let mut rig = Rig::ready(1);
    let blockers = rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    let old = rig.submit(None);
    let between = rig.submit(None);
    assert!(rig.core.cancel(old, &mut rig.pages));
    rig.turn();
    let new = rig.submit(None);
    assert_eq!(new, old, "the key is used again");
    assert!(!blockers.contains(&new));
    rig.answers(0, ResultKind::Value);
    rig.works(0);
    assert_eq!(
        sends(&rig.turn()),
        [(0, between), (0, new)],
        "in the order of submission, each once"
    );
}

#[test]
fn a_delay_of_a_key_does_not_wake_its_next_task() {
    let mut rig = Rig::ready(1);
    let retry = |pause| Some(with_retry(Retry::times(1).backoff(ms(pause), 1.0, ms(pause))));
    let old = rig.submit(retry(100));
    rig.turn();
    rig.starts(0);
    rig.is_replaced(0);
    assert!(!rig.core.cancel(old, &mut rig.pages), "it has started before");
    rig.turn();
    let new: Key = rig.submit(retry(1000));
    assert_eq!(new, old, "the key is used again");
    rig.turn();
    rig.starts(0);
    rig.is_replaced(0);
    assert_eq!(
        sends(&rig.pass(ms(500))),
        [],
        "the first task's pause is over, this one's is not"
    );
    assert_eq!(sends(&rig.pass(ms(500))), [(0, new)]);
}
