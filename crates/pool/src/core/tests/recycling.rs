//! Workers that make room for fresh ones, between tasks.

use super::rig::{Rig, config, ms, sends};
use crate::core::tests::rig::with_timeout;
use crate::core::{Action, Answer, Config, Recycle, ResultKind};

fn rig(workers: usize, recycle: Recycle) -> Rig {
    let mut rig = Rig::starting(Config {
        recycle,
        ..config(workers)
    });
    (0..workers).for_each(|worker| rig.comes_up(worker));
    rig
}

fn after_tasks(tasks: u64) -> Recycle {
    Recycle {
        tasks: Some(tasks),
        ..Recycle::default()
    }
}

fn by_age(age: u64) -> Recycle {
    Recycle {
        age: Some(ms(age)),
        ..Recycle::default()
    }
}

fn by_memory(bytes: u64) -> Recycle {
    Recycle {
        memory: Some(bytes),
        ..Recycle::default()
    }
}

const LEAVE: Action = Action::Leave { worker: 0 };

#[test]
fn a_worker_runs_so_many_tasks_and_not_one_more() {
    let mut rig = rig(1, after_tasks(3));
    rig.core.workers[0].window = 10;
    let keys = rig.submit_plain(5);
    let sent = sends(&rig.turn());
    assert_eq!(sent, [(0, keys[0]), (0, keys[1]), (0, keys[2])]);
    (0..2).for_each(|_| rig.works(0));
    assert_eq!(rig.turn(), [], "the third runs");
    rig.works(0);
    assert_eq!(rig.turn(), [LEAVE]);
    let actions = rig.is_replaced(0);
    assert_eq!(sends(&actions), [(0, keys[3]), (0, keys[4])]);
    assert_eq!(rig.core.counts().restarts, 1);
}

#[test]
fn a_task_that_was_taken_back_is_not_counted() {
    let mut rig = rig(1, after_tasks(2));
    let keys = rig.submit_plain(3);
    rig.turn();
    assert_eq!(rig.sent(0), keys[..2]);
    assert!(rig.core.cancel(keys[0], &mut rig.pages));
    rig.turn();
    rig.skips(0);
    assert_eq!(sends(&rig.turn()), [(0, keys[2])], "there is one more to run");
    rig.works(0);
    assert_eq!(rig.turn(), []);
    rig.works(0);
    assert_eq!(rig.turn(), [LEAVE]);
}

#[test]
fn a_worker_that_is_due_gives_back_what_it_has_not_started() {
    let mut rig = rig(1, by_age(100));
    rig.core.workers[0].window = 10;
    let first = rig.submit_plain(1);
    rig.turn();
    rig.works(0);
    let keys = rig.submit_plain(3);
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.sent(0), keys);
    assert_eq!(rig.pass(ms(100)), [], "a task runs");
    assert_eq!(rig.sent(0), keys[..1]);
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(keys[0]));
    assert_eq!(rig.turn(), [LEAVE], "what was taken back does not keep it");
    let again: Vec<_> = sends(&rig.is_replaced(0))
        .into_iter()
        .map(|(_, key)| key)
        .collect();
    assert_eq!(again, keys[1..]);
    drop(first);
}

#[test]
fn the_time_limit_of_a_task_holds_in_a_worker_that_is_due() {
    let mut rig = rig(1, by_age(50));
    rig.submit_plain(1);
    rig.turn();
    rig.works(0);
    let slow = rig.submit(Some(with_timeout(ms(100))));
    rig.turn();
    rig.starts(0);
    assert_eq!(rig.pass(ms(60)), []);
    assert!(rig.pass(ms(40)).contains(&Action::Terminate { worker: 0 }));
    let actions = rig.is_replaced(0);
    assert!(super::rig::ending(&actions, slow).is_some());
}

#[test]
fn workers_of_the_same_age_are_replaced_one_after_the_other() {
    let mut rig = rig(3, by_age(100));
    rig.submit_plain(3);
    rig.turn();
    (0..3).for_each(|worker| rig.works(worker));
    assert_eq!(rig.turn(), []);
    assert_eq!(rig.core.next_timer(), Some(rig.now + ms(100)));
    assert_eq!(rig.pass(ms(100)), [LEAVE]);
    assert_eq!(rig.pass(ms(100)), [], "the others wait for its replacement");
    rig.dies(0);
    assert_eq!(rig.turn(), [Action::Spawn { worker: 0 }]);
    rig.comes_up(0);
    assert_eq!(rig.turn(), [Action::Leave { worker: 1 }]);
}

