//! `pexec replay RUN TASK`: one instance of a past run again, in the foreground, as it was.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pexec_job::event::{Ended, Event, Kind, Who};
use pexec_job::exec::{Captured, Stream};
use pexec_job::plan::Plan;
use pexec_job::planner::{self, Overrides, Recall, SecretsFrom, Unknown};
use pexec_job::record::Record;
use pexec_job::run::{self, Glance, Options, OutputChunk, OutputKind, RunClock, Sink, Stop};
use pexec_job::secrets::MARK;
use signal_hook::consts::SIGPIPE;

use crate::cli::Replay;
use crate::exit::Exit;
use crate::past::{self, Collector, Head, Search};
use crate::pause::Pause;
use crate::room::Room;
use crate::signals::{Interrupt, Watch};
use crate::speech::{complain, refuse};
use crate::terminal::Terminal;
use crate::writer::{self, Piece, Writer};
use crate::{pool, wording};

/// Finds it, plans it again and runs it.
pub(crate) fn replay(args: &Replay, terminal: Terminal) -> Exit {
    let found = find(args).and_then(|(record, head, who)| {
        let plan = plan(args, &record, &head, &who, terminal)?;
        Ok((plan, record, who))
    });
    match found {
        Ok((plan, record, who)) => perform(plan, record.id(), &who, terminal),
        Err(exit) => exit,
    }
}

/// The one instance that is meant.
fn find(args: &Replay) -> Result<(Record, Head, Who), Exit> {
    let record = past::find(&past::store(args.run_dir.as_deref()), &args.run)?;
    let mut head = Head::of(&record);
    let mut search = Search::new(&args.task);
    past::read(&record, |event| {
        head.apply(event);
        search.look(event);
    })?;
    let chosen = search.end(record.id()).map_err(|why| refuse(&why))?;
    let mut collector = Collector::default();
    past::read(&record, |event| collector.apply(event, &chosen))?;
    let mut told = collector.end();
    let first = told.pop();
    // Equal instances are one: whichever is run again, it is the same.
    let same = |other: &Who| first.as_ref().is_some_and(|first| first.who.key == other.key);
    match (&first, told.iter().all(|other| same(&other.who))) {
        (Some(first), true) => Ok((record, head, first.who.clone())),
        _ => {
            let labels: Vec<String> = told
                .iter()
                .take(8)
                .map(|one| wording::label(&one.who.label))
                .collect();
            Err(refuse(&format!(
                "`{}` is more than one instance: {}, ..; name one of them",
                args.task,
                labels.join(", ")
            )))
        }
    }
}

/// The instance as the record has it, with its secrets from where they are.
fn plan(args: &Replay, record: &Record, head: &Head, who: &Who, terminal: Terminal) -> Result<Plan, Exit> {
    let dir = Path::new(head.dir.as_os_str());
    let recall = |job: &Path, set: &[(String, String)], secrets| {
        planner::recall(
            job,
            &Recall {
                who,
                run_id: record.id(),
                dir,
                set,
                secrets,
            },
        )
    };
    let failed = |unknown: Unknown| match unknown {
        Unknown::Job(problems) => super::explain(&problems, terminal),
        other => refuse(&other.to_string()),
    };
    let recorded = past::job_file_of(record, |job| recall(job, &[], SecretsFrom::Nowhere));
    // As it was run, with `--set`; a value that is hidden in the record is the job file's.
    let values = |recorded: &Path| {
        let mut set = planner::variables(recorded);
        set.retain(|(_, value)| !value.contains(MARK));
        set
    };
    if let Some(job) = &args.job {
        let set = recorded
            .as_ref()
            .map(|(path, _)| values(path))
            .unwrap_or_default();
        return recall(job, &set, SecretsFrom::File).map_err(failed);
    }
    let (recorded, plan) = recorded.map_err(failed)?;
    if plan.secrets.is_empty() {
        return Ok(plan);
    }
    let set = values(&recorded);
    for job in job_files(dir, head.job()) {
        if let Ok(plan) = recall(&job, &set, SecretsFrom::File) {
            return Ok(plan);
        }
    }
    recall(&recorded, &[], SecretsFrom::Environment).map_err(failed)
}

/// The job files in a directory that have this job.
fn job_files(dir: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        // Whoever opens a pipe of that name would wait for its writer.
        .filter(|path| path.extension().is_some_and(|end| end == "toml") && path.is_file())
        .filter(|path| planner::identity(path, &Overrides::default()).is_some_and(|(job, _)| job == name))
        .collect();
    paths.sort();
    paths
}

