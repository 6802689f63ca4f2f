//! Ending a task, a worker, the pool.

use std::time::Duration;

use super::rig::{Rig, config, ending, ms, sends, with_timeout};
use crate::core::{Action, Answer, Config, Ending, ResultKind};

#[test]
fn a_task_that_times_out_ends_its_worker_and_nothing_else() {
    let mut rig = Rig::ready(1);
    let slow = rig.submit(Some(with_timeout(ms(100))));
    let other = rig.submit(None);
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.pass(ms(99)), []);
    let actions = rig.pass(ms(1));
    let id = rig.core.task(slow).map(|t| t.id).unwrap();
    let ends = [
        Action::AskToStop { worker: 0, id },
        Action::Terminate { worker: 0 },
    ];
    assert_eq!(actions, ends, "what is behind is safe before the signal");
    assert_eq!(
        sends(&rig.pass(ms(100))),
        [],
        "a worker that is being ended gets nothing"
    );
    let actions = rig.is_replaced(0);
    assert!(matches!(ending(&actions, slow), Some(Ending::TimedOut(ran)) if ran.ran_for == ms(200)));
    assert_eq!(sends(&actions), [(0, other)]);
}

#[test]
fn what_is_taken_back_goes_on_in_its_order() {
    let mut rig = Rig::ready(1);
    rig.core.workers[0].window = 5;
    let slow = rig.submit(Some(with_timeout(ms(100))));
    let behind = rig.submit_plain(4);
    let queued = rig.submit_plain(1);
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.sent(0).len(), 5);
    rig.pass(ms(100));
    let actions = rig.is_replaced(0);
    assert!(ending(&actions, slow).is_some());
    let order: Vec<_> = std::iter::from_fn(|| rig.core.dequeue()).collect();
    let sent: Vec<_> = sends(&actions).into_iter().map(|(_, key)| key).collect();
    assert_eq!([sent, order].concat(), [behind, queued].concat());
}

#[test]
fn a_worker_that_ignores_term_is_killed_after_the_grace() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(None);
    rig.turn();
    rig.starts(0);
    assert!(rig.core.kill(rig.now, key, &mut rig.pages));
    assert!(rig.turn().contains(&Action::Terminate { worker: 0 }));
    assert_eq!(rig.core.next_timer(), Some(rig.now + ms(200)));
    assert_eq!(rig.pass(ms(199)), []);
    assert_eq!(rig.pass(ms(1)), [Action::Kill { worker: 0 }]);
    assert_eq!(rig.pass(ms(1000)), [], "once");
    assert!(matches!(
        ending(&rig.is_replaced(0), key),
        Some(Ending::Killed(_))
    ));
}

#[test]
fn a_task_that_answers_within_the_grace_has_its_answer() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(with_timeout(ms(10))));
    rig.turn();
    rig.starts(0);
    assert!(rig.pass(ms(10)).contains(&Action::Terminate { worker: 0 }));
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(key));
    let actions = rig.is_replaced(0);
    assert_eq!(ending(&actions, key), None);
}

#[test]
fn a_kill_that_comes_too_late_hits_nobody() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    // The first has answered, unheard as yet, and the second runs.
    let second = rig.core.workers[0].sent[1];
    rig.pages.start_also(0, second.cell);
    rig.pages.names(0, second.id);
    assert!(!rig.core.kill(rig.now, keys[0], &mut rig.pages));
    assert_eq!(rig.turn(), []);
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(keys[0]));
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(keys[1]));
}

#[test]
fn a_timer_that_comes_too_late_hits_nobody() {
    let mut rig = Rig::ready(1);
    let keys = [
        rig.submit(Some(with_timeout(ms(10)))),
        rig.submit(Some(with_timeout(ms(10)))),
    ];
    rig.turn();
    rig.starts(0);
    let second = rig.core.workers[0].sent[1];
    rig.pages.start_also(0, second.cell);
    rig.pages.names(0, second.id);
    assert_eq!(rig.pass(ms(10)), []);
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(keys[0]));
    assert!(
        rig.pass(ms(10)).contains(&Action::Terminate { worker: 0 }),
        "the second one's clock runs"
    );
}

#[test]
fn a_task_that_its_worker_has_not_come_to_does_not_time_out() {
    let mut rig = Rig::ready(1);
    rig.submit(Some(with_timeout(ms(10))));
    rig.turn();
    assert_eq!(rig.pass(ms(10)), []);
    rig.starts(0);
    assert!(rig.pass(ms(10)).contains(&Action::Terminate { worker: 0 }));
}

#[test]
fn an_argument_that_takes_longer_than_the_timeout_is_not_sent_again_and_again() {
    let mut rig = Rig::ready(1);
    let key = rig.submit(Some(with_timeout(ms(10))));
    rig.turn();
    let id = rig.core.task(key).map(|t| t.id).unwrap();
    rig.pages.names(0, id);
    let actions = rig.pass(ms(10));
    assert_eq!(sends(&actions), []);
    assert!(actions.contains(&Action::Terminate { worker: 0 }));
    assert!(matches!(
        ending(&rig.is_replaced(0), key),
        Some(Ending::TimedOut(_))
    ));
}

#[test]
fn only_the_running_task_is_asked_to_stop() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(3);
    rig.turn();
    rig.starts(0);
    assert!(!rig.core.interrupt(keys[1]) && !rig.core.interrupt(keys[2]));
    assert!(rig.core.interrupt(keys[0]));
    let id = rig.core.task(keys[0]).map(|t| t.id).unwrap();
    assert_eq!(rig.turn(), [Action::AskToStop { worker: 0, id }]);
}

