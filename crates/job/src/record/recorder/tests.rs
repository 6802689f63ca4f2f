//! Runs that are recorded on a disk which is slow, fails, fills up, or forgets what was not synced.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pexec::ThreadPool;

use super::*;
use crate::command::Command;
use crate::event::{Event, Kind, Outcome};
use crate::plan::{Instance, Plan, Retry, TaskPlan};
use crate::run::{self, Options, OutputChunk, Sink};
use crate::work::Work;

const WATCHDOG: Duration = Duration::from_secs(60);

/// A file on a disk that loses what was not synced.
#[derive(Default)]
struct Disk {
    state: Mutex<Content>,
    opened: Condvar,
}

#[derive(Default)]
struct Content {
    bytes: Vec<u8>,
    /// So many of them survive a crash.
    synced: usize,
    syncs: usize,
    /// No more fit.
    room: Option<usize>,
    /// This sync fails, and those after it.
    failing: Option<usize>,
    /// Syncs wait.
    closed: bool,
}

impl Disk {
    fn content(&self) -> MutexGuard<'_, Content> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) {
        self.content().closed = false;
        self.opened.notify_all();
    }

    /// The events that a crash would leave.
    fn safe(&self) -> Vec<Event> {
        let content = self.content();
        parse(&content.bytes[..content.synced])
    }
}

fn parse(bytes: &[u8]) -> Vec<Event> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    text.split_inclusive('\n')
        .filter_map(|line| line.strip_suffix('\n'))
        .map(|line| Event::parse(line).expect("whole"))
        .collect()
}

impl Storage for Disk {
    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let mut content = self.content();
        let room = content
            .room
            .map_or(bytes.len(), |room| room.saturating_sub(content.bytes.len()));
        let fits = bytes.len().min(room);
        content.bytes.extend_from_slice(&bytes[..fits]);
        match fits == bytes.len() {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let content = self.content();
        let written = content.bytes.len();
        let (mut content, late) = self
            .opened
            .wait_timeout_while(content, WATCHDOG, |content| content.closed)
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!late.timed_out(), "nobody has let the sync go on");
        content.syncs += 1;
        if content.failing.is_some_and(|nth| content.syncs >= nth) {
            return Err(io::Error::other("the disk is broken"));
        }
        content.synced = content.synced.max(written);
        Ok(())
    }
}

/// Records a run and looks at the disk whenever something starts.
struct Watch {
    recorder: Recorder,
    disk: Arc<Disk>,
    started: Vec<String>,
    /// Opens the disk when so many have started.
    open_at: usize,
    checks: usize,
}

impl Watch {
    fn new(disk: &Arc<Disk>) -> Watch {
        let files: [(Arc<dyn Storage>, u64); 2] =
            [(Arc::<Disk>::clone(disk), 0), (Arc::new(Disk::default()), 0)];
        let [events, output] = files;
        Watch {
            recorder: Recorder::over("record".into(), events, output, Vec::new(), 0).expect("a thread"),
            disk: Arc::clone(disk),
            started: Vec::new(),
            open_at: 0,
            checks: 0,
        }
    }
}

impl Sink for Watch {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        match &event.kind {
            Kind::Started { who, .. } => {
                self.started.push(who.id.clone());
                if self.started.len() == self.open_at {
                    self.disk.open();
                }
                if who.task == "after" {
                    self.checks += 1;
                    let safe = self.disk.safe();
                    let done = |event: &&Event| {
                        matches!(&event.kind, Kind::Finished { who, end, .. }
                            if who.task == "work" && end.outcome == Outcome::Success)
                    };
                    assert_eq!(safe.iter().filter(done).count(), 3, "{} started on sand", who.id);
                }
            }
            Kind::Retried { who, .. } => {
                self.checks += 1;
                let id = &who.id;
                let failed = |event: &Event| matches!(&event.kind, Kind::Finished { who, end, .. } if who.id == *id && end.retry);
                assert!(self.disk.safe().iter().any(failed), "{id} again, on sand");
            }
            _ => {}
        }
        self.recorder.event(&event.to_line())
    }

    fn output(&mut self, _: OutputChunk<'_>) -> io::Result<()> {
        Ok(())
    }

    fn keep(&mut self, stdout: &Captured, stderr: &Captured) -> io::Result<Option<u64>> {
        self.recorder.keep(stdout, stderr)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.recorder.flush()
    }

    fn durable(&mut self, haste: bool) -> io::Result<u64> {
        self.recorder.durable(haste)
    }

    fn wakes(&mut self, waker: Waker) {
        self.recorder.wakes(waker);
    }
}

