//! The memory of a command and all that it starts: as pexec bounds it, by looking, and as the kernel could, by a cgroup.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use pexec::ProcessPool;
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
        advice: "where that could be a moment too late, limit all of pexec: systemd-run --scope -p MemoryMax=8G pexec ..",
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

/// Where this process's own cgroup of version 2 is seen.
fn own_cgroup() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find_map(|line| {
        let (about, kind) = line.split_once(" - ")?;
        kind.starts_with("cgroup2 ").then(|| about.split(' ').nth(4))?
    })?;
    let cgroups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new(mount).join(path))
}

fn memory() -> Tried {
    let own = own_cgroup().ok_or("there is no cgroup v2 here")?;
    let controllers = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
    if !controllers.split_whitespace().any(|name| name == "memory") {
        return no(format!("{} has no memory controller", own.display()));
    }
    let leaf = own.join(format!("pexec-doctor-{}", std::process::id()));
    fs::create_dir(&leaf).map_err(|error| format!("no cgroup can be made in {}: {error}", own.display()))?;
    let tried = bounded(&own, &leaf);
    // Its processes are gone, but the kernel may need a moment to see that.
    for _ in 0..100 {
        if fs::remove_dir(&leaf).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    tried
}

fn bounded(own: &Path, leaf: &Path) -> Tried {
    let max = leaf.join("memory.max");
    let subtree = own.join("cgroup.subtree_control");
    let switched_on = !max.exists();
    if switched_on {
        fs::write(&subtree, "+memory")
            .map_err(|error| format!("{} hands no memory controller on: {error}", own.display()))?;
    }
    let tried = killed_beyond(leaf, &max);
    if switched_on {
        let _ = fs::write(&subtree, "-memory");
    }
    tried
}

fn killed_beyond(leaf: &Path, max: &Path) -> Tried {
    fs::write(max, MAX.to_string()).map_err(|error| format!("{}: {error}", max.display()))?;
    // Not there without swap.
    let _ = fs::write(leaf.join("memory.swap.max"), "0");
    let status = Command::new("sh")
        .args([
            "-c",
            "echo $$ > \"$1\"/cgroup.procs || exit 77; eval \"$2\"",
            "sh",
        ])
        .arg(leaf)
        .arg(HOG)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map_err(|error| format!("`sh` cannot be started: {error}"))?;
    if status.code() == Some(77) {
        return no(format!("no process may enter {}", leaf.display()));
    }
    let events = fs::read_to_string(leaf.join("memory.events")).unwrap_or_default();
    let killed = events
        .lines()
        .filter_map(|line| line.strip_prefix("oom_kill "))
        .any(|count| count != "0");
    match killed {
        true => Ok("a process that took too much was ended, and nothing else".to_owned()),
        false => no("a process took more than its cgroup's bound"),
    }
}
