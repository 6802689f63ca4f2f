//! Who goes first, and what comes back for whom.

use super::rig::{Rig, ms, sends, with_priority, with_retry};
use crate::core::{Action, Answer, Cause, Key, Policy, ResultKind, Retry};

fn ranked(rig: &mut Rig, priority: i32) -> Key {
    rig.submit(Some(with_priority(priority)))
}

/// Works everything off on one worker; gives the order of the starts.
fn order(rig: &mut Rig) -> Vec<Key> {
    let mut started = Vec::new();
    while rig.core.live > 0 {
        rig.turn();
        rig.skips(0);
        if let Some(&first) = rig.sent(0).first() {
            started.push(first);
            rig.works(0);
        }
    }
    started
}

#[test]
fn the_higher_priority_starts_first_and_equal_ones_in_the_order_of_submission() {
    let mut rig = Rig::ready(1);
    let keys: Vec<Key> = [0, -3, 7, 0, 7, i32::MIN, i32::MAX, -3]
        .into_iter()
        .map(|priority| ranked(&mut rig, priority))
        .collect();
    let expected = [6, 2, 4, 0, 3, 1, 7, 5].map(|n: usize| keys[n]);
    assert_eq!(order(&mut rig), expected);
    assert_eq!((rig.core.with_priority, rig.core.ranked.len()), (0, 0));
}

#[test]
fn what_was_sent_ahead_is_taken_back_for_a_higher_priority() {
    let mut rig = Rig::ready(2);
    rig.core.workers.iter_mut().for_each(|w| w.window = 8);
    let plain = rig.submit_plain(16);
    rig.turn();
    (0..2).for_each(|worker| rig.starts(worker));
    assert_eq!(rig.sent(0).len() + rig.sent(1).len(), 16);
    let running = [rig.sent(0)[0], rig.sent(1)[0]];
    let urgent = ranked(&mut rig, 1);
    rig.turn();
    let ahead: Vec<Key> = (0..2).flat_map(|worker| rig.sent(worker)[1..].to_vec()).collect();
    assert!(
        ahead.iter().all(|&key| key == urgent),
        "nothing else may start next"
    );
    // Whoever is through first starts it, wherever it is.
    rig.answers(1, ResultKind::Value);
    rig.skips(1);
    rig.turn();
    assert_eq!((rig.sent(0)[0], rig.sent(1)[0]), (running[0], urgent));
    // The others go on in their old order.
    rig.works(1);
    let mut started = Vec::new();
    while rig.core.live > 1 {
        rig.skips(1);
        rig.turn();
        if let Some(&first) = rig.sent(1).first() {
            started.push(first);
            rig.works(1);
        }
        rig.pass(ms(1));
    }
    let rest: Vec<Key> = plain.into_iter().filter(|k| !running.contains(k)).collect();
    assert_eq!(started, rest);
}

#[test]
fn what_has_just_started_stays() {
    let mut rig = Rig::ready(1);
    let plain = rig.submit_plain(2);
    rig.turn();
    rig.starts(0);
    // The first has answered, unheard as yet, and the second runs.
    let second = rig.core.workers[0].sent[1];
    rig.pages.start_also(0, second.cell);
    let urgent = ranked(&mut rig, 9);
    rig.turn();
    assert_eq!(rig.sent(0)[..2], plain);
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(plain[0]));
    assert_eq!(rig.answers(0, ResultKind::Value), Answer::Outcome(plain[1]));
    rig.turn();
    assert_eq!(rig.sent(0), [urgent]);
}

#[test]
fn a_worker_that_waits_takes_the_priority_that_lies_ahead_elsewhere_before_a_lower_one_that_waits() {
    let mut rig = Rig::ready(2);
    let long = rig.submit_plain(2);
    rig.turn();
    (0..2).for_each(|worker| rig.starts(worker));
    let high: Vec<Key> = (0..2).map(|_| ranked(&mut rig, 5)).collect();
    let low = rig.submit_plain(3);
    rig.turn();
    assert_eq!(
        (rig.sent(0), rig.sent(1)),
        (vec![long[0], high[0]], vec![long[1], high[1]])
    );
    rig.answers(1, ResultKind::Value);
    rig.works(1);
    assert_eq!(sends(&rig.turn())[0], (1, high[0]), "it was ahead at the other");
    rig.skips(0);
    rig.starts(1);
    rig.turn();
    assert!(rig.sent(0).contains(&low[0]) || rig.sent(1).contains(&low[0]));
}

