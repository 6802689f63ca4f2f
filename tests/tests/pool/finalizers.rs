//! Finalizers: what a worker does when it leaves in an orderly way, and only then.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use pexec::Executor;
use pexec_tests::tasks::{die_by, hang, nap, pid};
use pexec_tests::{Gate, LeakSweep, wait_until};

/// Adds a line to the file: this process, and what its initializer has left.
fn note(path: String) -> u32 {
    let state = pexec::worker::state::<u64>().copied().unwrap_or(0);
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .expect("the file");
    file.write_all(format!("{} {state}\n", std::process::id()).as_bytes())
        .expect("written");
    7
}

fn noted(path: &str) -> Vec<u32> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .map(|line| {
            let (pid, state) = line.split_once(' ').expect("two numbers");
            assert_eq!(state, "42", "the worker's state was gone");
            pid.parse().expect("a number")
        })
        .collect()
}

struct Notes {
    dir: tempfile::TempDir,
}

impl Notes {
    fn new() -> Notes {
        Notes {
            dir: tempfile::tempdir().expect("a directory"),
        }
    }

    fn path(&self) -> String {
        self.dir.path().join("notes").to_str().expect("text").to_owned()
    }

    fn builder(&self) -> pexec::ProcessPoolBuilder {
        crate::builder()
            .kill_grace(Duration::from_secs(20))
            .initializer(|n: u64| n, 42)
            .finalizer(note, self.path())
    }
}

#[test]
fn every_worker_runs_its_finalizer_once_when_the_pool_is_shut_down() {
    let _sweep = LeakSweep::new();
    let notes = Notes::new();
    let pool = notes.builder().workers(3).build().expect("a pool");
    wait_until("all are ready", || {
        pool.workers().iter().all(|w| w.state == pexec::WorkerState::Idle) && pool.workers().len() == 3
    });
    let mut workers: Vec<u32> = pool.workers().iter().map(|w| w.pid).collect();
    assert!(noted(&notes.path()).is_empty());
    pool.shutdown();
    let mut noted = noted(&notes.path());
    noted.sort_unstable();
    workers.sort_unstable();
    assert_eq!(noted, workers);
}

#[test]
fn a_worker_that_is_replaced_or_not_needed_any_more_runs_its_finalizer() {
    let _sweep = LeakSweep::new();
    let notes = Notes::new();
    let pool = notes
        .builder()
        .workers(1)
        .max_tasks_per_worker(1)
        .build()
        .expect("a pool");
    let pids: Vec<u32> = (0..3)
        .map(|_| pool.submit(pid, ()).result().expect("runs"))
        .collect();
    wait_until("all three have left", || noted(&notes.path()) == pids);
    drop(pool);

    let notes = Notes::new();
    let pool = notes.builder().workers(2).build().expect("a pool");
    wait_until("both are ready", || {
        let workers = pool.workers();
        workers.len() == 2 && workers.iter().all(|w| w.state == pexec::WorkerState::Idle)
    });
    pool.resize(1);
    wait_until("one has left", || noted(&notes.path()).len() == 1);
    drop(pool);
    assert_eq!(noted(&notes.path()).len(), 2);
}

#[test]
fn no_finalizer_runs_after_a_crash_a_kill_or_a_termination() {
    let _sweep = LeakSweep::new();
    let notes = Notes::new();
    let pool = notes
        .builder()
        .workers(1)
        .kill_grace(Duration::from_millis(50))
        .build()
        .expect("a pool");
    pool.submit(die_by, 9).result().expect_err("dies");
    let gate = Gate::new();
    let stuck = pool.submit(pexec_tests::gate::pass, gate.path());
    gate.wait_for(1);
    assert!(stuck.kill());
    stuck.result().expect_err("killed");
    let stuck = pool.submit(hang, ());
    wait_until("it runs", || stuck.is_running());
    pool.terminate();
    assert_eq!(noted(&notes.path()), Vec::<u32>::new());
}

#[test]
fn a_finalizer_that_does_not_end_is_killed_after_the_grace() {
    let _sweep = LeakSweep::new();
    let pool = crate::builder()
        .workers(2)
        .kill_grace(Duration::from_millis(100))
        .finalizer(nap, 1_000_000)
        .build()
        .expect("a pool");
    assert!(pool.submit(pid, ()).result().is_ok());
    pool.shutdown();
}
