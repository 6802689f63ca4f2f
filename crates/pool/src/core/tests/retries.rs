//! Whether, when and in which order tasks run again.

use std::time::Duration;

use super::rig::{Rig, again, broken, config, ending, ms, sends, with_retry, with_timeout};
use crate::core::{Answer, Cause, Config, Ending, Policy, ResultKind, Retry};

fn backoff(first: u64) -> Retry {
    Retry::times(5).backoff(ms(first), 2.0, Duration::from_secs(10))
}

#[test]
fn retries_run_in_the_order_in_which_their_pauses_end() {
    let mut rig = Rig::ready(3);
    let slow = rig.submit(Some(with_retry(backoff(300))));
    let fast = rig.submit(Some(with_retry(backoff(100))));
    let as_fast = rig.submit(Some(with_retry(backoff(100))));
    rig.turn();
    for worker in 0..3 {
        rig.starts(worker);
        rig.is_replaced(worker);
    }
    assert_eq!(rig.core.next_timer(), Some(rig.now + ms(100)));
    assert_eq!(sends(&rig.pass(ms(99))), []);
    let order: Vec<_> = sends(&rig.pass(ms(1))).into_iter().map(|(_, key)| key).collect();
    assert_eq!(order, [fast, as_fast]);
    assert_eq!(sends(&rig.pass(ms(200))).len(), 1);
    assert!((0..3).any(|worker| rig.sent(worker) == [slow]));
}

#[test]
fn each_further_pause_is_longer_and_the_attempts_end() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(with_retry(Retry::times(2).backoff(ms(100), 2.0, ms(1000)))));
    for pause in [100, 200] {
        rig.turn();
        rig.starts(0);
        rig.is_replaced(0);
        assert_eq!(sends(&rig.pass(ms(pause - 1))), []);
        assert_eq!(sends(&rig.pass(ms(1))), [(0, key)]);
    }
    rig.starts(0);
    rig.dies(0);
    let actions = rig.turn();
    let Some(Ending::Crashed(ran)) = ending(&actions, key) else {
        panic!("{actions:?}")
    };
    assert_eq!((ran.attempt, ran.worker), (3, 0));
}

#[test]
fn a_pause_beyond_all_time_does_not_end_at_once() {
    let mut rig = Rig::ready(1);
    let retry = Retry::times(1).backoff(Duration::MAX, 1.0, Duration::MAX);
    let key = rig.submit(Some(with_retry(retry)));
    rig.turn();
    rig.starts(0);
    assert_eq!(sends(&rig.is_replaced(0)), []);
    assert_eq!(sends(&rig.pass(Duration::from_secs(3600 * 24 * 365))), []);
    assert!(!rig.core.cancel(key, &mut rig.pages), "it has started before");
    assert_eq!(ending(&rig.turn(), key), Some(&Ending::Cancelled), "never again");
}

#[test]
fn a_task_without_retries_never_starts_twice() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(None);
    rig.turn();
    rig.starts(0);
    let actions = rig.is_replaced(0);
    assert!(matches!(ending(&actions, key), Some(Ending::Crashed(_))));
    assert_eq!(sends(&actions), []);
}

#[test]
fn a_panic_is_tried_again_only_where_that_is_asked_for() {
    let mut rig = Rig::ready(1);
    let plain = rig.submit(None);
    let again = rig.submit(Some(with_retry(Retry::times(1).on([Cause::Panicked]))));
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.answers(0, ResultKind::Panicked), Answer::Outcome(plain));
    rig.starts(0);
    assert_eq!(rig.answers(0, ResultKind::Panicked), Answer::Again(again));
    assert_eq!(sends(&rig.turn()), [(0, again)]);
    rig.starts(0);
    assert_eq!(rig.answers(0, ResultKind::Panicked), Answer::Outcome(again));
}

#[test]
fn a_task_that_is_killed_and_panics_over_it_does_not_run_again() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(with_retry(Retry::times(1).on([Cause::Panicked]))));
    rig.turn();
    rig.starts(0);
    assert!(rig.core.kill(rig.now, key, &mut rig.pages));
    assert_eq!(rig.answers(0, ResultKind::Panicked), Answer::Outcome(key));
}

