//! Runs on worker processes: what threads cannot show.

use std::time::Duration;

use pexec::ProcessPool;
use pexec_job::command::{Command, KillStep};
use pexec_job::event::{Kind, Outcome};
use pexec_job::plan::{Instance, Retry, TaskPlan};
use tempfile::TempDir;

use super::{Run, Work, command, instance, six, task};

fn pool(workers: usize) -> ProcessPool {
    ProcessPool::builder()
        .workers(workers)
        .kill_grace(Duration::from_secs(60))
        .restart_limit(1000, Duration::from_secs(1))
        .build()
        .expect("workers")
}

fn of(name: &str, change: impl Fn(Command) -> Command + Send + Sync + 'static, script: &str) -> TaskPlan {
    let script = script.to_owned();
    let one = Instance {
        work: Box::new(move |attempt| Work::Command(change(command(&script, attempt)))),
        ..instance(name, 0, "")
    };
    TaskPlan {
        instances: Box::new(std::iter::once(Ok(one))),
        ..task(name, &[], &[""])
    }
}

#[test]
fn commands_run_on_workers_with_their_output_and_lines() {
    let mut run = Run::new();
    run.options.stream = true;
    run.options.inline_limit = 1000;
    let tasks = vec![
        task("a", &[], &["echo out; echo err >&2; exit 4", "seq 1000"]),
        task("b", &[], &["kill -9 $$"]),
        task("c", &[], &["true"; 100]),
    ];
    let finished = run.go_on(&pool(2), tasks).expect("a run");
    assert_eq!(six(finished.state.counts()), [103, 101, 2, 0, 0, 0]);
    assert_eq!(
        run.record.whole["a/0"],
        (b"out\n".to_vec(), b"err\n".to_vec(), false)
    );
    assert_eq!(run.record.whole["a/1"].0.len(), 3893);
    assert_eq!(
        run.record
            .lines
            .iter()
            .filter(|(label, ..)| label == "a(1)")
            .count(),
        1000
    );
    let whys: Vec<_> = finished.state.failures().iter().map(|f| f.why.as_str()).collect();
    assert!(
        whys.contains(&"exit 4") && whys.contains(&"signal 9 (KILL)"),
        "{whys:?}"
    );
}

/// Waits until its start was told, and kills its worker then. Not before: a worker that dies in the very moment
/// in which it starts a command has had no time to tell the pool of the command's group.
fn kills_its_worker(run: &mut Run, name: &str) -> (TempDir, String) {
    let gates = tempfile::tempdir().expect("a directory");
    run.record.gates = Some(gates.path().to_owned());
    let gate = format!("{}/{name}-$ATTEMPT", gates.path().display());
    let script = format!("echo x; while ! [ -e {gate} ]; do sleep 0.01; done; kill -9 $PPID; sleep 1000");
    (gates, script)
}

#[test]
fn a_worker_that_dies_fails_its_instance_alone_and_leaves_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let target: pexec_job::text::Text = dir.path().join("out").to_str().expect("utf-8").into();
    let mut run = Run::new();
    let (_gates, script) = kills_its_worker(&mut run, "dies");
    let dies = of(
        "dies",
        move |c| Command {
            stdout: Some(target.clone()),
            ..c
        },
        &script,
    );
    let finished = run
        .go_on(&pool(2), vec![dies, task("a", &[], &["true"; 50])])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [51, 50, 1, 0, 0, 0]);
    let [failure] = finished.state.failures() else {
        panic!("{:?}", finished.state.failures())
    };
    assert_eq!(failure.who.label.to_string(), "dies(0)");
    assert!(failure.why.starts_with("its worker crashed: "), "{}", failure.why);
    assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 0);
    wait_until_all_gone(&run);
}

#[test]
fn a_crash_is_tried_again_like_a_signal() {
    let mut run = Run::new();
    let (_gates, script) = kills_its_worker(&mut run, "dies");
    let dies = TaskPlan {
        retry: Retry::times(2),
        ..of("dies", |c| c, &format!("[ $ATTEMPT = 3 ] || {{ {script}; }}"))
    };
    let finished = run.go_on(&pool(1), vec![dies]).expect("a run");
    assert_eq!(six(finished.state.counts()), [1, 1, 0, 0, 0, 0]);
    let outcomes: Vec<_> = run
        .record
        .ends("dies/0")
        .into_iter()
        .map(|(outcome, _)| outcome)
        .collect();
    assert_eq!(outcomes, [Outcome::Failed, Outcome::Failed, Outcome::Success]);
    wait_until_all_gone(&run);
}

/// Waits until no command that was started lives.
fn wait_until_all_gone(run: &Run) {
    for event in &run.record.events {
        if let Kind::Started { pid: Some(pid), .. } = event.kind {
            super::processes::wait_until_gone(pid);
        }
    }
}

fn stubborn(c: Command) -> Command {
    let step = |signal, seconds| KillStep {
        signal,
        wait: Duration::from_secs(seconds),
    };
    Command {
        kill: vec![step(15, 3600), step(9, 0)],
        ..c
    }
}

#[test]
fn asked_once_the_ladder_is_climbed_in_the_worker() {
    let mut run = Run::new();
    run.record.stop_at_start = Some((run.options.stop.clone(), 15));
    let script = "trap 'echo asked; exit 0' TERM; while :; do sleep 0.02; done";
    let finished = run
        .go_on(
            &pool(2),
            vec![of("a", stubborn, script), task("b", &[], &[script; 20])],
        )
        .expect("a run");
    assert_eq!(finished.signal, Some(15));
    let counts = finished.state.counts();
    assert_eq!((counts.succeeded, counts.failed), (0, 0));
    assert!((1..=2).contains(&counts.killed), "{counts:?}");
    assert_eq!(counts.killed + counts.not_run(), 21);
}

#[test]
fn asked_twice_what_ignores_the_first_is_killed() {
    struct Twice(super::Record, pexec_job::run::Stop);
    impl pexec_job::run::Sink for Twice {
        fn event(&mut self, event: &pexec_job::event::Event) -> std::io::Result<()> {
            // Once when it runs, again when the first was told.
            if matches!(
                event.kind,
                Kind::Started { .. } | Kind::Signal { again: false, .. }
            ) {
                self.1.ask(2);
            }
            self.0.event(event)
        }
        fn output(&mut self, chunk: pexec_job::run::OutputChunk<'_>) -> std::io::Result<()> {
            self.0.output(chunk)
        }
    }
    let mut run = Run::new();
    let tasks = vec![of("a", stubborn, "trap '' TERM; while :; do sleep 1; done")];
    let plan = pexec_job::plan::Plan::new("j", "/", tasks);
    let mut sink = Twice(super::Record::default(), run.options.stop.clone());
    let result = pexec_job::run::run(&pool(1), plan, run.options.clone(), &mut sink);
    run.record = sink.0;
    run.check(&result);
    let finished = result.expect("a run");
    assert_eq!(six(finished.state.counts()), [1, 0, 0, 1, 0, 0]);
    let story = run.record.story();
    assert!(
        run.record.at("signal 2 true") < run.record.at("finished a/0 1 killed"),
        "{story:?}"
    );
    wait_until_all_gone(&run);
}
