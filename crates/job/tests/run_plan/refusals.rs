//! Sinks that refuse, and a pool that goes away.

use pexec_job::event::Kind;
use pexec_job::run::Error;

use super::{Run, task};

#[test]
fn when_an_event_cannot_be_written_what_runs_finishes_and_nothing_follows() {
    let dir = tempfile::tempdir().expect("a directory");
    let mark = dir.path().join("mark");
    let first = format!("sleep 0.3; echo > {}", mark.display());
    let mut run = Run::new();
    // run_started, planned, planned, started: and no more.
    run.record.refuse_from = Some(4);
    let tasks = vec![
        task("a", &[], &[&first, "true", "true", "true"]),
        task("b", &[0], &["true"]),
    ];
    let error = run.go(tasks).expect_err("the sink refused");
    let Error::Sink(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.to_string(), "disk full");
    assert!(mark.exists(), "what ran was let finish");
    assert_eq!(run.record.events.len(), 4);
}

#[test]
fn an_end_that_was_not_written_opens_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let mark = dir.path().join("mark");
    let second = format!("echo > {}", mark.display());
    for refused in 0..6 {
        let mut run = Run::new();
        run.record.refuse_from = Some(refused);
        let tasks = vec![task("a", &[], &["true"]), task("b", &[0], &[&second])];
        assert!(matches!(run.go(tasks), Err(Error::Sink(_))), "{refused}");
        assert_eq!(run.record.events.len() as u64, refused);
        let written = run
            .record
            .events
            .iter()
            .any(|e| matches!(e.kind, Kind::Finished { .. }));
        assert_eq!(
            written && mark.exists(),
            mark.exists(),
            "b ran only after a's end was written"
        );
    }
}

#[test]
fn when_output_cannot_be_written_the_ends_are_told_all_the_same() {
    let mut run = Run::new();
    run.options.jobs = 1;
    run.record.refuse_output = true;
    let error = run
        .go(vec![task("a", &[], &["echo x"; 100])])
        .expect_err("the sink refused");
    assert!(matches!(error, Error::Sink(e) if e.kind() == std::io::ErrorKind::BrokenPipe));
    let story = run.record.story();
    let started = story.iter().filter(|s| s.starts_with("started")).count();
    let finished = story.iter().filter(|s| s.starts_with("finished")).count();
    assert_eq!(started, finished);
    assert!(started < 10, "nothing more was started: {story:?}");
    assert_eq!(story.last().map(String::as_str), Some("run_finished"));
}

#[test]
fn a_pool_that_is_shut_down_ends_the_run() {
    let pool = pexec::ThreadPool::builder().workers(1).build().expect("threads");
    pool.shutdown();
    let mut run = Run::new();
    let error = run
        .go_on(&pool, vec![task("a", &[], &["true"; 10])])
        .expect_err("no pool");
    assert!(
        matches!(&error, Error::PoolBroken(reason) if reason.contains("shut down")),
        "{error}"
    );
    let last = run.record.events.last().map(|e| &e.kind);
    assert!(
        matches!(last, Some(Kind::RunFinished { broken: Some(_), .. })),
        "{last:?}"
    );
}
