//! A supervisor that did not run for a while: nobody is ended because it comes late.

use super::rig::{Rig, config, ending, ms, with_timeout};
use crate::core::{Action, Answer, Ending, ResultKind};

const LONG: u64 = 100_000;

#[test]
fn a_worker_that_could_not_finish_its_handshake_gets_its_time_once_more() {
    let mut rig = Rig::starting(config(1));
    assert_eq!(rig.pass(ms(LONG)), []);
    assert_eq!(rig.pass(ms(4999)), []);
    assert_eq!(
        rig.pass(ms(1)),
        [Action::Kill { worker: 0 }],
        "this time it was on time"
    );
}

#[test]
fn a_worker_is_not_stuck_because_nobody_looked() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(None);
    rig.turn();
    assert_eq!(rig.pass(ms(LONG)), []);
    rig.starts(0);
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(key));
    rig.submit(None);
    rig.turn();
    assert_eq!(rig.pass(ms(LONG)), []);
    assert_eq!(
        rig.pass(ms(5000)),
        [Action::Kill { worker: 0 }],
        "it still has not come to it"
    );
}

#[test]
fn a_task_whose_answer_is_under_way_does_not_time_out() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(with_timeout(ms(100))));
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.pass(ms(LONG)), []);
    rig.now += ms(900);
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(key));
}

#[test]
fn a_task_that_still_runs_times_out_a_little_later() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(with_timeout(ms(100))));
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.pass(ms(LONG)), []);
    assert!(rig.pass(ms(1000)).contains(&Action::Terminate { worker: 0 }));
    assert!(matches!(
        ending(&rig.is_replaced(0), key),
        Some(Ending::TimedOut(_))
    ));
}
