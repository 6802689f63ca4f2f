//! Who is given what, and how much at a time.

use std::time::Duration;

use super::rig::{Rig, config, ms, sends};
use crate::core::{Action, Key, WINDOW_MAX, WINDOW_MIN};

#[test]
fn nobody_gets_a_second_task_while_somebody_has_none() {
    let mut rig = Rig::ready(4);
    let keys = rig.submit_plain(6);
    let sends = sends(&rig.turn());
    assert_eq!(
        sends[..4],
        [(0, keys[0]), (1, keys[1]), (2, keys[2]), (3, keys[3])]
    );
    let most = (0..4).map(|worker| rig.sent(worker).len()).max();
    assert_eq!((sends.len(), most), (6, Some(2)));
}

#[test]
fn a_worker_that_is_not_ready_is_sent_nothing() {
    let mut rig = Rig::starting(config(2));
    rig.submit_plain(3);
    assert_eq!(sends(&rig.turn()), []);
    rig.core.authenticated(0);
    assert_eq!(sends(&rig.turn()), [], "its initializer has not run");
    assert!(rig.core.ready(rig.now, 0));
    assert!(sends(&rig.turn()).iter().all(|&(worker, _)| worker == 0));
    assert_eq!(rig.sent(0).len(), WINDOW_MIN);
}

#[test]
fn tasks_start_in_the_order_of_their_submission() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(50);
    let mut started = Vec::new();
    for _ in 0..50 {
        rig.turn();
        started.push(rig.sent(0)[0]);
        rig.works(0);
    }
    assert_eq!(started, keys);
}

#[test]
fn a_short_task_behind_a_long_one_moves_to_a_worker_with_nothing_to_do() {
    let mut rig = Rig::ready(2);
    let keys = rig.submit_plain(4);
    rig.turn();
    assert_eq!(
        (rig.sent(0), rig.sent(1)),
        (vec![keys[0], keys[2]], vec![keys[1], keys[3]])
    );
    rig.starts(0);
    rig.works(1);
    rig.works(1);
    assert_eq!(sends(&rig.turn()), [(1, keys[2])]);
    assert_eq!(rig.sent(0), [keys[0]]);
}

/// Two workers; the first is at a long task with more behind it, and the second one always has enough to do.
fn one_at_a_long_task(rig: &mut Rig) -> Vec<Key> {
    for worker in &mut rig.core.workers {
        worker.window = 16;
    }
    let keys = rig.submit_plain(400);
    rig.turn();
    rig.starts(0);
    keys
}

#[test]
fn what_waits_behind_a_long_task_is_not_passed_by_more_than_a_few_dozen_later_ones() {
    let mut rig = Rig::ready(2);
    let keys = one_at_a_long_task(&mut rig);
    let behind = rig.sent(0)[1..].to_vec();
    assert!(behind.len() > 1 && behind[0] != keys[1]);
    rig.pass(ms(20));
    let mut passed = 0;
    while rig.sent(1).iter().all(|key| !behind.contains(key)) {
        rig.works(1);
        rig.turn();
        passed += 1;
        assert!(passed < 100, "they wait for the long task");
    }
    assert!(passed > 16, "no task is moved for the sake of a few");
    // All of them come back, the earliest first, in front of what has not been sent.
    let mut moved = rig.sent(1);
    moved.retain(|key| behind.contains(key));
    assert_eq!(moved, behind[..moved.len()]);
    assert_eq!(rig.sent(0), [keys[0]]);
    for _ in 0..100 {
        rig.works(1);
        rig.turn();
        assert_eq!(rig.sent(0), [keys[0]], "nothing more is sent behind it");
    }
    assert!(
        behind.iter().all(|key| !rig.sent(1).contains(key)),
        "they are done"
    );
}

#[test]
fn what_waits_behind_a_short_task_stays_however_many_pass() {
    let mut rig = Rig::ready(2);
    one_at_a_long_task(&mut rig);
    let before = rig.sent(0);
    rig.pass(ms(19));
    for _ in 0..200 {
        rig.works(1);
        rig.turn();
    }
    assert_eq!(rig.sent(0), before);
}

