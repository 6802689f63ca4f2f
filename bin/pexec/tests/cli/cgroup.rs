//! Memory that the kernel bounds: pexec in a cgroup that it may part, alone there and among others, to its end and
//! killed. Where no such cgroup can be had these tests say so and try nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pexec_job::event::{Ended, Event, Kind, Outcome};
use pexec_job::limits::MemoryBy;

use crate::support::{Done, Started, Test};

/// A cgroup for one test, with the controller in it.
struct Scope(PathBuf);

impl Scope {
    /// `None`: it has been said that there is none.
    fn new() -> Option<Scope> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("pexec-test-{}-{n}", std::process::id());
        let own = own_cgroup();
        let places = own.iter().flat_map(|own| own.ancestors().take(2));
        let scope = places.map(|place| place.join(&name)).find_map(|dir| {
            fs::create_dir(&dir).ok()?;
            let scope = Scope(dir);
            let killed = scope.0.join("cgroup.kill").exists();
            (killed && scope.0.join("memory.max").exists()).then_some(scope)
        });
        if scope.is_none() {
            eprintln!("skipped: no cgroup v2 memory controller is delegated here");
        }
        scope
    }

    /// A command that is to run in it: in the place of the shell that enters, or as its child.
    fn command(&self, test: &Test, alone: bool) -> Command {
        let mut command = test.other("sh");
        let script = match alone {
            true => "echo $$ > $1/cgroup.procs; exec pexec run job.toml --events ev.ndjson",
            false => "echo $$ > $1/cgroup.procs; pexec run job.toml --events ev.ndjson; exit $?",
        };
        command.args(["-c", script, "sh"]).arg(&self.0);
        command
    }

    /// The cgroups in it, however deep.
    fn below(&self) -> Vec<PathBuf> {
        let mut found = vec![self.0.clone()];
        let mut at = 0;
        while let Some(dir) = found.get(at) {
            let below = dirs(dir);
            found.extend(below);
            at += 1;
        }
        found.split_off(1)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let _ = fs::write(self.0.join("cgroup.kill"), "1");
        // Its processes are gone, but the kernel may need a moment to see that.
        for _ in 0..200 {
            for dir in self.below().iter().rev() {
                let _ = fs::remove_dir(dir);
            }
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn dirs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// Where version 2 alone is mounted at the usual place, which is where these tests can run.
fn own_cgroup() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let dir = Path::new("/sys/fs/cgroup").join(path);
    dir.join("cgroup.procs").exists().then_some(dir)
}

fn ends(done: &Done) -> Vec<(String, Ended)> {
    let text = done.read("ev.ndjson");
    let events = text.lines().map(|line| Event::parse(line).expect("an event"));
    events
        .filter_map(|event| match event.kind {
            Kind::Finished { who, end, .. } => Some((who.id, *end)),
            _ => None,
        })
        .collect()
}

#[track_caller]
fn end<'a>(ends: &'a [(String, Ended)], id: &str) -> &'a Ended {
    let found = ends.iter().find(|(other, _)| other == id);
    &found.unwrap_or_else(|| panic!("no {id} in {ends:?}")).1
}

/// One that needs too much, one that does not but leaves a process behind, one that scatters its processes and takes too
/// long, one without a limit.
const JOB: &str = r#"
[tasks.hog]
memory = "40MiB"
shell = "(head -c 100M /dev/zero; sleep 1000) | tail -c 100M"
[tasks.small]
memory = "40MiB"
shell = "setsid sleep 1000 >/dev/null 2>&1 & sed -n s/0:://p /proc/self/cgroup > where"
[tasks.late]
memory = "40MiB"
timeout = "1s"
shell = "for n in 1 2 3 4 5 6 7 8; do setsid sh -c 'setsid sleep 1000 & wait' & done; wait"
[tasks.free]
shell = "true"
"#;

#[test]
fn the_kernel_ends_what_needs_too_much_and_all_that_it_has_started() {
    let Some(scope) = Scope::new() else { return };
    let test = Test::new().file("job.toml", JOB);
    let command = scope.command(&test, true);
    // Nothing may be left behind, what has left its group and its parent included.
    let done = test.started(command).done().code(1);
    let ends = ends(&done);
    let hog = end(&ends, "hog/0");
    assert_eq!(
        (hog.outcome, hog.memory_by),
        (Outcome::Memory, Some(MemoryBy::Cgroup))
    );
    assert_eq!(
        hog.why.as_deref(),
        Some("needed more than 40 MiB of memory, its limit")
    );
    assert!(
        hog.memory_peak
            .is_some_and(|peak| (30 << 20..=40 << 20).contains(&peak)),
        "{hog:?}"
    );
    let small = end(&ends, "small/0");
    assert!(small.memory_peak.is_some_and(|peak| peak > 0), "{small:?}");
    assert_eq!(
        (small.outcome, small.memory_by),
        (Outcome::Success, Some(MemoryBy::Cgroup))
    );
    assert_eq!(end(&ends, "late/0").outcome, Outcome::Timeout);
    assert_eq!(end(&ends, "free/0").memory_by, None);
    let place = done.read("where");
    assert!(place.contains("/pexec-") && place.contains("/task-"), "{place}");
    assert_eq!(scope.below(), Vec::<PathBuf>::new(), "{done}");
    let handed_on = fs::read_to_string(scope.0.join("cgroup.subtree_control")).expect("there");
    assert_eq!(handed_on.trim(), "", "it is as it was");
}

