//! The memory of a command and all that it starts: as pexec bounds it by looking, and as the kernel does by a cgroup, where pexec can
//! have one.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;

use pexec::ProcessPool;
use pexec_ipc::cgroup::{Base, Leaf};
use pexec_ipc::confine::{Confines, refused};
use pexec_ipc::launch::{Environment, Launch};
use pexec_ipc::reap;
use pexec_job::event::{Ended, Event, Kind, Outcome};
use pexec_job::planner::{self, Overrides};
use pexec_job::run::{self, Options, OutputChunk, Sink};

use super::{Check, No, Tried, no, one_line};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "task-memory",
        needed: false,
        means: "`memory` of a task has no effect",
        advice: "keep an eye on memory, or limit all of pexec from outside",
        try_it: looked_at,
    },
    Check {
        name: "cgroup-memory",
        needed: false,
        means: "the kernel cannot bound a command and its descendants together; `memory` of a task is kept by looking at them",
        advice: "start pexec alone in a cgroup of its own: systemd-run --user --scope -p Delegate=yes pexec ..; or limit all of it: -p MemoryMax=8G",
        try_it: memory,
    },
];

/// A job like any other, whose command has a child that takes too much.
fn looked_at() -> Tried {
    let dir = tempfile::Builder::new()
        .prefix("pexec-")
        .tempdir()
        .map_err(|error| No::untried(format!("no directory for a job: {}", one_line(error))))?;
    let job = dir.path().join("job.toml");
    // It goes on holding what it took, so that it is seen.
    let text = format!(
        "[tasks.hog]\nmemory = \"{MAX}B\"\ntimeout = \"10s\"\nshell = '(head -c 134217728 /dev/zero; sleep 20) | tail -n 1 >/dev/null & wait'\n"
    );
    fs::write(&job, text).map_err(No::untried)?;
    let plan = planner::load(&job, &Overrides::default()).map_err(No::untried)?;
    let pool = ProcessPool::builder().workers(1).build().map_err(No::untried)?;
    let mut last = Last::default();
    let options = Options::new(1, "doctor", dir.path());
    run::run(&pool, plan, options, &mut last).map_err(No::untried)?;
    match last.0 {
        Some(ended) if ended.outcome == Outcome::Memory => Ok(ended.why.unwrap_or_default()),
        Some(ended) => no(format!(
            "a task that exceeded it ended as `{}`",
            ended.outcome.as_str()
        )),
        None => no("a task that was to exceed it did not end"),
    }
}

/// How an attempt ended.
#[derive(Default)]
struct Last(Option<Box<Ended>>);

impl Sink for Last {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if let Kind::Finished { end, .. } = &event.kind {
            self.0 = Some(end.clone());
        }
        Ok(())
    }

    fn output(&mut self, _: OutputChunk<'_>) -> io::Result<()> {
        Ok(())
    }
}

const MAX: u64 = 16 << 20;
/// Keeps one endless line in memory, several times the bound.
const HOG: &str = "head -c 134217728 /dev/zero | tail -n 1 >/dev/null";

/// As a run does it: a cgroup for the command, which enters it before it is itself.
fn memory() -> Tried {
    let base = Base::here().map_err(|unfit| unfit.to_string())?;
    let leaf = Leaf::make(base.path(), "task-doctor", MAX).map_err(|error| error.to_string())?;
    let door = leaf.door().map_err(|error| error.to_string())?;
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .map_err(|error| error.to_string())?;
    let hog = Launch {
        argv: &["sh", "-c", HOG].map(OsStr::new),
        env: Environment::inherited(),
        dir: OsStr::new("/"),
        streams: [null.as_fd(); 3],
        confines: Confines::default(),
        door: Some(door.as_fd()),
    };
    if let Err(error) = hog.start().and_then(reap::reap_blocking) {
        return match refused(&error) {
            Some(why) => no(why),
            None => Err(No::untried(format!("`sh` cannot be started: {error}"))),
        };
    }
    match leaf.was_exceeded() {
        true => {
            Ok("a command that needed more than its cgroup may hold was ended, and nothing else".to_owned())
        }
        false => no("a command took more than its cgroup may hold"),
    }
}
