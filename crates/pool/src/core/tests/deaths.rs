//! What the end of a worker does: to its tasks, to the others, to the pool.

use std::time::Duration;

use super::rig::{Rig, broken, config, ending, ms, sends, with_retry};
use crate::core::{Action, Answer, Cause, Ending, ResultKind, Retry};

#[test]
fn what_was_sent_and_had_not_started_is_in_front_again_and_uncharged() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(10);
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.sent(0), keys[..2]);
    let actions = rig.is_replaced(0);
    assert!(matches!(ending(&actions, keys[0]), Some(Ending::Crashed(ran)) if ran.attempt == 1));
    assert_eq!(sends(&actions), [(0, keys[1]), (0, keys[2])]);
    assert!(
        keys[1..]
            .iter()
            .all(|&key| rig.core.task(key).is_some_and(|t| t.attempt == 1))
    );
    assert_eq!(rig.core.counts().failed, 1);
}

#[test]
fn a_worker_that_answered_and_then_died_is_not_blamed_with_the_task() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(2);
    rig.turn();
    rig.works(0);
    let actions = rig.is_replaced(0);
    assert_eq!(sends(&actions), [(0, keys[1])]);
    assert_eq!((rig.core.counts().done, rig.core.counts().failed), (1, 0));
}

#[test]
fn an_answer_lost_behind_a_bad_frame_does_not_make_its_task_run_again() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(3);
    rig.turn();
    rig.core.workers[0].window = 3;
    rig.turn();
    // The worker sent rubbish, answered its first task and started the second; the third still waits there.
    let second = rig.core.workers[0].sent[1];
    rig.starts(0);
    rig.pages.start_also(0, second.cell);
    rig.pages.names(0, second.id);
    rig.core.fault(rig.now, 0, &mut rig.pages);
    let actions = rig.is_replaced(0);
    assert!(
        matches!(ending(&actions, keys[0]), Some(Ending::Crashed(_))),
        "{actions:?}"
    );
    assert!(
        matches!(ending(&actions, keys[1]), Some(Ending::Crashed(_))),
        "{actions:?}"
    );
    assert_eq!(sends(&actions), [(0, keys[2])]);
}

#[test]
fn a_death_before_a_task_that_came_back_is_reached_does_not_hit_it() {
    let mut rig = Rig::ready(2);
    let keys = rig.submit_plain(4);
    rig.turn();
    // Taken back from the first worker and sent there again, behind the entry that it has not passed over yet.
    rig.starts(0);
    let entry = rig.core.workers[0].sent[1];
    assert_eq!(entry.key, keys[2]);
    assert!(rig.core.take_back(0, keys[2], &mut rig.pages));
    rig.core.requeue(keys[2]);
    rig.starts(1);
    rig.core.workers[0].window = 4;
    rig.turn();
    assert_eq!(rig.sent(0), [keys[0], keys[2]]);
    rig.answers(0, ResultKind::Value);
    rig.pages.names(0, entry.id);
    let actions = rig.is_replaced(0);
    assert_eq!(ending(&actions, keys[2]), None);
    assert_eq!(rig.core.counts().failed, 0);
    assert!((0..2).any(|worker| rig.sent(worker).contains(&keys[2])));
}

#[test]
fn three_failed_starts_in_a_row_break_the_pool_and_running_tasks_still_finish() {
    let mut rig = Rig::starting(config(2));
    rig.comes_up(0);
    let keys = rig.submit_plain(4);
    rig.turn();
    rig.starts(0);
    for _ in 0..2 {
        rig.dies(1);
        assert_eq!(broken(&rig.turn()), None);
        assert!(
            rig.pass(Duration::from_secs(5))
                .contains(&Action::Spawn { worker: 1 })
        );
    }
    rig.dies(1);
    let actions = rig.turn();
    assert!(
        broken(&actions).is_some_and(|why| why.contains("did not become ready") && why.contains("fell over"))
    );
    for &key in &keys[1..] {
        assert!(matches!(ending(&actions, key), Some(Ending::Broken(_))));
    }
    assert_eq!(rig.core.submit(99, 0, None), None);
    assert!(
        !rig.pass(Duration::from_secs(60))
            .iter()
            .any(|a| matches!(a, Action::Spawn { .. }))
    );
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(keys[0]));
    rig.skips(0);
    assert!(rig.turn().contains(&Action::Leave { worker: 0 }));
    rig.dies(0);
    assert_eq!(rig.turn(), [Action::Closed]);
}

#[test]
fn a_worker_that_becomes_ready_ends_the_row_of_failed_starts() {
    let mut rig = Rig::starting(config(1));
    for _ in 0..5 {
        for _ in 0..2 {
            rig.dies(0);
            assert_eq!(broken(&rig.turn()), None);
            rig.pass(Duration::from_secs(5));
        }
        rig.comes_up(0);
        rig.is_replaced(0);
        rig.dies(0);
        rig.turn();
    }
}

