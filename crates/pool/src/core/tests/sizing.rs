//! How many workers there are.

use std::time::Duration;

use super::rig::{Rig, config, ms, sends};
use crate::core::{Action, Config, Size};

fn elastic(least: usize, most: usize) -> Rig {
    let mut rig = Rig::starting(Config {
        size: Size { least, most },
        idle_timeout: Duration::from_secs(10),
        ..config(1)
    });
    (0..least).for_each(|worker| rig.comes_up(worker));
    rig
}

fn spawns(actions: &[Action]) -> Vec<usize> {
    let spawns = actions.iter().filter_map(|action| match *action {
        Action::Spawn { worker } => Some(worker),
        _ => None,
    });
    spawns.collect()
}

#[test]
fn an_elastic_pool_starts_with_the_least() {
    let mut rig = Rig::starting(Config {
        size: Size { least: 2, most: 5 },
        ..config(1)
    });
    rig.comes_up(0);
    rig.comes_up(1);
    assert_eq!(rig.turn(), []);
    assert_eq!(rig.core.next_timer(), None, "nobody is too many");
}

#[test]
fn tasks_that_wait_for_a_moment_bring_more_workers() {
    let mut rig = elastic(1, 4);
    let keys = rig.submit_plain(3);
    assert_eq!(spawns(&rig.turn()), [], "it may be through with them at once");
    rig.starts(0);
    assert_eq!(rig.core.next_timer(), Some(rig.now + ms(1)));
    assert_eq!(spawns(&rig.pass(ms(1))), [1, 2], "as many as can be of use");
    assert_eq!(spawns(&rig.pass(ms(5))), [], "they are on their way");
    rig.comes_up(1);
    rig.comes_up(2);
    let sent: Vec<_> = sends(&rig.turn()).into_iter().map(|(_, key)| key).collect();
    assert_eq!(sent.len(), 2);
    assert!(
        keys.iter()
            .all(|key| sent.contains(key) || rig.sent(0).contains(key))
    );
}

#[test]
fn there_are_never_more_than_the_most() {
    let mut rig = elastic(1, 3);
    rig.submit_plain(50);
    rig.turn();
    rig.starts(0);
    assert_eq!(spawns(&rig.pass(ms(1))), [1, 2]);
    rig.comes_up(1);
    rig.comes_up(2);
    rig.turn();
    assert_eq!(spawns(&rig.pass(ms(50))), []);
}

#[test]
fn a_quick_worker_is_enough_for_what_it_gets_through() {
    let mut rig = elastic(1, 4);
    for _ in 0..20 {
        rig.submit_plain(2);
        rig.turn();
        rig.works(0);
        rig.works(0);
        assert_eq!(spawns(&rig.pass(ms(1))), []);
    }
}

#[test]
fn workers_above_the_least_leave_when_they_had_nothing_to_do() {
    let mut rig = elastic(1, 3);
    rig.submit_plain(3);
    rig.turn();
    rig.starts(0);
    rig.pass(ms(1));
    rig.comes_up(1);
    rig.comes_up(2);
    rig.turn();
    rig.works(1);
    rig.works(2);
    rig.turn();
    let seconds = Duration::from_secs(10);
    assert_eq!(rig.pass(seconds - ms(1)), []);
    let actions = rig.pass(ms(1));
    assert_eq!(
        actions,
        [Action::Leave { worker: 2 }, Action::Leave { worker: 1 }]
    );
    rig.dies(1);
    rig.dies(2);
    assert_eq!(rig.turn(), [], "nobody takes their place");
    rig.answers(0, crate::core::ResultKind::Value);
    rig.skips(0);
    assert_eq!(rig.pass(2 * seconds), [], "the least stays");
}

#[test]
fn a_task_that_comes_while_the_last_worker_leaves_brings_one_back() {
    let mut rig = elastic(1, 2);
    rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    rig.pass(ms(1));
    rig.comes_up(1);
    rig.turn();
    rig.works(1);
    assert_eq!(rig.pass(Duration::from_secs(10)), [Action::Leave { worker: 1 }]);
    let key = rig.submit_plain(1);
    rig.turn();
    assert_eq!(spawns(&rig.pass(ms(1))), [], "its slot is not free yet");
    rig.dies(1);
    assert_eq!(spawns(&rig.turn()), [1]);
    rig.comes_up(1);
    rig.turn();
    assert_eq!(rig.sent(1), key);
}

