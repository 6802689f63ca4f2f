//! A supervisor with a worker in every state that its end may meet.

#![allow(
    clippy::zombie_processes,
    reason = "leaving processes behind is what this fixture is for"
)]

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, raise};
use pexec::{Executor, ProcessPool, Transport, WorkerState};
use pexec_tests::gate::pass;
use pexec_tests::tasks;

/// One worker computes, one is idle, one is stopped, one has children in its own process group and in a guarded
/// one, one cannot get rid of what it writes, one ignores SIGTERM.
fn build() -> ProcessPool {
    let pool = ProcessPool::builder()
        .workers(6)
        .name("doomed")
        .build()
        .expect("a pool");
    drop(pool.submit(spin, ()));
    drop(pool.submit(stop, ()));
    drop(pool.submit(breed, ()));
    drop(pool.submit(deaf, ()));
    // The flood will stop the pool's own thread: before that, the others must have their tasks.
    let busy = || {
        pool.workers()
            .iter()
            .filter(|w| w.state == WorkerState::Busy)
            .count()
    };
    pexec_tests::wait_until("four workers are busy", || busy() == 4);
    let blocked = pool.task(flood, ()).on_emit(|_| {
        say("flooded");
        loop {
            std::thread::sleep(Duration::from_secs(3600));
        }
    });
    drop(blocked.submit());
    pool
}

/// Prints what happens, one word a line, and waits for the end.
pub(crate) fn supervise() {
    let _pool = build();
    tasks::hang();
}

/// Many workers, each with a task as soon as it has started; none stops itself.
pub(crate) fn supervise_at_work() {
    let pool = ProcessPool::builder()
        .workers(6)
        .name("doomed")
        .build()
        .expect("a pool");
    for _ in 0..2 {
        drop(pool.submit(spin, ()));
        drop(pool.submit(breed, ()));
        drop(pool.submit(deaf, ()));
    }
    tasks::hang();
}

/// Longer than any ring, once the test lets it.
fn long_result(gate: String) -> Vec<u8> {
    let _ = pass(gate);
    vec![3; 8 << 20]
}

/// Two workers with results longer than a ring, and one that sleeps; prints their process ids, those of the two first.
pub(crate) fn supervise_on_rings() {
    let gate = std::env::var("MISBEHAVE_GO").expect("a path");
    let pool = ProcessPool::builder()
        .workers(3)
        .name("doomed")
        .transport(Transport::Memory)
        .build()
        .expect("a pool");
    let long = [(); 2].map(|()| pool.submit(long_result, gate.clone()));
    let busy = |busy: bool| {
        let workers = pool.workers().into_iter();
        let of = workers.filter(|w| {
            w.state
                == if busy {
                    WorkerState::Busy
                } else {
                    WorkerState::Idle
                }
        });
        of.map(|w| w.pid.to_string()).collect::<Vec<_>>()
    };
    pexec_tests::wait_until("two are busy and one is idle", || {
        (busy(true).len(), busy(false).len()) == (2, 1)
    });
    say(&[busy(true), busy(false)].concat().join(" "));
    for long in long {
        say(&match long.result() {
            Ok(bytes) => bytes.len().to_string(),
            Err(error) => error.to_string(),
        });
    }
}

/// The same, but the end comes from within.
pub(crate) fn supervise_and_end_by(end: &str) {
    let pool = build();
    let end = end.to_owned();
    // The test writes when it has seen enough.
    let go = std::env::var("MISBEHAVE_GO").expect("a path");
    while !std::path::Path::new(&go).exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    match end.as_str() {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(5),
        "exit-in-a-thread" => {
            let _ = std::thread::spawn(|| std::process::exit(5)).join();
        }
        "return" => std::mem::forget(pool),
        other => panic!("unknown end {other}"),
    }
}

/// One line at once: the tests read it through a pipe, and so do several threads write it.
fn say(word: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("{word}\n").as_bytes());
    let _ = out.flush();
}

fn spin() {
    say("busy");
    loop {
        std::hint::spin_loop();
    }
}

fn stop() {
    say(&format!("stopping {}", std::process::id()));
    raise(Signal::SIGSTOP).expect("stopped");
    tasks::hang();
}

fn deaf() {
    tasks::ignore_sigterm();
    say("deaf");
    tasks::hang();
}

fn breed() {
    // Their output goes nowhere: a sleeper must not hold the test's pipe open.
    let sleeper = |seconds: &str| {
        let mut command = Command::new("sleep");
        command.arg(seconds).stdout(std::process::Stdio::null());
        command
    };
    let mut near = sleeper("100001").spawn().expect("sleep starts");
    let mut far = sleeper("100002").process_group(0).spawn().expect("sleep starts");
    let guard = pexec::worker::guard_group(far.id() as i32);
    say(&format!("bred {} {}", near.id(), far.id()));
    let _ = (near.wait(), far.wait());
    drop(guard);
}

fn flood() {
    loop {
        pexec::task::emit(&[0; 1 << 16]);
    }
}

/// Each worker runs a task with a time limit while a test stops this process.
pub(crate) fn stopped_at_work() {
    let pool = ProcessPool::builder()
        .workers(2)
        .task_timeout(Duration::from_secs(1))
        .build()
        .expect("a pool");
    pexec_tests::wait_until("both are there", || {
        pool.workers()
            .iter()
            .filter(|w| w.state == WorkerState::Idle)
            .count()
            == 2
    });
    goes_on(&pool);
}

/// The workers have not proved themselves yet while a test stops this process.
pub(crate) fn stopped_at_start() {
    goes_on(&ProcessPool::builder().workers(2).build().expect("a pool"));
}

fn goes_on(pool: &ProcessPool) {
    let workers = || pool.workers().iter().map(|w| w.pid).collect::<Vec<_>>();
    let before = workers();
    let futures = [0, 1].map(|n| pool.submit(tasks::nap_then, (300, n)));
    say("go");
    let ends = futures.map(pexec::TaskFuture::result);
    match ends.iter().find_map(|end| end.as_ref().err()) {
        Some(error) => say(&error.to_string()),
        None if workers() != before => say("workers were ended"),
        None => say("all ran in the same workers"),
    }
}
