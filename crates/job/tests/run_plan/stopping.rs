//! A run that is asked to stop.

use pexec_job::event::Outcome;
use pexec_job::plan::Retry;

use super::{Run, six, task};

#[test]
fn asked_once_nothing_new_starts_and_what_runs_gets_its_ladder() {
    let mut run = Run::new();
    run.record.stop_at_start = Some((run.options.stop.clone(), 2));
    let script = "trap 'echo asked; exit 0' TERM; while :; do sleep 0.02; done";
    let finished = run
        .go(vec![
            task("a", &[], &vec![script; 20]),
            task("b", &[0], &["true"]),
        ])
        .expect("a run");
    assert_eq!(finished.signal, Some(2));
    assert_eq!(finished.state.signal(), Some(2));
    let counts = finished.state.counts();
    assert_eq!(
        (counts.succeeded, counts.failed, counts.blocked),
        (0, 0, 0),
        "neither success nor failure"
    );
    assert!((1..=2).contains(&counts.killed), "{counts:?}");
    assert_eq!(counts.not_run(), 21 - counts.killed);
    let why = Some("stopped with the run, by signal 2 (INT)".to_owned());
    assert_eq!(run.record.ends("a/0"), [(Outcome::Killed, why)]);
    assert!(run.record.at("signal 2 false") < run.record.at("finished a/0 1 killed"));
}

#[test]
fn asked_before_it_began_nothing_starts() {
    let mut run = Run::new();
    run.options.stop.ask(15);
    let finished = run.go(vec![task("a", &[], &["true", "true"])]).expect("a run");
    assert_eq!(six(finished.state.counts()), [2, 0, 0, 0, 0, 2]);
    assert_eq!(
        run.record.story(),
        ["run_started", "planned a 2", "signal 15 false", "run_finished"]
    );
}

#[test]
fn a_stopping_run_tries_nothing_again() {
    let mut run = Run::new();
    run.options.jobs = 1;
    run.record.stop_at_start = Some((run.options.stop.clone(), 1));
    let failing = pexec_job::plan::TaskPlan {
        retry: Retry::times(9),
        ..task("a", &[], &["trap '' TERM; sleep 0.1; exit 1"])
    };
    let finished = run.go(vec![failing]).expect("a run");
    assert_eq!(finished.state.counts().retried, 0);
    assert_eq!(finished.signal, Some(1));
}

#[test]
fn the_first_signal_is_the_one_that_counts() {
    let mut run = Run::new();
    run.options.stop.ask(1);
    run.options.stop.ask(15);
    let finished = run.go(vec![task("a", &[], &["true"])]).expect("a run");
    assert_eq!(finished.signal, Some(1));
    assert_eq!(run.record.story()[2..4], ["signal 1 false", "signal 1 true"]);
}
