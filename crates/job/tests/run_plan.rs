//! Runs of plans, with real commands on a pool of threads: what runs when, what is told, how it ends.

mod processes;

#[path = "run_plan/calls.rs"]
mod calls;
#[path = "run_plan/halting.rs"]
mod halting;
#[path = "run_plan/limits.rs"]
mod limits;
#[path = "run_plan/making.rs"]
mod making;
#[path = "run_plan/needs.rs"]
mod needs;
#[path = "run_plan/output.rs"]
mod output;
#[path = "run_plan/pairs.rs"]
mod pairs;
#[path = "run_plan/refusals.rs"]
mod refusals;
#[path = "run_plan/retries.rs"]
mod retries;
#[path = "run_plan/sources.rs"]
mod sources;
#[path = "run_plan/stopping.rs"]
mod stopping;
#[path = "run_plan/turns.rs"]
mod turns;
#[path = "run_plan/workers.rs"]
mod workers;

pexec::test_init!();

use std::collections::HashMap;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use pexec::ThreadPool;
use pexec_job::command::Command;
use pexec_job::event::{Counts, Event, Kind, Outcome};
use pexec_job::exec::{Captured, Stream};
use pexec_job::plan::{Group, Halt, Instance, Plan, SourceError, TaskPlan};
use pexec_job::run::{self, Error, Finished, Options, OutputChunk, OutputKind, Sink, Stop};
use pexec_job::state::RunState;
use pexec_job::work::Work;
use tempfile::TempDir;

/// A task whose instances run these scripts; `$ATTEMPT` is the attempt.
fn task(name: &str, needs: &[usize], scripts: &[&str]) -> TaskPlan {
    let scripts: Vec<String> = scripts.iter().map(|&s| s.to_owned()).collect();
    let total = scripts.len() as u64;
    let name_of = name.to_owned();
    let instances = scripts
        .into_iter()
        .enumerate()
        .map(move |(i, s)| Ok(instance(&name_of, i as u64, &s)));
    TaskPlan {
        needs: needs.to_vec(),
        ..TaskPlan::new(name, Some(total), Box::new(instances))
    }
}

/// The same, as a source that nobody knows the length of.
fn stream(
    name: &str,
    needs: &[usize],
    scripts: impl Iterator<Item = Result<&'static str, SourceError>> + Send + 'static,
) -> TaskPlan {
    let name_of = name.to_owned();
    let instances = scripts
        .enumerate()
        .map(move |(i, s)| s.map(|s| instance(&name_of, i as u64, s)));
    TaskPlan {
        total: None,
        instances: Box::new(instances),
        ..task(name, needs, &[])
    }
}

fn instance(task: &str, index: u64, script: &str) -> Instance {
    let script = script.to_owned();
    Instance {
        index,
        item: Some(index.to_string().into()),
        keys: Vec::new(),
        label: format!("{task}({index})").into(),
        work: Box::new(move |attempt| Work::Command(command(&script, attempt))),
        files: None,
    }
}

fn command(script: &str, attempt: u32) -> Command {
    Command {
        env: vec![("ATTEMPT".into(), attempt.to_string().into())],
        ..Command::new(
            ["sh", "-c", script],
            std::env::temp_dir().as_os_str().as_bytes().to_vec(),
        )
    }
}

/// Keeps what it is told, and can refuse.
#[derive(Default)]
struct Record {
    events: Vec<Event>,
    lines: Vec<(String, Stream, Vec<u8>, bool, bool)>,
    /// By id: standard output, standard error, success.
    whole: HashMap<String, (Vec<u8>, Vec<u8>, bool)>,
    idled: u64,
    /// Refuses the event with this number, and all after it.
    refuse_from: Option<u64>,
    refuse_output: bool,
    /// Asked for at the first `started`.
    stop_at_start: Option<(Stop, i32)>,
    /// Gets a file named `task-attempt` at each `started`, for scripts that wait for theirs.
    gates: Option<PathBuf>,
    /// Made at the `started` and at the `finished` of this instance.
    gate_at_start: Option<(String, PathBuf)>,
    gate_at_end: Option<(String, PathBuf)>,
}

impl Sink for Record {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.refuse_from.is_some_and(|n| event.seq >= n) {
            return Err(io::Error::other("disk full"));
        }
        self.events.push(event.clone());
        if let (Kind::Started { who, attempt, .. }, Some(gates)) = (&event.kind, &self.gates) {
            std::fs::write(gates.join(format!("{}-{attempt}", who.task)), "")?;
        }
        let gate = match &event.kind {
            Kind::Started { who, .. } => self.gate_at_start.as_ref().filter(|(id, _)| *id == who.id),
            Kind::Finished { who, .. } => self.gate_at_end.as_ref().filter(|(id, _)| *id == who.id),
            _ => None,
        };
        if let Some((_, path)) = gate {
            std::fs::write(path, "")?;
        }
        if let (Kind::Started { .. }, Some((stop, signal))) = (&event.kind, &self.stop_at_start) {
            stop.ask(*signal);
            self.stop_at_start = None;
        }
        Ok(())
    }

    fn output(&mut self, chunk: OutputChunk<'_>) -> io::Result<()> {
        if self.refuse_output {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match chunk.kind {
            OutputKind::Line {
                stream,
                line,
                begins,
                ends,
            } => {
                self.lines
                    .push((chunk.label.to_string(), stream, line.to_vec(), begins, ends));
            }
            OutputKind::Whole {
                stdout,
                stderr,
                succeeded,
            } => {
                let id = format!("{}/{}", chunk.task, chunk.index);
                self.whole.insert(id, (bytes(stdout), bytes(stderr), succeeded));
            }
            OutputKind::Part { .. } => panic!("nobody is followed"),
        }
        Ok(())
    }

    fn idle(&mut self) {
        self.idled += 1;
    }
}

