//! Failures that get another chance.

use pexec_job::event::{Kind, Outcome};
use pexec_job::plan::{Backoff, Cause, Retry, TaskPlan};

use super::{Run, Work, command, instance, six, task};

#[test]
fn a_failure_is_tried_again_until_it_succeeds() {
    let mut run = Run::new();
    let flaky = TaskPlan {
        retry: Retry::times(5),
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
        retry: Retry::times(2),
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
    slow.retry = Retry::times(3);
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

/// One instance that is ended for running too long, with these rules.
fn times_out(retry: Retry) -> TaskPlan {
    TaskPlan {
        retry,
        instances: Box::new(std::iter::once(Ok(pexec_job::plan::Instance {
            work: Box::new(|attempt| {
                Work::Command(pexec_job::command::Command {
                    timeout: Some(std::time::Duration::from_millis(50)),
                    ..command("exec sleep 1000", attempt)
                })
            }),
            ..instance("a", 0, "")
        }))),
        ..task("a", &[], &["x"])
    }
}

#[test]
fn only_what_is_asked_for_is_tried_again() {
    let on = |cause| Retry {
        on: vec![cause],
        ..Retry::times(2)
    };
    for (cause, exits, signals, timeouts) in [
        (Cause::Exit, 3, 1, 1),
        (Cause::Signal, 1, 3, 1),
        (Cause::Timeout, 1, 1, 3),
    ] {
        let ends = |task: TaskPlan| {
            let mut run = Run::new();
            run.go(vec![task]).expect("a run");
            run.record.ends("a/0").len()
        };
        let of = |script| TaskPlan {
            retry: on(cause),
            ..task("a", &[], &[script])
        };
        assert_eq!(ends(of("exit 3")), exits, "{cause:?}");
        assert_eq!(ends(of("kill -9 $$")), signals, "{cause:?}");
        assert_eq!(ends(times_out(on(cause))), timeouts, "{cause:?}");
    }
}

#[test]
fn a_pause_lies_between_attempts() {
    let mut run = Run::new();
    let pause = std::time::Duration::from_millis(60);
    let patient = TaskPlan {
        retry: Retry {
            backoff: Some(Backoff {
                from: pause,
                to: pause * 2,
            }),
            ..Retry::times(2)
        },
        ..task("a", &[], &["exit 1"])
    };
    run.go(vec![patient]).expect("a run");
    let times = |wanted: fn(&Kind) -> bool| -> Vec<_> {
        let events = run.record.events.iter().filter(move |event| wanted(&event.kind));
        events.map(|event| event.at).collect()
    };
    let ended = times(|kind| matches!(kind, Kind::Finished { .. }));
    let again = times(|kind| matches!(kind, Kind::Retried { .. }));
    assert_eq!((ended.len(), again.len()), (3, 2));
    for (ended, again) in ended.iter().zip(again) {
        // Stamps are cut to the millisecond.
        assert!(again.duration_since(*ended).as_millis() >= 59, "{ended} {again}");
    }
}
