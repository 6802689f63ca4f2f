//! Policies that end a run before its time.

use pexec_job::event::{Kind, Outcome};
use pexec_job::plan::{Backoff, Halt, Retry, TaskPlan};

use super::{Run, six, stream, task};

fn halting(policy: &str) -> Run {
    let mut run = Run::new();
    run.options.jobs = 1;
    run.halt = Halt::read(policy).expect("a policy");
    run
}

#[test]
fn instances_count_and_not_their_attempts() {
    let mut run = halting("soon,fail=2");
    let tried = TaskPlan {
        retry: Retry::times(3),
        ..task("a", &[], &["false", "true", "false", "true"])
    };
    let finished = run.go(vec![tried]).expect("a run");
    assert_eq!(six(finished.state.counts()), [4, 1, 2, 0, 0, 1]);
    assert_eq!(finished.state.counts().retried, 6);
    assert_eq!(
        finished.halted.map(|halt| halt.to_string()).as_deref(),
        Some("soon,fail=2")
    );
    assert_eq!(finished.state.halted(), Some("soon,fail=2"));
}

#[test]
fn what_is_not_met_changes_nothing() {
    for policy in [
        "soon,fail=2",
        "now,success=4",
        "now,fail=30%",
        "soon,done=5",
        "never",
    ] {
        let mut run = halting(policy);
        let finished = run
            .go(vec![task("a", &[], &["false", "true", "true", "true"])])
            .expect("a run");
        assert_eq!(six(finished.state.counts()), [4, 3, 1, 0, 0, 0], "{policy}");
        assert_eq!(
            (finished.halted, finished.state.halted()),
            (None, None),
            "{policy}"
        );
    }
}

#[test]
fn what_was_blocked_counts_for_nothing() {
    let mut run = halting("soon,fail=2");
    let finished = run
        .go(vec![
            task("a", &[], &["false"]),
            task("b", &[0], &["true"; 5]),
            task("c", &[], &["true"]),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [7, 1, 1, 0, 5, 0]);
    assert_eq!(finished.halted, None);
}

#[test]
fn nothing_starts_any_more_not_even_another_attempt() {
    let mut run = halting("soon,fail=1");
    run.options.jobs = 2;
    // The second one fails when the first one has ended the run.
    let gates = tempfile::tempdir().expect("a directory");
    let (begun, over) = (gates.path().join("begun"), gates.path().join("over"));
    let after =
        |gate: &std::path::Path| format!("until test -e {}; do sleep 0.01; done; exit 1", gate.display());
    let again = TaskPlan {
        retry: Retry::times(9),
        ..task("b", &[], &[&after(&over), "true"])
    };
    let fails = task("a", &[], &[&after(&begun)]);
    run.record.gate_at_start = Some(("b/0".to_owned(), begun));
    run.record.gate_at_end = Some(("a/0".to_owned(), over));
    let finished = run.go(vec![fails, again]).expect("a run");
    assert_eq!(six(finished.state.counts()), [3, 0, 2, 0, 0, 1]);
    assert_eq!(finished.state.counts().retried, 0);
}

#[test]
fn an_attempt_that_waits_for_its_pause_holds_no_worker_and_does_not_keep_a_halted_run() {
    let mut run = halting("now,success=1");
    let hour = std::time::Duration::from_secs(3600);
    let patient = TaskPlan {
        retry: Retry {
            backoff: Some(Backoff { from: hour, to: hour }),
            ..Retry::times(1)
        },
        ..task("a", &[], &["false", "true", "true"])
    };
    let finished = run.go(vec![patient]).expect("a run");
    assert_eq!(six(finished.state.counts()), [3, 1, 0, 0, 0, 2]);
    assert_eq!(
        run.record.story()[2..],
        [
            "started a/0 1",
            "finished a/0 1 failed",
            "started a/1 1",
            "finished a/1 1 success",
            "run_finished"
        ]
    );
}

#[test]
fn a_percentage_of_a_stream_decides_when_its_end_is_known() {
    let mut run = halting("soon,fail=50%");
    let finished = run
        .go(vec![
            stream("s", &[], ["false", "true", "false", "true"].into_iter().map(Ok)),
            task("after", &[0], &["true"]),
        ])
        .expect("a run");
    // Of five: three would be needed.
    assert_eq!(finished.halted, None);
    let mut run = halting("soon,done=60%");
    let more = std::iter::repeat_n("true", 200).map(Ok);
    let finished = run
        .go(vec![stream("s", &[], more), task("t", &[], &["true"; 200])])
        .expect("a run");
    let counts = finished.state.counts();
    assert_eq!(counts.planned, 400);
    assert_eq!(counts.succeeded, 240, "known from the 200th on");
    assert!(finished.halted.is_some());
}

#[test]
fn a_policy_that_is_met_at_the_very_end_is_told_too() {
    let mut run = halting("now,fail=1");
    let finished = run.go(vec![task("a", &[], &["true", "false"])]).expect("a run");
    assert_eq!(six(finished.state.counts()), [2, 1, 1, 0, 0, 0]);
    assert!(finished.halted.is_some());
    let last = run.record.events.last().map(|event| &event.kind);
    assert!(
        matches!(last, Some(Kind::RunFinished { halted: Some(policy), .. }) if policy == "now,fail=1"),
        "{last:?}"
    );
}

#[test]
fn now_ends_what_runs_and_says_why() {
    let mut run = halting("now,fail=1");
    run.options.jobs = 2;
    let (go, at) = (run.spill.path().join("go"), "b/0");
    let fails = format!(
        "until test -e {}; do sleep 0.01; done; rm {0}; exit 1",
        go.display()
    );
    run.record.gate_at_start = Some((at.to_owned(), go));
    let finished = run
        .go(vec![
            task("a", &[], &[&fails]),
            task("b", &[], &["exec sleep 1000", "true"]),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [3, 0, 1, 1, 0, 1]);
    let why = Some("stopped by halt now,fail=1".to_owned());
    assert_eq!(run.record.ends("b/0"), [(Outcome::Killed, why)]);
    assert_eq!(finished.signal, None);
}