/// A task whose instances run this script; `$ATTEMPT` is the attempt.
fn task(name: &str, needs: &[usize], count: u64, script: &str) -> TaskPlan {
    let (of, script) = (name.to_owned(), script.to_owned());
    let instances = (0..count).map(move |index| {
        let script = script.clone();
        Ok(Instance {
            index,
            item: Some(index.to_string().into()),
            keys: Vec::new(),
            label: format!("{of}({index})").into(),
            files: None,
            work: Box::new(move |attempt| Work::Command(command(&script, attempt))),
        })
    });
    TaskPlan {
        needs: needs.to_vec(),
        retry: Retry::times(1),
        ..TaskPlan::new(name, Some(count), Box::new(instances))
    }
}

fn command(script: &str, attempt: u32) -> Command {
    Command {
        env: vec![("ATTEMPT".into(), attempt.to_string().into())],
        ..Command::new(["sh", "-c", script], "/")
    }
}

fn execute(tasks: Vec<TaskPlan>, watch: &mut Watch) -> Result<run::Finished, run::Error> {
    let plan = Plan::new("job", "/", tasks);
    let pool = ThreadPool::builder().workers(2).build().expect("threads");
    let spill = tempfile::tempdir().expect("a directory");
    run::run(&pool, plan, Options::new(2, "record", spill.path()), watch)
}

#[test]
fn what_follows_from_an_outcome_starts_only_when_the_disk_has_it() {
    let disk = Arc::new(Disk::default());
    let mut watch = Watch::new(&disk);
    let tasks = vec![
        task("work", &[], 3, "test $ATTEMPT = 2"),
        task("after", &[0], 2, "true"),
    ];
    let finished = execute(tasks, &mut watch).expect("it runs");
    assert_eq!(finished.state.counts().succeeded, 5);
    assert_eq!(watch.checks, 3 + 2, "each retry and each dependant was looked at");
    watch.recorder.finish().expect("all is written");
    let safe = disk.safe();
    assert!(matches!(
        safe.last().map(|event| &event.kind),
        Some(Kind::RunFinished { .. })
    ));
    let content = disk.content();
    assert_eq!(content.synced, content.bytes.len());
}

#[test]
fn what_is_independent_does_not_wait_for_the_disk() {
    let disk = Arc::new(Disk::default());
    disk.content().closed = true;
    let mut watch = Watch::new(&disk);
    // The disk goes on when all have started: a run that waited for it would never get there.
    watch.open_at = 60;
    let finished = execute(vec![task("many", &[], 60, "true")], &mut watch).expect("it runs");
    assert_eq!(finished.state.counts().succeeded, 60);
    watch.recorder.finish().expect("all is written");
    assert_eq!(disk.safe().len(), 2 + 2 * 60 + 1);
}

#[test]
fn outcomes_that_lead_to_nothing_wait_for_the_disk_once_when_all_is_told() {
    let disk = Arc::new(Disk::default());
    disk.content().closed = true;
    let mut watch = Watch::new(&disk);
    let finished = execute(vec![task("last", &[], 3, "true")], &mut watch).expect("it runs");
    assert_eq!(finished.state.counts().succeeded, 3);
    assert!(disk.safe().is_empty(), "the run has not waited");
    disk.open();
    watch.recorder.finish().expect("all is written");
    assert_eq!(disk.safe().len(), 2 + 2 * 3 + 1, "who says that it is over has");
}