#[test]
fn another_attempt_keeps_its_priority_and_goes_behind_its_equals() {
    let mut rig = Rig::ready(1);
    let policy = Policy {
        priority: 3,
        ..with_retry(Retry::times(1).on([Cause::Panicked]))
    };
    let flaky = rig.submit(Some(policy));
    rig.turn();
    rig.starts(0);
    let equal = ranked(&mut rig, 3);
    let plain = rig.submit_plain(1)[0];
    assert_eq!(rig.answers(0, ResultKind::Panicked), Answer::Again(flaky));
    assert_eq!(order(&mut rig), [equal, flaky, plain]);
}

#[test]
fn what_comes_back_from_a_dead_worker_keeps_its_turn() {
    let mut rig = Rig::ready(1);
    let keys: Vec<Key> = (0..4).map(|_| ranked(&mut rig, 3)).collect();
    rig.turn();
    rig.starts(0);
    let later = ranked(&mut rig, 3);
    rig.is_replaced(0);
    assert_eq!(order(&mut rig), [&keys[1..], &[later][..]].concat());
}

#[test]
fn a_task_with_a_priority_is_cancelled_wherever_it_waits() {
    let mut rig = Rig::ready(1);
    rig.submit_plain(1);
    rig.turn();
    rig.starts(0);
    let keys: Vec<Key> = (0..5).map(|n| ranked(&mut rig, n + 1)).collect();
    rig.turn();
    for key in &keys {
        assert!(rig.core.cancel(*key, &mut rig.pages));
    }
    assert_eq!((rig.core.queued, rig.core.ranked.len(), rig.core.live), (0, 0, 1));
    rig.turn();
    rig.answers(0, ResultKind::Value);
    assert_eq!(rig.core.counts().cancelled, 5);
}

#[test]
fn low_priorities_are_sent_ahead_only_when_nothing_higher_waits_or_lies_ahead() {
    let mut rig = Rig::ready(1);
    rig.core.workers[0].window = 8;
    let low: Vec<Key> = (0..3).map(|_| ranked(&mut rig, -1)).collect();
    rig.turn();
    assert_eq!(rig.sent(0), low, "there is nothing else");
    rig.starts(0);
    let plain = rig.submit_plain(2);
    rig.turn();
    assert!(!rig.sent(0)[1..].contains(&low[1]), "it may not start next");
    assert_eq!(order_after(&mut rig), [&plain[..], &low[1..]].concat());
}

/// The task that runs ends, then likewise.
fn order_after(rig: &mut Rig) -> Vec<Key> {
    rig.answers(0, ResultKind::Value);
    order(rig)
}

#[test]
fn the_items_of_a_batch_that_have_not_started_come_back_for_a_higher_priority() {
    let mut rig = Rig::ready(1);
    let batch = rig.submit(Some(Policy::divisible()));
    rig.turn();
    rig.starts(0);
    rig.pass(ms(1));
    let urgent = ranked(&mut rig, 1);
    let actions = rig.turn();
    let divides = |a: &Action| matches!(a, Action::Divide { worker: 0, key, .. } if *key == batch);
    assert!(actions.iter().any(divides), "{actions:?}");
    assert_eq!(rig.sent(0), [batch, urgent]);
    let rest = rig
        .core
        .submit_rest(99, 0, Some(Box::new(Policy::divisible())))
        .unwrap();
    assert_eq!(order_after(&mut rig), [urgent, rest]);
}

#[test]
fn a_batch_that_has_not_started_comes_back_as_a_whole() {
    let mut rig = Rig::ready(1);
    let batch = rig.submit(Some(Policy::divisible()));
    rig.turn();
    let urgent = ranked(&mut rig, 1);
    assert_eq!(order(&mut rig), [urgent, batch]);
}

#[test]
fn priorities_move_no_more_than_they_must() {
    let mut rig = Rig::ready(1);
    rig.core.workers[0].window = 100;
    let high: Vec<Key> = (0..100).map(|_| ranked(&mut rig, 2)).collect();
    assert_eq!(
        sends(&rig.turn()).len(),
        100,
        "equal ones are sent ahead like any others"
    );
    rig.starts(0);
    rig.submit_plain(5);
    assert_eq!(rig.turn(), [], "what is lower waits, and nothing comes back");
    assert_eq!(rig.sent(0), high);
}