#[test]
fn a_hopeless_start_is_repeated_later_and_later() {
    let mut rig = Rig::starting(config(1));
    rig.dies(0);
    assert_eq!(rig.turn(), [], "not at once");
    let first = rig.core.next_timer().unwrap() - rig.now;
    assert!(rig.pass(first).contains(&Action::Spawn { worker: 0 }));
    rig.dies(0);
    rig.turn();
    assert!(rig.core.next_timer().unwrap() - rig.now > first);
}

#[test]
fn deaths_without_a_task_and_without_an_end_break_the_pool() {
    let mut rig = Rig::ready(1);
    for _ in 0..99 {
        assert_eq!(broken(&rig.is_replaced(0)), None);
    }
    rig.dies(0);
    assert!(broken(&rig.turn()).is_some_and(|why| why.contains("without a task")));
}

#[test]
fn a_finished_task_between_deaths_keeps_the_pool_alive() {
    let mut rig = Rig::ready(1);
    for _ in 0..5 {
        for _ in 0..99 {
            assert_eq!(broken(&rig.is_replaced(0)), None);
        }
        rig.submit(None);
        rig.turn();
        rig.works(0);
    }
}

#[test]
fn more_crashes_than_the_limit_within_its_period_break_the_pool() {
    let mut rig = Rig::starting(crate::core::Config {
        restart_limit: Some((2, ms(1000))),
        ..config(1)
    });
    rig.comes_up(0);
    // Two within the period, and the third after the first has left it: the window forgets.
    for pause in [0, 600, 600, 600] {
        rig.now += ms(pause);
        assert_eq!(broken(&rig.is_replaced(0)), None);
    }
    assert!(rig.core.crashes.len() <= 3, "old crashes are forgotten");
    rig.now += ms(100);
    rig.dies(0);
    let why = broken(&rig.turn()).map(str::to_owned);
    assert!(why.is_some_and(|why| why.contains("more than the restart limit of 2")));
}

#[test]
fn deliberate_ends_do_not_count_as_crashes() {
    let mut rig = Rig::starting(crate::core::Config {
        restart_limit: Some((0, ms(1000))),
        ..config(1)
    });
    rig.comes_up(0);
    for timeout in [None, Some(ms(10))] {
        let key = rig.submit(timeout.map(super::rig::with_timeout));
        rig.turn();
        rig.starts(0);
        match timeout {
            None => assert!(rig.core.kill(rig.now, key, &mut rig.pages)),
            Some(timeout) => drop(rig.pass(timeout)),
        }
        let actions = rig.is_replaced(0);
        assert!(ending(&actions, key).is_some());
        assert_eq!(broken(&actions), None);
    }
}

#[test]
fn refused_starts_are_tried_again_later_and_break_only_a_pool_without_any_worker() {
    let mut rig = Rig::starting(config(2));
    rig.comes_up(0);
    for _ in 0..20 {
        rig.core
            .start_refused(rig.now, 1, "too many processes", &mut rig.pages);
        assert_eq!(rig.turn(), [], "not at once, and the other worker goes on");
        assert!(
            rig.pass(Duration::from_secs(10))
                .contains(&Action::Spawn { worker: 1 })
        );
    }
    rig.dies(1);
    assert_eq!(broken(&rig.turn()), None, "one start that failed is not three");
}

#[test]
fn one_moment_without_processes_does_not_break_a_pool_however_many_workers_it_has() {
    let mut rig = Rig::starting(config(8));
    for worker in 0..8 {
        rig.core
            .start_refused(rig.now, worker, "too many processes", &mut rig.pages);
    }
    assert_eq!(broken(&rig.turn()), None);
    let spawns = rig.pass(Duration::from_secs(10));
    assert_eq!(
        spawns
            .iter()
            .filter(|a| matches!(a, Action::Spawn { .. }))
            .count(),
        8
    );
}

#[test]
fn a_pool_that_gets_no_worker_at_all_breaks_with_the_reason() {
    let mut rig = Rig::starting(config(2));
    let key = rig.submit(None);
    for _ in 0..20 {
        for worker in 0..2 {
            rig.core
                .start_refused(rig.now, worker, "too many processes", &mut rig.pages);
        }
        let actions = rig.turn();
        if let Some(why) = broken(&actions) {
            assert!(why.contains("too many processes"));
            assert!(matches!(ending(&actions, key), Some(Ending::Broken(_))));
            return;
        }
        rig.pass(Duration::from_secs(10));
    }
    panic!("it goes on for ever");
}