fn perform(plan: Plan, run_id: &str, who: &Who, terminal: Terminal) -> Exit {
    let spill = match Room::make() {
        Ok(dir) => dir,
        Err(error) => {
            complain(&format!(
                "no room for large output: {error}; point TMPDIR elsewhere"
            ));
            return Exit::Pool;
        }
    };
    let interrupt = Interrupt::new(Stop::new());
    let (pause, clock) = (Pause::default(), RunClock::default());
    let started = Watch::start(interrupt.clone(), pause.clone(), Glance::default())
        .and_then(|watch| Ok((watch, Writer::start(interrupt.clone(), false, terminal)?)));
    let (_watch, writer) = match started {
        Ok(started) => started,
        Err(error) => {
            complain(&format!("cannot start a thread: {error}"));
            return Exit::Pool;
        }
    };
    let cgroup = pool::cgroup(&plan);
    let pool = match pool::build(&plan, 1) {
        Ok(pool) => Arc::new(pool),
        Err(error) => {
            complain(&error.to_string());
            return Exit::Pool;
        }
    };
    let options = Options {
        stream: true,
        stop: interrupt.stop(),
        clock: clock.clone(),
        cgroup: cgroup.as_ref().map(|base| base.path().to_owned()),
        ..Options::new(1, run_id, spill.path())
    };
    let curtain = writer.curtain();
    let mut through = Through::new(writer);
    pause.take(Arc::clone(&pool), clock, curtain);
    let result = run::run(&*pool, plan, options, &mut through);
    pool.shutdown();
    pause.let_go();
    let Through { writer, ended, .. } = through;
    if let Err(error) = writer.finish() {
        complain(&format!("cannot write standard output: {error}"));
        return Exit::Output;
    }
    if interrupt.first() == Some(SIGPIPE) {
        return Exit::Signal(SIGPIPE);
    }
    if let Some(ended) = &ended {
        complain(&told(who, ended));
    }
    match (result, ended) {
        (Err(error), _) => {
            complain(&error.to_string());
            Exit::Pool
        }
        (Ok(finished), ended) => match (finished.signal, ended) {
            (Some(signal), _) => Exit::Signal(signal),
            (None, Some(ended)) if ended.outcome.is_success() => Exit::Success,
            (None, _) => Exit::Failed,
        },
    }
}

/// `sum(a): failed: exit 3, after 0.12s`.
fn told(who: &Who, ended: &Ended) -> String {
    let end = match (&ended.why, ended.exit) {
        (Some(why), _) => format!("{}: {why}", ended.outcome.as_str()),
        (None, Some(code)) => format!("{}: exit {code}", ended.outcome.as_str()),
        (None, None) => ended.outcome.as_str().to_owned(),
    };
    format!(
        "{}: {end}, after {}",
        wording::label(&who.label),
        wording::span(ended.wall)
    )
}

/// Passes on what the instance writes, as it comes and byte for byte.
struct Through {
    writer: Writer,
    /// The end of the last line of each stream, which it may not have: that is known at the end.
    due: [bool; 2],
    ended: Option<Box<Ended>>,
}

impl Through {
    fn new(writer: Writer) -> Through {
        Through {
            writer,
            due: [false; 2],
            ended: None,
        }
    }

    fn pass(&mut self, stream: Stream, bytes: Vec<u8>) -> io::Result<()> {
        let stream = match stream {
            Stream::Stdout => writer::Stream::Out,
            Stream::Stderr => writer::Stream::Err,
        };
        self.writer.push(stream, Piece::Bytes(bytes))
    }

    /// The last line of a stream has an end if what was captured has.
    fn close(&mut self, stream: Stream, captured: &Captured) -> io::Result<()> {
        if std::mem::take(&mut self.due[stream as usize]) && captured.tail(1) == b"\n" {
            self.pass(stream, b"\n".to_vec())?;
        }
        Ok(())
    }
}

impl Sink for Through {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Kind::Finished { end, .. } = &event.kind {
            self.ended = Some(end.clone());
        }
        Ok(())
    }

    fn output(&mut self, chunk: OutputChunk<'_>) -> io::Result<()> {
        match chunk.kind {
            OutputKind::Line {
                stream, line, ends, ..
            } => {
                let mut bytes = Vec::with_capacity(line.len() + 1);
                if std::mem::replace(&mut self.due[stream as usize], ends) {
                    bytes.push(b'\n');
                }
                bytes.extend_from_slice(line);
                self.pass(stream, bytes)
            }
            OutputKind::Whole { stdout, stderr, .. } => {
                self.close(Stream::Stdout, stdout)?;
                self.close(Stream::Stderr, stderr)
            }
            OutputKind::Part { .. } => Ok(()),
        }
    }
}