#[test]
fn a_worker_that_does_not_prove_itself_in_time_is_killed() {
    let mut rig = Rig::starting(config(2));
    rig.core.authenticated(1);
    assert_eq!(rig.pass(Duration::from_millis(4999)), []);
    assert_eq!(rig.pass(ms(1)), [Action::Kill { worker: 0 }]);
    assert_eq!(
        rig.pass(Duration::from_secs(3600)),
        [],
        "an initializer may take as long as it likes"
    );
}

#[test]
fn a_worker_that_hangs_up_has_a_second_to_end() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    rig.core.hung_up(rig.now, 0);
    assert_eq!(rig.pass(ms(999)), []);
    assert_eq!(rig.pass(ms(1)), [Action::Kill { worker: 0 }]);
    let actions = rig.is_replaced(0);
    assert!(matches!(ending(&actions, keys[0]), Some(Ending::Crashed(_))));
    assert_eq!(sends(&actions), [(0, keys[1])]);
}

#[test]
fn a_pool_that_drains_finishes_everything_and_closes() {
    let mut rig = Rig::ready(2);
    let keys = rig.submit_plain(5);
    rig.turn();
    rig.core.shut_down(false, &mut rig.pages);
    assert_eq!(rig.core.submit(99, 0, None), None);
    // A crash on the way costs its task only: the worker is replaced for the rest.
    rig.starts(0);
    assert!(matches!(
        ending(&rig.is_replaced(0), keys[0]),
        Some(Ending::Crashed(_))
    ));
    for worker in [0, 1, 0, 1, 0, 1] {
        if !rig.sent(worker).is_empty() {
            rig.works(worker);
        }
        rig.turn();
    }
    assert_eq!((rig.core.counts().done, rig.core.live), (4, 0));
    rig.skips(0);
    rig.skips(1);
    rig.dies(0);
    assert_eq!(rig.turn(), []);
    rig.dies(1);
    assert_eq!(rig.turn(), [Action::Closed]);
    assert_eq!(rig.turn(), [], "once");
}

#[test]
fn a_pool_that_is_shut_down_now_cancels_what_waits_and_keeps_what_runs() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(5);
    rig.turn();
    rig.starts(0);
    rig.core.shut_down(true, &mut rig.pages);
    let actions = rig.turn();
    assert!(
        keys[1..]
            .iter()
            .all(|&key| ending(&actions, key) == Some(&Ending::Cancelled))
    );
    assert_eq!(actions.len(), 4, "and nothing is done to the worker");
    assert_eq!(rig.pass(Duration::from_secs(3600)), []);
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(keys[0]));
    assert_eq!(rig.turn(), [Action::Leave { worker: 0 }]);
    rig.dies(0);
    assert_eq!(rig.turn(), [Action::Closed]);
}

#[test]
fn a_worker_that_does_not_leave_is_killed_after_the_grace() {
    let mut rig = Rig::ready(1);
    rig.core.shut_down(false, &mut rig.pages);
    assert_eq!(rig.turn(), [Action::Leave { worker: 0 }]);
    assert_eq!(rig.pass(ms(200)), [Action::Kill { worker: 0 }]);
    rig.dies(0);
    assert_eq!(rig.turn(), [Action::Closed]);
}

#[test]
fn a_pool_that_is_terminated_kills_its_workers_at_once() {
    let mut rig = Rig::starting(config(3));
    rig.comes_up(0);
    rig.comes_up(1);
    let keys = rig.submit_plain(6);
    rig.turn();
    rig.starts(0);
    rig.core.terminate(rig.now, &mut rig.pages);
    let actions = rig.turn();
    for worker in 0..3 {
        assert!(actions.contains(&Action::Kill { worker }));
        rig.dies(worker);
    }
    let last = rig.turn();
    assert!(matches!(ending(&last, keys[0]), Some(Ending::Killed(_))));
    assert!(
        keys[1..]
            .iter()
            .all(|&key| ending(&actions, key) == Some(&Ending::Cancelled))
    );
    assert_eq!(last.last(), Some(&Action::Closed));
}

#[test]
fn a_page_that_lies_does_not_keep_a_pool_from_closing() {
    let mut rig = Rig::ready(1);
    let keys = rig.submit_plain(2);
    rig.turn();
    for cell in 0..2 {
        rig.pages.start_also(0, cell);
    }
    rig.core.shut_down(true, &mut rig.pages);
    assert_eq!(rig.turn(), [], "as far as the page says, both have started");
    rig.dies(0);
    let actions = rig.turn();
    assert!(
        keys.iter()
            .all(|&key| ending(&actions, key) == Some(&Ending::Cancelled))
    );
    assert_eq!(actions.last(), Some(&Action::Closed));
}

#[test]
fn rubbish_from_a_worker_that_is_being_ended_anyway_is_not_a_crash() {
    let mut rig = Rig::starting(Config {
        restart_limit: Some((0, ms(1000))),
        ..config(1)
    });
    rig.comes_up(0);
    let key = rig.submit(None);
    rig.turn();
    rig.starts(0);
    rig.core.terminate(rig.now, &mut rig.pages);
    rig.core.fault(rig.now, 0, &mut rig.pages);
    rig.dies(0);
    let actions = rig.turn();
    assert!(matches!(ending(&actions, key), Some(Ending::Killed(_))));
    assert_eq!(super::rig::broken(&actions), None);
}