#[test]
fn a_name_that_a_worker_has_not_cleared_yet_is_not_held_against_another_task() {
    let mut rig = Rig::ready(1);
    let again = rig.submit(Some(with_retry(Retry::times(2).on([Cause::Panicked]))));
    let plain = rig.submit(None);
    rig.turn();
    rig.starts(0);
    let id = rig.core.task(again).map(|t| t.id).unwrap();
    assert_eq!(rig.answers(0, ResultKind::Panicked), Answer::Again(again));
    rig.turn();
    assert_eq!(rig.sent(0), [plain, again], "it runs again, behind the other");
    rig.pages.names(0, id);
    let actions = rig.is_replaced(0);
    assert_eq!((ending(&actions, plain), ending(&actions, again)), (None, None));
    assert_eq!(sends(&actions), [(0, plain), (0, again)]);
    assert!(rig.core.task(again).is_some_and(|t| t.attempt == 2));
}

#[test]
fn a_start_that_succeeds_ends_the_row_of_refused_ones() {
    let mut rig = Rig::starting(config(1));
    for _ in 0..4 {
        for _ in 0..5 {
            rig.core
                .start_refused(rig.now, 0, "too many processes", &mut rig.pages);
            assert_eq!(broken(&rig.turn()), None);
            assert!(
                rig.pass(Duration::from_secs(10))
                    .contains(&Action::Spawn { worker: 0 })
            );
        }
        rig.comes_up(0);
        rig.is_replaced(0);
    }
}

#[test]
fn a_limit_that_is_reached_ends_the_task_and_counts_as_no_crash() {
    let mut rig = Rig::starting(crate::core::Config {
        restart_limit: Some((0, ms(1000))),
        ..config(1)
    });
    rig.comes_up(0);
    let key = rig.submit(None);
    rig.turn();
    rig.starts(0);
    rig.dies_of(0, true);
    let actions = rig.turn();
    assert!(
        matches!(ending(&actions, key), Some(Ending::LimitExceeded(_))),
        "{actions:?}"
    );
    assert_eq!(broken(&actions), None);
    assert!(actions.contains(&Action::Spawn { worker: 0 }));
}

#[test]
fn a_limit_earns_another_attempt_only_where_the_causes_name_it() {
    for (cause, again) in [(Cause::LimitExceeded, true), (Cause::Crashed, false)] {
        let mut rig = Rig::ready(1);
        let key = rig.submit(Some(with_retry(Retry::times(1).on([cause]))));
        rig.turn();
        rig.starts(0);
        rig.dies_of(0, true);
        assert_eq!(ending(&rig.turn(), key).is_none(), again);
    }
}

/// A pool of two whose workers have no replacement, both ready.
fn without_replacements() -> Rig {
    let mut rig = Rig::starting(crate::core::Config {
        replaces: false,
        ..config(2)
    });
    (0..2).for_each(|worker| rig.comes_up(worker));
    rig
}

#[test]
fn where_nobody_may_be_replaced_the_first_end_breaks_the_pool_and_what_runs_is_finished() {
    let mut rig = without_replacements();
    let keys = rig.submit_plain(8);
    rig.turn();
    rig.starts(0);
    rig.starts(1);
    let (hit, other) = (rig.sent(0)[0], rig.sent(1)[0]);
    rig.dies(0);
    let actions = rig.turn();
    assert_eq!(broken(&actions), Some("it fell over"));
    assert!(matches!(ending(&actions, hit), Some(Ending::Crashed(_))));
    assert_eq!(ending(&actions, other), None, "it runs on");
    for key in keys.into_iter().filter(|&key| key != hit && key != other) {
        assert!(matches!(ending(&actions, key), Some(Ending::Broken(why)) if why == "it fell over"));
    }
    assert!(!actions.iter().any(|a| matches!(a, Action::Spawn { .. })));
    rig.skips(1);
    assert!(matches!(rig.answers(1, ResultKind::Value), Answer::Outcome(_)));
    rig.skips(1);
    rig.turn();
    rig.dies(1);
    assert_eq!(rig.turn().last(), Some(&Action::Closed));
}

#[test]
fn where_nobody_may_be_replaced_an_end_without_a_task_and_a_failed_start_break_the_pool_too() {
    let mut rig = without_replacements();
    rig.dies(0);
    assert_eq!(broken(&rig.turn()), Some("it fell over"));
    let mut rig = Rig::starting(crate::core::Config {
        replaces: false,
        ..config(1)
    });
    let key = rig.submit(None);
    rig.dies(0);
    let actions = rig.turn();
    assert!(matches!(ending(&actions, key), Some(Ending::Broken(_))));
    assert_eq!(actions.last(), Some(&Action::Closed));
}

#[test]
fn a_worker_without_replacement_is_not_ended_for_being_stopped() {
    let mut rig = without_replacements();
    let keys = rig.submit_plain(2);
    rig.turn();
    for _ in 0..10 {
        let actions = rig.pass(Duration::from_secs(10));
        assert!(
            !actions.iter().any(|a| matches!(a, Action::Kill { .. })),
            "{actions:?}"
        );
    }
    rig.works(0);
    rig.works(1);
    assert_eq!(keys.len() as u64, rig.core.counts().done);
}