#[test]
fn a_worker_that_has_run_nothing_never_grows_old() {
    let mut rig = rig(1, by_age(100));
    assert_eq!(rig.core.next_timer(), None);
    assert_eq!(rig.pass(ms(10_000)), []);
}

#[test]
fn memory_is_looked_at_after_tasks_and_not_for_each() {
    let mut rig = rig(1, by_memory(1000));
    assert_eq!(rig.core.next_timer(), None, "nobody has worked");
    rig.submit_plain(1);
    rig.turn();
    rig.works(0);
    assert_eq!(rig.pass(ms(0)), [Action::Weigh { worker: 0 }]);
    rig.core.weighed(0, 1000);
    rig.submit_plain(2);
    rig.turn();
    rig.works(0);
    assert_eq!(rig.pass(ms(10)), [], "that was a moment ago");
    rig.works(0);
    assert_eq!(rig.core.next_timer(), Some(rig.now + ms(40)));
    assert_eq!(rig.pass(ms(40)), [Action::Weigh { worker: 0 }]);
    rig.core.weighed(0, 1001);
    assert_eq!(rig.turn(), [LEAVE]);
}

#[test]
fn what_a_running_task_takes_is_not_the_workers() {
    let mut rig = rig(1, by_memory(1000));
    rig.core.workers[0].window = 10;
    rig.submit_plain(1);
    rig.turn();
    rig.works(0);
    let keys = rig.submit_plain(3);
    assert!(rig.pass(ms(0)).contains(&Action::Weigh { worker: 0 }));
    rig.starts(0);
    rig.core.weighed(0, 5000);
    assert_eq!(rig.pass(ms(100)), [], "it is looked at when the task is done");
    assert_eq!(rig.sent(0), keys[..1], "and gets no other until then");
    rig.answers(0, ResultKind::Value);
    rig.skips(0);
    assert_eq!(rig.turn(), []);
    assert_eq!(rig.pass(ms(1)), [Action::Weigh { worker: 0 }]);
    rig.core.weighed(0, 900);
    let sent: Vec<_> = sends(&rig.turn()).into_iter().map(|(_, key)| key).collect();
    assert_eq!(sent, keys[1..], "it was the task's");
    rig.starts(0);
    rig.core.weighed(0, 5000);
    rig.turn();
    rig.answers(0, ResultKind::Value);
    rig.turn();
    assert_eq!(rig.pass(ms(1)), [Action::Weigh { worker: 0 }]);
    rig.core.weighed(0, 5000);
    assert_eq!(rig.turn(), [LEAVE], "and now it is the worker's");
}

#[test]
fn a_worker_that_leaves_is_no_crash_whatever_it_does_on_the_way() {
    let mut rig = Rig::starting(Config {
        recycle: after_tasks(1),
        restart_limit: Some((0, ms(1000))),
        ..config(1)
    });
    rig.comes_up(0);
    for _ in 0..5 {
        rig.submit_plain(1);
        rig.turn();
        rig.works(0);
        assert_eq!(rig.turn(), [LEAVE]);
        assert_eq!(super::rig::broken(&rig.is_replaced(0)), None);
    }
}

#[test]
fn a_worker_that_does_not_leave_is_killed_after_the_grace() {
    let mut rig = rig(1, after_tasks(1));
    rig.submit_plain(1);
    rig.turn();
    rig.works(0);
    assert_eq!(rig.turn(), [LEAVE]);
    assert_eq!(rig.pass(ms(199)), []);
    assert_eq!(rig.pass(ms(1)), [Action::Kill { worker: 0 }]);
    rig.is_replaced(0);
}

#[test]
fn no_replacement_starts_in_a_pool_that_is_stopped() {
    let mut rig = rig(1, after_tasks(1));
    rig.submit_plain(2);
    rig.turn();
    rig.works(0);
    rig.turn();
    rig.core.shut_down(true, &mut rig.pages);
    rig.turn();
    rig.dies(0);
    assert_eq!(rig.turn(), [Action::Closed]);
}

#[test]
fn a_pool_that_drains_replaces_workers_as_long_as_there_are_tasks() {
    let mut rig = rig(1, after_tasks(1));
    rig.submit_plain(2);
    rig.turn();
    rig.core.shut_down(false, &mut rig.pages);
    rig.works(0);
    assert_eq!(rig.turn(), [LEAVE]);
    rig.is_replaced(0);
    rig.works(0);
    rig.turn();
    rig.dies(0);
    assert_eq!(rig.turn(), [Action::Closed]);
}
