//! Instances that wait for the one about the same item.

use std::collections::HashMap;

use pexec_job::event::Outcome;
use pexec_job::plan::{NeedEach, Pair, SourceError, TaskPlan};

use super::{Run, six, stream, task};

/// The task's instances wait for those of `need` with the same item; `known`: it has so many, each item once.
fn after(need: usize, known: Option<u64>, task: TaskPlan) -> TaskPlan {
    let partners = known.map(|known| {
        let items = (0..known).map(|index| Pair::of_item(Some(&index.to_string().into())));
        items.map(|pair| (pair, 1)).collect::<HashMap<_, _>>()
    });
    let pair = NeedEach {
        task: need,
        own: vec![],
        theirs: vec![],
        partners,
    };
    TaskPlan {
        needs_each: vec![pair],
        ..task
    }
}

#[test]
fn an_instance_starts_when_its_partner_has_succeeded_and_waits_for_no_other() {
    let mut run = Run::new();
    let gates = tempfile::tempdir().expect("a directory");
    let gate = gates.path().join("gate");
    // The second of the first task ends only when the first item is through.
    let waits = format!("until test -e {}; do sleep 0.01; done", gate.display());
    run.record.gate_at_end = Some(("c/0".to_owned(), gate));
    let finished = run
        .go(vec![
            task("a", &[], &["true", &waits]),
            after(0, Some(2), task("b", &[], &["true", "true"])),
            after(1, Some(2), task("c", &[], &["true", "true"])),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [6, 6, 0, 0, 0, 0]);
    let at = |told: &str| run.record.at(told);
    assert!(at("started c/0 1") < at("finished a/1 1 success"));
    for item in 0..2 {
        for (before, later) in [("a", "b"), ("b", "c")] {
            let end = at(&format!("finished {before}/{item} 1 success"));
            assert!(end < at(&format!("started {later}/{item} 1")));
        }
    }
}

#[test]
fn a_failed_partner_blocks_its_own_item_all_the_way_and_no_other() {
    let mut run = Run::new();
    let finished = run
        .go(vec![
            task("a", &[], &["true", "exit 1", "true"]),
            after(0, Some(3), task("b", &[], &["true"; 3])),
            after(1, Some(3), task("c", &[], &["true", "true", "exit 2"])),
            task("all", &[1], &["true"]),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [10, 5, 2, 0, 3, 0]);
    for blocked in ["blocked b/1 a(1)", "blocked c/1 a(1)", "blocked all/0 a(1)"] {
        run.record.at(blocked);
    }
    run.record.at("finished c/0 1 success");
}

#[test]
fn a_task_that_is_blocked_as_a_whole_blocks_all_that_wait_for_it_item_by_item() {
    let mut run = Run::new();
    let many = vec!["true"; 3000];
    let finished = run
        .go(vec![
            task("z", &[], &["false"]),
            task("a", &[0], &many),
            after(1, Some(3000), task("b", &[], &many)),
            stream("s", &[0], ["true"].into_iter().map(Ok)),
            after(3, None, task("t", &[], &["true", "true"])),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [6004, 0, 1, 0, 6003, 0]);
    assert_eq!(finished.state.blocked_by(), [("z(0)".into(), 6003)]);
}

#[test]
fn streams_are_matched_in_whatever_order_they_come() {
    let mut run = Run::new();
    let finished = run
        .go(vec![
            stream("a", &[], std::iter::repeat_n("true", 300).map(Ok)),
            after(
                0,
                None,
                stream("b", &[], std::iter::repeat_n("true", 300).map(Ok)),
            ),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [600, 600, 0, 0, 0, 0]);
    for index in 0..300 {
        let end = run.record.at(&format!("finished a/{index} 1 success"));
        assert!(end < run.record.at(&format!("started b/{index} 1")));
    }
}

#[test]
fn thousands_in_the_opposite_order_each_run_once_after_their_partners() {
    let mut run = Run::new();
    const MANY: usize = 1200;
    let mut reversed = after(0, Some(MANY as u64), task("b", &[], &vec!["exec true"; MANY]));
    let mut instances: Vec<_> = reversed.instances.collect();
    instances.reverse();
    reversed.instances = Box::new(instances.into_iter());
    let finished = run
        .go(vec![task("a", &[], &vec!["exec true"; MANY]), reversed])
        .expect("a run");
    let all = 2 * MANY as u64;
    assert_eq!(six(finished.state.counts()), [all, all, 0, 0, 0, 0]);
    let places: HashMap<String, usize> = run.record.story().into_iter().zip(0..).collect();
    for index in 0..MANY {
        assert!(places[&format!("finished a/{index} 1 success")] < places[&format!("started b/{index} 1")]);
    }
}

#[test]
fn an_item_goes_on_before_another_begins() {
    let mut run = Run::new();
    run.options.jobs = 1;
    run.go(vec![
        task("a", &[], &["true"; 20]),
        after(0, Some(20), task("b", &[], &["true"; 20])),
    ])
    .expect("a run");
    assert!(run.record.at("started b/0 1") < run.record.at("started a/9 1"));
}

#[test]
fn who_has_no_partner_fails_and_says_so() {
    let mut run = Run::new();
    let finished = run
        .go(vec![
            stream("a", &[], ["true"].into_iter().map(Ok)),
            after(0, None, task("b", &[], &["true", "true"])),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [3, 2, 1, 0, 0, 0]);
    let why = "`a` has no instance for the same item, so there is nothing to wait for";
    assert_eq!(run.record.ends("b/1"), [(Outcome::Failed, Some(why.to_owned()))]);
}

#[test]
fn a_source_that_breaks_blocks_those_whose_partners_never_came() {
    let mut run = Run::new();
    let broken = [Ok("true"), Err(SourceError("gone".to_owned()))];
    let finished = run
        .go(vec![
            stream("a", &[], broken.into_iter()),
            after(0, None, task("b", &[], &["true", "true"])),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [4, 2, 1, 0, 1, 0]);
    run.record.at("blocked b/1 a");
    run.record.at("finished b/0 1 success");
}

#[test]
fn a_run_that_is_stopped_leaves_those_that_wait_not_run() {
    let mut run = Run::new();
    run.record.stop_at_start = Some((run.options.stop.clone(), 15));
    let finished = run
        .go(vec![
            task("a", &[], &["exec sleep 1000"; 2]),
            after(0, Some(2), task("b", &[], &["true"; 2])),
        ])
        .expect("a run");
    let counts = finished.state.counts();
    assert_eq!((counts.succeeded, counts.failed, counts.blocked), (0, 0, 0));
    assert_eq!(counts.not_run() + counts.killed, 4);
}