fn bytes(captured: &Captured) -> Vec<u8> {
    match captured {
        Captured::Inline(bytes) => bytes.clone(),
        Captured::Spilled { path, .. } => {
            std::fs::read(path.as_os_str()).expect("it is there while it is told")
        }
    }
}

impl Record {
    /// What happened to whom, in order: `started a/0 1`.
    fn story(&self) -> Vec<String> {
        let tell = |e: &Event| match &e.kind {
            Kind::RunStarted { .. } => "run_started".to_owned(),
            Kind::Planned { task, total: Some(n) } => format!("planned {task} {n}"),
            Kind::Planned { task, total: None } => format!("planned {task} ?"),
            Kind::Kept { task, count, .. } => format!("kept {task} {count}"),
            Kind::Started { who, attempt, .. } => format!("started {} {attempt}", who.id),
            Kind::Finished { who, attempt, end } => {
                format!("finished {} {attempt} {}", who.id, end.outcome.as_str())
            }
            Kind::Retried { who, attempt } => format!("retried {} {attempt}", who.id),
            Kind::Blocked { who, by } => format!("blocked {} {by}", who.id),
            Kind::Signal { signal, again } => format!("signal {signal} {again}"),
            Kind::RunFinished { .. } => "run_finished".to_owned(),
        };
        self.events.iter().map(tell).collect()
    }

    fn at(&self, happened: &str) -> usize {
        let story = self.story();
        story
            .iter()
            .position(|s| s == happened)
            .unwrap_or_else(|| panic!("no {happened:?} in {story:#?}"))
    }

    fn ends(&self, id: &str) -> Vec<(Outcome, Option<String>)> {
        let of = |e: &Event| match &e.kind {
            Kind::Finished { who, end, .. } if who.id == id => Some((end.outcome, end.why.clone())),
            _ => None,
        };
        self.events.iter().filter_map(of).collect()
    }
}

struct Run {
    record: Record,
    options: Options,
    halt: Option<Halt>,
    groups: Vec<Group>,
    memory: Option<u64>,
    spill: TempDir,
}

impl Run {
    fn new() -> Run {
        let spill = tempfile::tempdir().expect("a directory");
        let options = Options::new(2, "test", spill.path());
        Run {
            record: Record::default(),
            options,
            halt: None,
            groups: Vec::new(),
            memory: None,
            spill,
        }
    }

    fn go(&mut self, tasks: Vec<TaskPlan>) -> Result<Finished, Error> {
        let pool = ThreadPool::builder()
            .workers(self.options.jobs)
            .build()
            .expect("threads");
        self.go_on(&pool, tasks)
    }

    fn go_on(&mut self, executor: &impl pexec::Executor, tasks: Vec<TaskPlan>) -> Result<Finished, Error> {
        let plan = Plan {
            halt: self.halt,
            groups: self.groups.clone(),
            memory: self.memory,
            ..Plan::new("job", "/", tasks)
        };
        let result = run::run(executor, plan, self.options.clone(), &mut self.record);
        self.check(&result);
        result
    }

    /// What holds of every run, however it went.
    fn check(&self, result: &Result<Finished, Error>) {
        let left: Vec<_> = std::fs::read_dir(self.spill.path())
            .expect("a directory")
            .collect();
        assert!(left.is_empty(), "{left:?}");
        let mut fold = RunState::new();
        let mut attempts: HashMap<String, u32> = HashMap::new();
        for (seq, event) in self.record.events.iter().enumerate() {
            assert_eq!(event.seq, seq as u64);
            let read = Event::parse(&event.to_line()).expect("a line of its own");
            assert_eq!(&read, event);
            fold.apply(&read);
            match &event.kind {
                Kind::Started { who, attempt, .. } => {
                    let before = attempts.insert(who.id.clone(), *attempt);
                    assert_eq!(before.unwrap_or(0) + 1, *attempt, "{who:?}");
                }
                Kind::Finished { who, end, .. } if end.outcome == Outcome::UpToDate => {
                    assert!(!attempts.contains_key(&who.id), "{who:?}");
                }
                Kind::Finished { who, attempt, .. } => {
                    assert_eq!(attempts.get(&who.id), Some(attempt), "{who:?}");
                }
                Kind::Blocked { who, .. } => assert!(!attempts.contains_key(&who.id), "{who:?}"),
                _ => {}
            }
        }
        let counts = fold.counts();
        assert_eq!(counts.planned, counts.done() + counts.running + counts.not_run());
        if let Ok(finished) = result {
            assert_eq!(
                finished.state.counts(),
                counts,
                "the run's own fold is that of its events"
            );
            assert_eq!(counts.running, 0);
            let last = self.record.events.last().map(|e| &e.kind);
            assert!(
                matches!(last, Some(Kind::RunFinished { counts: told, .. }) if *told == counts),
                "{last:?}"
            );
        }
    }
}

/// `planned, succeeded, failed, killed, blocked, not run`.
fn six(counts: Counts) -> [u64; 6] {
    let c = counts;
    [c.planned, c.succeeded, c.failed, c.killed, c.blocked, c.not_run()]
}