#[test]
fn what_has_started_is_never_moved() {
    let mut rig = Rig::ready(2);
    let keys = rig.submit_plain(3);
    rig.turn();
    rig.starts(0);
    // The first answer is on its way: the worker is at its second task already.
    let second = rig.core.workers[0].sent[1];
    rig.pages.start_also(0, second.cell);
    rig.works(1);
    assert_eq!(sends(&rig.turn()), []);
    assert_eq!(rig.sent(0), [keys[0], keys[2]]);
}

#[test]
fn the_window_grows_while_a_worker_answers_quickly_and_shrinks_while_it_does_not() {
    let mut rig = Rig::ready(1);
    rig.submit_plain(2000);
    let mut windows = Vec::new();
    for _ in 0..8 {
        rig.turn();
        windows.push(rig.core.workers[0].window);
        while !rig.sent(0).is_empty() {
            rig.works(0);
        }
    }
    assert_eq!(windows, [2, 4, 8, 16, 32, 64, 128, 128]);
    rig.turn();
    assert_eq!(rig.sent(0).len(), WINDOW_MAX);
    rig.starts(0);
    for _ in 0..10 {
        rig.pass(ms(1));
    }
    assert_eq!(rig.core.workers[0].window, WINDOW_MIN);
    assert_eq!(sends(&rig.turn()), [], "it has more than enough");
}

#[test]
fn a_window_full_of_quick_answers_is_not_shrunk_by_a_pause_without_work() {
    let mut rig = Rig::ready(1);
    rig.submit_plain(254);
    for _ in 0..7 {
        rig.turn();
        while !rig.sent(0).is_empty() {
            rig.works(0);
        }
    }
    assert_eq!(rig.core.live, 0);
    rig.turn();
    let before = rig.core.workers[0].window;
    for _ in 0..10 {
        rig.pass(ms(50));
    }
    assert!(before > WINDOW_MIN);
    assert_eq!(rig.core.workers[0].window, before);
}

#[test]
fn large_arguments_are_not_heaped_up_at_a_worker() {
    let mut rig = Rig::ready(1);
    rig.core.workers[0].window = WINDOW_MAX;
    for _ in 0..10 {
        rig.submit_sized(64 << 20);
    }
    rig.turn();
    assert_eq!(rig.sent(0).len(), 2, "one to work at, one ahead");
    rig.works(0);
    assert_eq!(sends(&rig.turn()).len(), 1);
}

#[test]
fn a_worker_that_does_not_come_to_its_task_loses_it_to_one_that_has_nothing_to_do() {
    let mut rig = Rig::ready(2);
    let keys = rig.submit_plain(1);
    rig.turn();
    assert_eq!(rig.sent(0), keys);
    assert_eq!(sends(&rig.pass(ms(1999))), []);
    assert_eq!(sends(&rig.pass(ms(1))), [(1, keys[0])]);
}

#[test]
fn a_task_that_comes_behind_one_that_may_be_long_brings_a_timer_if_somebody_has_nothing_to_do() {
    let mut rig = Rig::ready(2);
    rig.core.set_pace(0, 1000);
    rig.core.arm();
    let (long, _) = rig.core.submit_now(98, 0, None).unwrap();
    rig.core.begins(rig.now, 0);
    rig.core.arm();
    let (short, _) = rig.core.submit_now(99, 0, None).unwrap();
    assert_eq!(rig.sent(0), [long, short], "to wake another would take longer");
    assert!(rig.core.new_timer().is_some_and(|at| at <= rig.now + ms(1)));
}

#[test]
fn a_worker_that_is_at_its_only_task_keeps_it() {
    let mut rig = Rig::ready(2);
    rig.submit_plain(1);
    rig.turn();
    rig.starts(0);
    assert_eq!(sends(&rig.pass(ms(100))), []);
    assert_eq!(sends(&rig.pass(Duration::from_secs(10))), []);
}

#[test]
fn a_worker_that_does_not_come_to_its_task_is_replaced_where_nobody_else_can_have_it() {
    let mut rig = Rig::ready(1);
    rig.submit_plain(1);
    rig.turn();
    assert_eq!(rig.core.next_timer(), Some(rig.now + Duration::from_secs(5)));
    let killed = |actions: &[Action]| actions.contains(&Action::Kill { worker: 0 });
    assert!(!killed(&rig.pass(Duration::from_secs(4))));
    assert!(killed(&rig.pass(Duration::from_secs(1))));
}
