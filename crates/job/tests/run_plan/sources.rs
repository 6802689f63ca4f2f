//! Sources that stream, break, or never end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;

use pexec_job::plan::SourceError;

use super::{Run, six, stream, task};

#[test]
fn a_streams_instances_start_as_they_come() {
    let mut run = Run::new();
    // The source gives its second item only after the first one's command has run.
    let dir = tempfile::tempdir().expect("a directory");
    let mark = dir.path().join("ran");
    let script: &'static str = Box::leak(format!("echo > {}", mark.display()).into_boxed_str());
    let second = std::iter::once_with(move || {
        while !mark.exists() {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        Ok("true")
    });
    let finished = run
        .go(vec![stream("s", &[], std::iter::once(Ok(script)).chain(second))])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [2, 2, 0, 0, 0, 0]);
    assert!(finished.state.planned_complete());
    let story = run.record.story();
    assert_eq!(story[1], "planned s ?");
    run.record.at("planned s 2");
}

#[test]
fn a_waiting_stream_holds_no_other_task_up() {
    let mut run = Run::new();
    let (open, opened) = mpsc::channel::<()>();
    let waits = std::iter::once_with(move || {
        let _ = opened.recv();
        Ok("true")
    });
    struct Opens(super::Record, mpsc::Sender<()>);
    impl pexec_job::run::Sink for Opens {
        fn event(&mut self, event: &pexec_job::event::Event) -> std::io::Result<()> {
            if matches!(&event.kind, pexec_job::event::Kind::Finished { who, .. } if who.task == "other") {
                let _ = self.1.send(());
            }
            self.0.event(event)
        }
        fn output(&mut self, chunk: pexec_job::run::OutputChunk<'_>) -> std::io::Result<()> {
            self.0.output(chunk)
        }
    }
    let tasks = vec![stream("s", &[], waits), task("other", &[], &["true"])];
    let plan = pexec_job::plan::Plan::new("j", "/", tasks);
    let mut sink = Opens(super::Record::default(), open);
    let pool = pexec::ThreadPool::builder().workers(2).build().expect("threads");
    let result = pexec_job::run::run(&pool, plan, run.options.clone(), &mut sink);
    run.record = sink.0;
    run.check(&result);
    assert_eq!(six(result.expect("a run").state.counts()), [2, 2, 0, 0, 0, 0]);
}

#[test]
fn an_endless_stream_is_read_a_bounded_number_of_items_ahead() {
    let mut run = Run::new();
    let given = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&given);
    let endless = std::iter::repeat_with(move || {
        counter.fetch_add(1, Ordering::SeqCst);
        Ok("exec sleep 1000")
    });
    run.record.stop_at_start = Some((run.options.stop.clone(), 15));
    let finished = run.go(vec![stream("s", &[], endless)]).expect("a run");
    assert!(
        given.load(Ordering::SeqCst) < 100,
        "{given:?} items were read for two workers"
    );
    let counts = finished.state.counts();
    assert_eq!(counts.succeeded + counts.failed, 0);
    assert!(counts.killed >= 1 && counts.killed <= 2, "{counts:?}");
}

#[test]
fn a_source_that_breaks_fails_its_task_and_blocks_what_needs_it() {
    let mut run = Run::new();
    let breaks = [
        Ok("true"),
        Err(SourceError("connection reset".to_owned())),
        Ok("true"),
    ];
    let finished = run
        .go(vec![
            stream("s", &[], breaks.into_iter()),
            task("b", &[0], &["true"]),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [3, 1, 1, 0, 1, 0]);
    let [failure] = finished.state.failures() else {
        panic!("{:?}", finished.state.failures())
    };
    assert!(failure.why.contains("connection reset"), "{}", failure.why);
    run.record.at("blocked b/0 s");
}

#[test]
fn a_blocked_stream_is_not_read() {
    let mut run = Run::new();
    let never = std::iter::once_with(|| -> Result<&'static str, SourceError> { panic!("it was read") });
    let finished = run
        .go(vec![task("a", &[], &["false"]), stream("s", &[0], never)])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [2, 0, 1, 0, 1, 0]);
    assert!(finished.state.planned_complete());
}

#[test]
fn a_source_shorter_than_announced_is_told_as_it_was() {
    let mut run = Run::new();
    let mut short = task("a", &[], &["true", "true"]);
    short.total = Some(5);
    let finished = run.go(vec![short]).expect("a run");
    assert_eq!(six(finished.state.counts()), [2, 2, 0, 0, 0, 0]);
}
