//! Workers that wait for something before they have a process.

use std::time::Duration;

use super::rig::{Rig, config};
use crate::core::{Action, Departure};

const LIMIT: Duration = Duration::from_secs(5);

fn spawns(actions: &[Action]) -> usize {
    let spawns = actions.iter().filter(|a| matches!(a, Action::Spawn { .. }));
    spawns.count()
}

#[test]
fn a_worker_that_waits_has_no_time_limit_until_its_handshake_begins() {
    let mut rig = Rig::starting(config(1));
    rig.core.authenticated(0);
    assert_eq!(rig.core.next_timer(), None);
    rig.pass(Duration::from_secs(3600));
    rig.core.handshake_begins(rig.now, 0);
    assert_eq!(rig.core.next_timer(), Some(rig.now + LIMIT));
    assert_eq!(rig.core.new_timer(), Some(rig.now + LIMIT));
    assert_eq!(rig.pass(LIMIT), [Action::Kill { worker: 0 }]);
    assert!(rig.core.is_faulty(0));
}

#[test]
fn one_failed_start_is_charged_for_all_that_waited_for_it() {
    let mut rig = Rig::starting(config(4));
    for _ in 0..2 {
        for worker in 1..4 {
            rig.core.postpone(rig.now, worker);
        }
        rig.dies(0);
        assert_eq!(spawns(&rig.turn()), 0);
        // After a pause all of them, together.
        let next = rig.core.next_timer().expect("a pause");
        assert_eq!(spawns(&rig.pass(next - rig.now)), 4);
    }
    assert!(rig.core.submit(1, 0, None).is_some(), "the pool is not broken");
    assert_eq!(rig.core.counts().restarts, 2, "only one of them had a process");
}

#[test]
fn one_that_is_not_needed_any_more_is_killed_once_more_later() {
    let mut rig = Rig::starting(config(1));
    rig.core.shut_down(false, &mut rig.pages);
    assert_eq!(rig.turn(), [Action::Kill { worker: 0 }]);
    assert!(!rig.core.is_faulty(0));
    assert!(rig.core.kill_later(rig.now, 0));
    assert_eq!(rig.pass(LIMIT), [Action::Kill { worker: 0 }]);
    rig.core
        .departed(rig.now, 0, &Departure::default(), &mut rig.pages);
    assert_eq!(rig.turn(), [Action::Closed]);

    let mut rig = Rig::starting(config(1));
    rig.core.terminate(rig.now, &mut rig.pages);
    assert_eq!(rig.turn(), [Action::Kill { worker: 0 }]);
    assert!(!rig.core.kill_later(rig.now, 0), "terminated at once");
}