#[test]
fn a_timed_out_task_is_tried_again_only_if_the_causes_name_it() {
    for (causes, again) in [(vec![Cause::Crashed], false), (vec![Cause::TimedOut], true)] {
        let mut rig = Rig::ready(1);
        let retry = Some(Retry::times(1).on(causes));
        let key = rig.submit(Some(Policy {
            retry,
            ..with_timeout(ms(50))
        }));
        rig.turn();
        rig.starts(0);
        rig.pass(ms(50));
        let actions = rig.is_replaced(0);
        assert_eq!(sends(&actions).len(), usize::from(again));
        assert_eq!(matches!(ending(&actions, key), Some(Ending::TimedOut(_))), !again);
    }
}

#[test]
fn a_pool_that_stops_tries_nothing_again() {
    let mut rig = Rig::starting(config(1));
    rig.comes_up(0);
    let key = rig.submit(Some(with_retry(Retry::times(9))));
    rig.turn();
    rig.starts(0);
    rig.core.shut_down(true, &mut rig.pages);
    rig.dies(0);
    assert!(matches!(ending(&rig.turn(), key), Some(Ending::Crashed(_))));
}

#[test]
fn a_task_that_crashes_worker_after_worker_stops_at_its_crash_limit() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(with_retry(Retry::times(100))));
    rig.turn();
    for attempt in 1..5 {
        rig.starts(0);
        let actions = rig.is_replaced(0);
        assert!(matches!(again(&actions, key), Some(Ending::Crashed(ran)) if ran.attempt == attempt));
        assert_eq!(sends(&actions), [(0, key)]);
    }
    rig.starts(0);
    let actions = rig.is_replaced(0);
    assert!(matches!(ending(&actions, key), Some(Ending::Crashed(ran)) if ran.attempt == 5));
    assert_eq!((again(&actions, key), sends(&actions)), (None, vec![]));
}

#[test]
fn of_a_task_that_crashes_worker_after_worker_the_pool_counts_the_first_crash() {
    let limits = Config {
        restart_limit: Some((2, ms(60_000))),
        ..config(1)
    };
    let mut rig = Rig::starting(limits);
    rig.comes_up(0);
    for poison in 0..2 {
        let key = rig.submit(Some(with_retry(Retry::times(3))));
        rig.turn();
        for _ in 0..4 {
            rig.starts(0);
            let actions = rig.is_replaced(0);
            assert_eq!(broken(&actions), None, "task {poison} has a limit of its own");
        }
        assert!(rig.core.task(key).is_none());
    }
    // Two tasks have crashed workers by now; the third is one too many.
    rig.submit(None);
    rig.turn();
    rig.starts(0);
    rig.dies(0);
    assert!(broken(&rig.turn()).is_some());
}

#[test]
fn the_pauses_of_tasks_that_failed_together_differ() {
    let mut rig = Rig::ready(2);
    let retry = Retry::times(1).backoff(ms(1000), 1.0, ms(1000)).jitter(1.0);
    let keys = [(); 2].map(|()| rig.submit(Some(with_retry(retry.clone()))));
    rig.turn();
    for worker in 0..2 {
        rig.starts(worker);
        rig.dies(worker);
    }
    rig.turn();
    let due: Vec<_> = rig.core.delayed.iter().map(|d| d.at).collect();
    assert_eq!(due.len(), keys.len());
    assert!(due.iter().all(|&at| at <= rig.now + ms(1000)));
    assert_ne!(due[0], due[1]);
}

#[test]
fn a_task_that_is_stopped_between_two_attempts_has_run() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(with_retry(backoff(300))));
    rig.turn();
    rig.starts(0);
    let actions = rig.is_replaced(0);
    assert!(again(&actions, key).is_some());
    assert!(
        !rig.core.cancel(key, &mut rig.pages),
        "it is not as if it had not started"
    );
    assert!(ending(&rig.turn(), key).is_some(), "but it ends");
    assert_eq!((rig.core.counts().cancelled, rig.core.counts().failed), (0, 1));
}
