//! Tasks of several items: cut for a worker that has nothing to do, resumed behind an item that ended alone.

use super::rig::{Rig, ending, ms, sends};
use crate::core::{Action, Ending, Key, Policy};

fn divisions(actions: &[Action]) -> Vec<(usize, Key)> {
    let of = |action: &Action| match *action {
        Action::Divide { worker, key, .. } => Some((worker, key)),
        _ => None,
    };
    actions.iter().filter_map(of).collect()
}

#[test]
fn a_task_that_keeps_its_worker_busy_is_divided_for_one_that_has_nothing_to_do() {
    let mut rig = Rig::ready(2);
    let key = rig.submit(Some(Policy::divisible()));
    assert_eq!(sends(&rig.turn()), [(0, key)]);
    rig.starts(0);
    assert_eq!(divisions(&rig.turn()), [], "it may be done in a moment");
    assert!(rig.core.next_timer().is_some_and(|at| at <= rig.now + ms(1)));
    assert_eq!(divisions(&rig.pass(ms(1))), [(0, key)]);
    assert_eq!(divisions(&rig.turn()), [], "once asked, it has a moment again");
    let rest = rig
        .core
        .submit_rest(99, 0, Some(Box::new(Policy::divisible())))
        .unwrap();
    assert_eq!(sends(&rig.turn()), [(1, rest)]);
    assert_eq!(divisions(&rig.pass(ms(10))), [], "nobody has nothing to do");
}

#[test]
fn a_task_that_cannot_be_divided_is_left_alone() {
    let mut rig = Rig::ready(2);
    rig.submit(None);
    rig.turn();
    rig.starts(0);
    assert_eq!(divisions(&rig.pass(ms(100))), []);
}

#[test]
fn a_task_whose_item_has_ended_alone_goes_on_before_the_others() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(Policy::divisible()));
    let other = rig.submit(None);
    rig.turn();
    rig.starts(0);
    rig.dies(0);
    let mut actions = Vec::new();
    rig.core.take_actions(&mut actions);
    assert!(matches!(ending(&actions, key), Some(Ending::Crashed(_))));
    assert!(rig.core.resume(key));
    rig.core.renumber(key, 77);
    rig.turn();
    rig.comes_up(0);
    assert_eq!(sends(&rig.turn()), [(0, key), (0, other)]);
    assert_eq!(rig.core.task(key).map(|t| (t.id, t.attempt)), Some((77, 1)));
}

#[test]
fn a_pool_that_stops_starts_nothing_of_what_was_cut_off() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(Policy::divisible()));
    rig.turn();
    rig.starts(0);
    rig.core.shut_down(true, &mut rig.pages);
    assert_eq!(rig.core.submit_rest(99, 0, None), None);
    assert!(!rig.core.resume(key), "it has not ended");
}
