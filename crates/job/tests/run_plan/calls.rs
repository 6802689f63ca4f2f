//! Calls on executors that have no processes, where output is shared and nothing can be killed.

use std::time::Duration;

use pexec::Inline;
use pexec_job::call::{Argument, Call};
use pexec_job::event::Outcome;
use pexec_job::plan::{Instance, Retry, TaskPlan};

use super::{Run, Work, instance, six, task};

#[pexec::task(name = "half")]
fn half(number: u32) -> Result<u32, String> {
    match number % 2 {
        0 => Ok(number / 2),
        _ => Err(format!("{number} is odd")),
    }
}

#[pexec::task(name = "fall")]
fn fall(_: u32) {
    panic!("over");
}

#[pexec::task(name = "asked")]
fn asked(_: u32) {
    while !pexec::task::cancelled() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A task that calls the function once for each number.
fn calls(name: &str, function: &'static str, numbers: &[i64]) -> TaskPlan {
    let task_name = name.to_owned();
    let numbers: Vec<i64> = numbers.to_vec();
    let total = numbers.len() as u64;
    let instances = numbers.into_iter().enumerate().map(move |(at, number)| {
        let work = Work::Call(Call {
            name: function.to_owned(),
            arguments: vec![Some(Argument::Integer(number))],
            stdout: None,
            stderr: None,
            timeout: None,
            limits: Default::default(),
        });
        Ok(Instance {
            work: Box::new(move |_| work.clone()),
            ..instance(&task_name, at as u64, "")
        })
    });
    TaskPlan {
        calls: true,
        total: Some(total),
        instances: Box::new(instances),
        ..task(name, &[], &[])
    }
}

#[test]
fn calls_run_on_threads_and_what_they_return_is_their_output() {
    let mut run = Run::new();
    let tasks = vec![
        TaskPlan {
            retry: Retry::times(1),
            ..calls("a", "half", &[4, 5])
        },
        calls("b", "fall", &[0]),
        task("c", &[], &["exit 0"]),
    ];
    let finished = run.go(tasks).expect("a run");
    assert_eq!(six(finished.state.counts()), [4, 2, 2, 0, 0, 0]);
    assert_eq!(run.record.whole["a/0"], (b"2\n".to_vec(), vec![], true));
    let odd = (Outcome::Failed, Some("5 is odd".to_owned()));
    assert_eq!(run.record.ends("a/1"), [odd.clone(), odd]);
    let ends = run.record.ends("b/0");
    let [(Outcome::Failed, Some(why))] = ends.as_slice() else {
        panic!("{ends:?}")
    };
    assert!(why.starts_with("panicked: over (at "), "{why}");
}

#[test]
fn calls_run_on_the_callers_own_thread() {
    let mut run = Run::new();
    let finished = run
        .go_on(&Inline::new(), vec![calls("a", "half", &[8])])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [1, 1, 0, 0, 0, 0]);
    assert_eq!(run.record.whole["a/0"].0, b"4\n");
}

#[test]
fn a_call_on_a_thread_is_asked_to_stop_and_the_run_waits_for_it() {
    let mut run = Run::new();
    run.record.stop_at_start = Some((run.options.stop.clone(), 2));
    let finished = run.go(vec![calls("a", "asked", &[0; 9])]).expect("a run");
    assert_eq!(finished.signal, Some(2));
    let counts = finished.state.counts();
    assert!(
        (1..=2).contains(&counts.succeeded) && counts.failed == 0,
        "{counts:?}"
    );
    assert_eq!(counts.not_run() + counts.succeeded, 9);
}