#[test]
fn output_is_synced_where_there_is_some() {
    let (events, output) = (Arc::new(Disk::default()), Arc::new(Disk::default()));
    let of = |disk: &Arc<Disk>| (Arc::<Disk>::clone(disk) as Arc<dyn Storage>, 0);
    let mut recorder =
        Recorder::over("record".into(), of(&events), of(&output), Vec::new(), 0).expect("a thread");
    let wait = |told: u64, recorder: &mut Recorder| {
        recorder.flush().expect("written");
        let since = std::time::Instant::now();
        while recorder.durable(true).expect("synced") < told {
            assert!(since.elapsed() < WATCHDOG);
            std::thread::yield_now();
        }
    };
    recorder.event("one").expect("taken");
    wait(1, &mut recorder);
    assert_eq!(output.content().syncs, 0);
    let text = Captured::Inline("text".into());
    recorder.keep(&text, &text).expect("kept");
    recorder.event("two").expect("taken");
    wait(2, &mut recorder);
    assert_eq!(output.content().synced, 8);
    recorder.finish().expect("all is written");
    assert_eq!(output.content().syncs, 1);
}

#[test]
fn a_full_disk_starts_nothing_more_and_leaves_whole_lines() {
    let disk = Arc::new(Disk::default());
    disk.content().room = Some(5000);
    let mut watch = Watch::new(&disk);
    let error = execute(vec![task("many", &[], 200, "true")], &mut watch).expect_err("it is full");
    assert!(
        matches!(&error, run::Error::Sink(error) if error.kind() == io::ErrorKind::StorageFull),
        "{error}"
    );
    assert!(watch.started.len() < 200, "{}", watch.started.len());
    assert!(watch.recorder.finish().is_err(), "and that is not forgotten");
    let content = disk.content();
    assert_eq!(content.bytes.len(), 5000, "nothing follows a part of a line");
    let told = parse(&content.bytes);
    for (seq, event) in (0..).zip(&told) {
        assert_eq!(event.seq, seq);
    }
    assert!(told.len() > 10, "{}", told.len());
}

#[test]
fn a_sync_that_fails_is_the_end_of_the_record() {
    let disk = Arc::new(Disk::default());
    disk.content().failing = Some(1);
    let mut watch = Watch::new(&disk);
    let tasks = vec![task("work", &[], 3, "true"), task("after", &[0], 2, "true")];
    let error = execute(tasks, &mut watch).expect_err("it is broken");
    assert!(error.to_string().contains("the disk is broken"), "{error}");
    assert!(
        !watch.started.iter().any(|id| id.starts_with("after")),
        "{:?}",
        watch.started
    );
    let syncs = disk.content().syncs;
    assert!(watch.recorder.finish().is_err());
    assert_eq!(
        (syncs, disk.content().syncs),
        (1, 1),
        "a second sync would say nothing of what the first has lost"
    );
}

#[test]
fn captured_output_lies_where_it_is_said_to_lie() {
    let (events, output) = (Arc::new(Disk::default()), Arc::new(Disk::default()));
    let of = |disk: &Arc<Disk>, len| (Arc::<Disk>::clone(disk) as Arc<dyn Storage>, len);
    let mut recorder =
        Recorder::over("record".into(), of(&events, 0), of(&output, 7), Vec::new(), 0).expect("a thread");
    let spill = tempfile::NamedTempFile::new().expect("a file");
    let long = vec![b'l'; 3 * FULL + 1];
    std::fs::write(spill.path(), &long).expect("written");
    let inline = |text: &str| Captured::Inline(text.into());
    let spilled = Captured::Spilled {
        path: crate::text::Text::from(spill.path().to_str().expect("UTF-8")),
        len: long.len() as u64,
    };
    assert_eq!(recorder.keep(&inline(""), &inline("")).expect("kept"), None);
    assert_eq!(
        recorder.keep(&inline("one"), &inline("two")).expect("kept"),
        Some(7)
    );
    assert_eq!(recorder.keep(&spilled, &inline("end")).expect("kept"), Some(13));
    let next = 13 + long.len() as u64 + 3;
    assert_eq!(
        recorder.keep(&inline(""), &inline("x")).expect("kept"),
        Some(next)
    );
    recorder.flush().expect("written");
    drop(spill);
    assert!(recorder.keep(&spilled, &inline("")).is_err(), "it is gone");
    recorder.finish().expect_err("which is not forgotten");
    let whole = [b"onetwo".as_slice(), &long, b"endx"].concat();
    assert!(output.content().bytes.starts_with(&whole));
}
