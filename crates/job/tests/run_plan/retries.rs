//! Failures that get another chance.

use pexec_job::event::Outcome;
use pexec_job::plan::TaskPlan;

use super::{Run, Work, command, instance, six, task};

#[test]
fn a_failure_is_tried_again_until_it_succeeds() {
    let mut run = Run::new();
    let flaky = TaskPlan {
        retries: 5,
        ..task("a", &[], &["exit $((3 - ATTEMPT))"])
    };
    let finished = run.go(vec![flaky, task("b", &[0], &["true"])]).expect("a run");
    let counts = finished.state.counts();
    assert_eq!(six(counts), [2, 2, 0, 0, 0, 0]);
    assert_eq!((counts.retried, finished.state.flaky()), (2, 1));
    let story = run.record.story();
    let of_a: Vec<_> = story.iter().filter(|s| s.contains(" a/0")).collect();
    assert_eq!(
        of_a,
        [
            "started a/0 1",
            "finished a/0 1 failed",
            "retried a/0 2",
            "started a/0 2",
            "finished a/0 2 failed",
            "retried a/0 3",
            "started a/0 3",
            "finished a/0 3 success",
        ]
    );
    assert!(finished.state.failures().is_empty());
}

#[test]
fn attempts_are_counted_exactly_and_the_last_one_is_the_failure() {
    let mut run = Run::new();
    let failing = TaskPlan {
        retries: 2,
        ..task("a", &[], &["kill -9 $$", "exit 0"])
    };
    let finished = run.go(vec![failing]).expect("a run");
    assert_eq!(six(finished.state.counts()), [2, 1, 1, 0, 0, 0]);
    let killed = (Outcome::Failed, Some("signal 9 (KILL)".to_owned()));
    assert_eq!(run.record.ends("a/0"), [killed.clone(), killed.clone(), killed]);
    let [failure] = finished.state.failures() else {
        panic!("{:?}", finished.state.failures())
    };
    assert_eq!(failure.attempts, 3);
}

#[test]
fn a_timeout_is_not_tried_again() {
    let mut run = Run::new();
    let mut slow = task("a", &[], &["x"]);
    slow.retries = 3;
    slow.instances = Box::new(std::iter::once(Ok(pexec_job::plan::Instance {
        work: Box::new(|attempt| {
            Work::Command(pexec_job::command::Command {
                timeout: Some(std::time::Duration::from_millis(100)),
                ..command("exec sleep 1000", attempt)
            })
        }),
        ..instance("a", 0, "")
    })));
    let finished = run.go(vec![slow]).expect("a run");
    assert_eq!(six(finished.state.counts()), [1, 0, 1, 0, 0, 0]);
    assert_eq!(
        run.record.ends("a/0"),
        [(Outcome::Timeout, Some("timed out after 100ms".to_owned()))]
    );
}

#[test]
fn a_command_that_does_not_exist_ends_with_127() {
    let mut run = Run::new();
    let mut missing = task("a", &[], &["x"]);
    missing.instances = Box::new(std::iter::once(Ok(pexec_job::plan::Instance {
        work: Box::new(|attempt| {
            Work::Command(pexec_job::command::Command {
                argv: vec!["no-such-program-here".into()],
                ..command("", attempt)
            })
        }),
        ..instance("a", 0, "")
    })));
    let finished = run.go(vec![missing]).expect("a run");
    let [failure] = finished.state.failures() else {
        panic!("{:?}", finished.state.failures())
    };
    assert!(
        failure.why.starts_with("command not found: no-such-program-here"),
        "{}",
        failure.why
    );
    let line = run
        .record
        .events
        .iter()
        .map(|e| e.to_line())
        .find(|l| l.contains("\"finished\""))
        .expect("told");
    assert!(line.contains("\"exit\":127"), "{line}");
    run.record.at("started a/0 1");
}
