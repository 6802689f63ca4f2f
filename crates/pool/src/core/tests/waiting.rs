//! Tasks with instants: not before one, and started by one.

use std::time::Duration;

use super::rig::{Rig, ending, ms, sends, with_priority, with_retry};
use crate::core::{Action, Answer, Cause, Ending, Key, Policy, ResultKind, Retry};

fn delayed(rig: &mut Rig, pause: u64) -> Key {
    let not_before = Some(rig.now + ms(pause));
    rig.submit(Some(Policy {
        not_before,
        ..Policy::default()
    }))
}

fn patient(rig: &mut Rig, patience: u64) -> Key {
    let start_by = Some(rig.now + ms(patience));
    rig.submit(Some(Policy {
        start_by,
        ..Policy::default()
    }))
}

#[test]
fn a_delayed_task_is_handed_out_at_its_instant_and_holds_nobody_up() {
    let mut rig = Rig::ready(1);
    let late = delayed(&mut rig, 100);
    let soon = delayed(&mut rig, 50);
    let plain = rig.submit_plain(1);
    assert_eq!(sends(&rig.turn()), [(0, plain[0])]);
    assert_eq!(rig.core.load().0, 2, "they count as queued");
    rig.works(0);
    assert_eq!(rig.core.next_timer(), Some(rig.now + ms(50)));
    assert_eq!(sends(&rig.pass(ms(49))), []);
    assert_eq!(sends(&rig.pass(ms(1))), [(0, soon)]);
    assert_eq!(sends(&rig.pass(ms(50))), [(0, late)]);
}

#[test]
fn a_delay_that_comes_between_turns_is_a_new_timer() {
    let mut rig = Rig::ready(1);
    rig.core.arm();
    let not_before = Some(rig.now + ms(5));
    let policy = Policy {
        not_before,
        ..Policy::default()
    };
    let placed = rig.core.submit_now(99, 0, Some(Box::new(policy)));
    assert_eq!(placed.map(|(_, p)| p), Some(crate::core::Placement::Queued));
    assert_eq!(rig.core.new_timer(), not_before);
}

#[test]
fn a_delayed_task_is_cancelled_and_killed_like_one_that_waits() {
    let mut rig = Rig::ready(1);
    let keys = [delayed(&mut rig, 100), delayed(&mut rig, 100)];
    assert!(rig.core.cancel(keys[0], &mut rig.pages));
    assert!(rig.core.kill(rig.now, keys[1], &mut rig.pages));
    let actions = rig.turn();
    assert!(
        keys.iter()
            .all(|&key| ending(&actions, key) == Some(&Ending::Cancelled))
    );
    assert_eq!(sends(&rig.pass(ms(1000))), []);
}

#[test]
fn a_pool_that_drains_waits_for_its_delayed_tasks_and_one_that_stops_does_not() {
    let mut rig = Rig::ready(1);
    let key = delayed(&mut rig, 100);
    rig.core.shut_down(false, &mut rig.pages);
    assert_eq!(rig.turn(), []);
    assert_eq!(sends(&rig.pass(ms(100))), [(0, key)]);
    rig.works(0);
    assert_eq!(rig.turn(), [Action::Leave { worker: 0 }]);

    let mut rig = Rig::ready(1);
    let key = delayed(&mut rig, 100);
    rig.core.shut_down(true, &mut rig.pages);
    assert_eq!(ending(&rig.turn(), key), Some(&Ending::Cancelled));
}

#[test]
fn a_task_that_waits_too_long_ends_wherever_it_waits() {
    let mut rig = Rig::ready(1);
    rig.submit_plain(1);
    rig.turn();
    rig.starts(0);
    let ahead = patient(&mut rig, 100);
    let queued = patient(&mut rig, 100);
    rig.turn();
    assert_eq!(rig.sent(0)[1..], [ahead]);
    assert_eq!(rig.pass(ms(99)), []);
    let actions = rig.pass(ms(1));
    for key in [ahead, queued] {
        assert_eq!(ending(&actions, key), Some(&Ending::Expired));
    }
    rig.answers(0, ResultKind::Value);
    rig.skips(0);
    assert_eq!(sends(&rig.pass(ms(1000))), []);
    assert_eq!((rig.core.counts().failed, rig.core.counts().done), (2, 1));
}

#[test]
fn a_task_that_has_just_started_is_not_late() {
    let mut rig = Rig::ready(1);
    let key = patient(&mut rig, 100);
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.pass(ms(100)), []);
    assert_eq!(rig.pass(Duration::from_secs(4)), []);
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(key));
}

#[test]
fn the_limit_is_for_the_first_start_only() {
    let mut rig = Rig::ready(1);
    let pause = ms(500);
    let start_by = Some(rig.now + ms(100));
    let key = rig.submit(Some(Policy {
        start_by,
        ..with_retry(Retry::times(1).on([Cause::Panicked]).backoff(pause, 1.0, pause))
    }));
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.answers(0, ResultKind::Panicked), Answer::Again(key));
    assert_eq!(sends(&rig.pass(ms(100))), []);
    assert_eq!(sends(&rig.pass(ms(400))), [(0, key)]);
}

#[test]
fn a_task_that_comes_back_from_a_dead_worker_has_its_limit_still() {
    let mut rig = Rig::ready(1);
    rig.submit_plain(1);
    let key = patient(&mut rig, 100);
    rig.turn();
    rig.starts(0);
    rig.dies(0);
    assert_eq!(ending(&rig.pass(ms(100)), key), Some(&Ending::Expired));
}

#[test]
fn a_higher_priority_does_not_wait_and_a_lower_one_may_expire_over_it() {
    let mut rig = Rig::ready(1);
    rig.submit(Some(with_priority(1)));
    rig.turn();
    rig.starts(0);
    rig.submit(Some(with_priority(1)));
    let low = patient(&mut rig, 10);
    rig.turn();
    assert_eq!(ending(&rig.pass(ms(10)), low), Some(&Ending::Expired));
}

#[test]
fn limits_of_tasks_that_have_ended_wake_nobody_and_take_no_room() {
    let mut rig = Rig::ready(1);
    for _ in 0..10_000 {
        patient(&mut rig, 3_600_000);
        rig.turn();
        rig.works(0);
    }
    assert!(
        rig.core.start_by.len() < 1000,
        "{} entries for no task",
        rig.core.start_by.len()
    );
    rig.core.arm();
    assert_eq!(rig.core.next_timer(), None);
}