#[test]
fn among_others_its_memory_is_looked_at_and_nobody_is_moved() {
    let Some(scope) = Scope::new() else { return };
    let job = "[tasks.a]\nmemory = \"40MiB\"\nshell = 'sed -n s/0:://p /proc/self/cgroup > where'\n";
    let test = Test::new().file("job.toml", job);
    let command = scope.command(&test, false);
    let done = test.started(command).done().code(0);
    let ends = ends(&done);
    let looked_at = end(&ends, "a/0");
    assert_eq!(
        (looked_at.memory_by, looked_at.memory_peak),
        (Some(MemoryBy::Sampling), None)
    );
    let name = scope.0.file_name().and_then(|name| name.to_str()).expect("ours");
    assert!(done.read("where").trim().ends_with(name), "{done}");
    assert_eq!(scope.below(), Vec::<PathBuf>::new(), "{done}");
}

/// Its command has a process that has left its group, and has told its worker's number.
fn scattered(scope: &Scope) -> Started {
    let job = "[tasks.a]
memory = \"40MiB\"
shell = \"setsid sh -c 'echo $0 >> there; sleep 1000' $PPID >/dev/null 2>&1 & wait\"
";
    let test = Test::new().file("job.toml", job);
    let command = scope.command(&test, true);
    let mut started = test.started(command);
    started.wait_for_lines("there", 1);
    started
}

/// The command's cgroup, and the one above.
fn left(scope: &Scope) -> (PathBuf, PathBuf) {
    let base = dirs(&scope.0).pop().expect("its cgroup stays");
    let leaf = dirs(&base).into_iter().find(|dir| !dir.ends_with("self"));
    (leaf.expect("with what it had"), base)
}

fn populated(dir: &Path) -> bool {
    fs::read_to_string(dir.join("cgroup.events")).is_ok_and(|text| text.contains("populated 1"))
}

#[test]
fn nothing_in_a_cgroup_outlives_a_killed_run() {
    let Some(scope) = Scope::new() else { return };
    let mut killed = scattered(&scope);
    killed.signal(Signal::SIGKILL);
    killed.wait_for_end();
    let (leaf, _) = left(&scope);
    let until = Instant::now() + Duration::from_secs(60);
    while populated(&leaf) {
        assert!(Instant::now() < until, "what has left its group goes on");
        thread::sleep(Duration::from_millis(10));
    }
    killed.done();
}

#[test]
fn what_a_run_has_left_that_was_killed_with_its_workers_is_ended_by_the_next_one() {
    let Some(scope) = Scope::new() else { return };
    let mut killed = scattered(&scope);
    let worker = fs::read_to_string(killed.path().join("there")).expect("written");
    // It can neither start another worker nor tidy up after this one.
    killed.signal(Signal::SIGSTOP);
    let worker = nix::unistd::Pid::from_raw(worker.trim().parse().expect("a number"));
    nix::sys::signal::kill(worker, Signal::SIGKILL).expect("it still runs");
    killed.signal(Signal::SIGKILL);
    killed.wait_for_end();
    let (leaf, base) = left(&scope);
    assert!(populated(&leaf), "what has left its group goes on");
    // Nobody can enter a cgroup that hands its controllers on.
    for dir in [&base, &scope.0] {
        fs::write(dir.join("cgroup.subtree_control"), "-memory").expect("ours");
    }
    let next = Test::new().file("job.toml", "[tasks.a]\nmemory = \"40MiB\"\ncommand = ['true']\n");
    let command = scope.command(&next, true);
    let done = next.started(command).done().code(0);
    assert_eq!(end(&ends(&done), "a/0").memory_by, Some(MemoryBy::Cgroup));
    assert_eq!(scope.below(), Vec::<PathBuf>::new(), "{done}");
    killed.done();
}

#[test]
fn what_a_killed_worker_has_left_is_ended_at_once() {
    let Some(scope) = Scope::new() else { return };
    // The worker is the parent of the command's shell; it is killed by one that has left that one's group.
    let job = "[tasks.a]
memory = \"40MiB\"
shell = \"worker=$PPID; setsid sh -c 'kill -9 $0; sleep 1000' $worker >/dev/null 2>&1 & wait\"
[tasks.b]
command = ['true']
";
    let test = Test::new().file("job.toml", job);
    let command = scope.command(&test, true);
    let done = test.started(command).done().code(1);
    let ends = ends(&done);
    assert_eq!(end(&ends, "a/0").outcome, Outcome::Failed);
    assert_eq!(end(&ends, "b/0").outcome, Outcome::Success);
    assert_eq!(scope.below(), Vec::<PathBuf>::new(), "{done}");
}

#[test]
fn doctor_tries_it_where_it_is_alone() {
    let Some(scope) = Scope::new() else { return };
    let test = Test::new();
    let script = format!(
        "echo $$ > {}/cgroup.procs; exec pexec doctor --format json",
        scope.0.display()
    );
    let done = test.shell(&script);
    let told: serde_json::Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let checks = told["checks"].as_array().expect("a list");
    let check = checks.iter().find(|check| check["name"] == "cgroup-memory");
    assert_eq!(check.expect("told")["ok"], true, "{done}");
    assert_eq!(scope.below(), Vec::<PathBuf>::new(), "{done}");
}