#[test]
fn growing_starts_workers_at_once_and_keeps_the_others() {
    let mut rig = Rig::ready(2);
    rig.core.resize(rig.now, 4, &mut rig.pages);
    let spawned = [Action::Spawn { worker: 2 }, Action::Spawn { worker: 3 }];
    assert_eq!(rig.turn(), spawned);
    rig.core.resize(rig.now, 4, &mut rig.pages);
    assert_eq!(rig.turn(), [], "the same size changes nothing");
}

#[test]
fn shrinking_takes_idle_workers_first_and_busy_ones_after_their_task() {
    let mut rig = Rig::ready(3);
    let keys = rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    rig.starts(1);
    rig.core.resize(rig.now, 1, &mut rig.pages);
    assert_eq!(rig.turn(), [Action::Leave { worker: 2 }]);
    assert_eq!((rig.sent(0), rig.sent(1)), (vec![keys[0]], vec![keys[1]]));
    let more = rig.submit_plain(1);
    rig.turn();
    assert_eq!(
        rig.sent(0),
        [keys[0], more[0]],
        "the one that goes gets nothing more"
    );
    rig.answers(1, crate::core::ResultKind::Value);
    assert_eq!(rig.turn(), [Action::Leave { worker: 1 }]);
    rig.dies(1);
    rig.dies(2);
    assert_eq!(rig.turn(), []);
}

#[test]
fn what_a_worker_that_goes_has_not_started_runs_elsewhere() {
    let mut rig = Rig::ready(2);
    rig.core.workers[1].window = 4;
    rig.core.workers[0].window = 4;
    let keys = rig.submit_plain(6);
    rig.turn();
    rig.starts(0);
    rig.starts(1);
    rig.core.resize(rig.now, 1, &mut rig.pages);
    rig.turn();
    let gone = rig.core.workers.iter().position(|w| w.retires).expect("one goes");
    assert_eq!(rig.sent(gone).len(), 1);
    let queued = rig.core.queued;
    assert_eq!(rig.sent(1 - gone).len() + queued + 1, keys.len());
}

#[test]
fn a_worker_that_was_to_go_stays_when_it_is_wanted_again() {
    let mut rig = Rig::ready(2);
    rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    rig.starts(1);
    rig.core.resize(rig.now, 1, &mut rig.pages);
    rig.turn();
    rig.core.resize(rig.now, 2, &mut rig.pages);
    assert_eq!(rig.turn(), []);
    rig.answers(0, crate::core::ResultKind::Value);
    rig.answers(1, crate::core::ResultKind::Value);
    assert_eq!(rig.turn(), [], "both stay");
}

#[test]
fn a_worker_that_has_not_started_yet_is_the_first_to_go() {
    let mut rig = Rig::ready(1);
    rig.core.resize(rig.now, 2, &mut rig.pages);
    rig.turn();
    rig.core.resize(rig.now, 1, &mut rig.pages);
    assert_eq!(rig.turn(), [Action::Kill { worker: 1 }]);
    rig.dies(1);
    assert_eq!(rig.turn(), []);
}

#[test]
fn a_worker_that_crashes_on_its_way_out_is_not_replaced() {
    let mut rig = Rig::ready(2);
    rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    rig.starts(1);
    rig.core.resize(rig.now, 1, &mut rig.pages);
    rig.turn();
    let gone = rig.core.workers.iter().position(|w| w.retires).expect("one goes");
    rig.dies(gone);
    assert_eq!(spawns(&rig.turn()), []);
    rig.dies(1 - gone);
    assert_eq!(spawns(&rig.turn()), [1 - gone], "the other one is");
}

#[test]
fn nothing_is_no_size() {
    let mut rig = Rig::ready(2);
    rig.core.resize(rig.now, 0, &mut rig.pages);
    rig.turn();
    assert_eq!(rig.core.wanted, 1);
}
