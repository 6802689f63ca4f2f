//! Values at the edges: the longest durations and messages, all exit codes, hooks that fail together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use pexec::{Executor, Exit, ProcessPool, Retry, TaskError, TaskErrorKind, Until};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, pid};
use pexec_tests::{Gate, LeakSweep, processes};

use crate::pool;

#[test]
fn inputs_that_several_threads_produce_are_each_run_once() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let (put, inputs) = channel();
    let producers: Vec<_> = (0..4u64)
        .map(|thread| {
            let put = put.clone();
            std::thread::spawn(move || {
                for n in 0..500 {
                    put.send((thread * 500 + n, 0)).expect("somebody takes it");
                }
            })
        })
        .collect();
    drop(put);
    let mut seen: Vec<u64> = pool
        .map_unordered(add, inputs)
        .map(|(_, result)| result.expect("runs"))
        .collect();
    seen.sort_unstable();
    assert_eq!(seen, (0..2000).collect::<Vec<_>>());
    producers
        .into_iter()
        .for_each(|t| t.join().expect("it has sent everything"));
}

#[test]
fn callbacks_that_panic_while_a_pool_is_terminated_stop_no_other() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let called = Arc::new(AtomicUsize::new(0));
    let futures: Vec<_> = (0..200).map(|_| pool.submit(pass, gate.path())).collect();
    for (n, future) in futures.iter().enumerate() {
        let called = Arc::clone(&called);
        future.on_done(move |outcome| {
            called.fetch_add(1, Ordering::SeqCst);
            assert!(outcome.is_ok() || n % 10 != 0, "a hook that fails");
        });
    }
    gate.wait_for(1);
    pool.terminate();
    for future in futures {
        let kind = future.result().expect_err("none has passed").kind();
        assert!(
            matches!(kind, TaskErrorKind::Killed | TaskErrorKind::Cancelled),
            "{kind:?}"
        );
    }
    pexec_tests::wait_until("every hook was called", || called.load(Ordering::SeqCst) == 200);
}

fn exit_with(code: i32) {
    std::process::exit(code);
}

#[test]
fn an_exit_code_is_told_as_it_was() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(2)
        .restart_limit(100, Duration::from_secs(60))
        .build()
        .expect("a pool");
    for code in [0, 1, 2, 42, 126, 127, 128, 137, 254, 255] {
        let error = pool.submit(exit_with, code).result().expect_err("it has left");
        let autopsy = error.autopsy().expect("a crash");
        assert_eq!(autopsy.exit, Exit::Code(code), "{error}");
        assert_eq!(error.kind(), TaskErrorKind::Crashed);
        assert!(
            error.to_string().contains(&format!("exit code {code}")),
            "{error}"
        );
    }
}

#[test]
fn no_duration_is_too_long() {
    let _sweep = LeakSweep::new();
    let ever = Duration::MAX;
    let pool = ProcessPool::builder()
        .workers(1)
        .task_timeout(ever)
        .kill_grace(ever)
        .retry(Retry::times(1).backoff(ever, 10.0, ever))
        .restart_limit(10, ever)
        .build()
        .expect("a pool");
    let later = pool.task(add, (1, 1)).delay(ever).submit();
    let bounded = pool.task(add, (1, 2)).timeout(ever).queue_timeout(ever).submit();
    assert!(bounded.wait_timeout(ever));
    assert_eq!(bounded.result().expect("runs"), 3);
    let quick = pool.submit(add, (2, 2));
    assert!(matches!(quick.result_timeout(ever), Ok(Ok(4))));
    let futures = [pool.submit(add, (3, 3))];
    assert_eq!(pexec::wait(&futures, Until::AllDone, Some(ever)).done, [0]);
    let all: Vec<_> = pexec::as_completed(futures).deadline(ever).collect();
    assert!(matches!(all[..], [(0, Ok(6))]));
    let mapped: Vec<_> = pool.map(add, [(4, 4), (5, 5)]).deadline(ever).collect();
    assert!(matches!(mapped[..], [Ok(8), Ok(10)]));
    assert!(!later.is_done());
    assert!(later.cancel(), "it would start in an age");
    assert!(pool.shutdown_timeout(ever));
}

fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

#[test]
fn a_worker_is_a_child_of_the_process_that_built_the_pool() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    assert_eq!(
        pool.submit(parent, ()).result().expect("runs"),
        std::process::id()
    );
    // Also if a thread that has ended by now was the one to build it.
    let pool = std::thread::spawn(|| crate::pool(1)).join().expect("it builds");
    assert_eq!(
        pool.submit(parent, ()).result().expect("runs"),
        std::process::id()
    );
}

/// What this machine could give at once, in bytes.
fn available() -> u64 {
    let memory = std::fs::read_to_string("/proc/meminfo").expect("there is a /proc");
    let line = memory.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.expect("a number of KiB") << 10
}

#[test]
fn more_than_two_gib_go_either_way() {
    let _sweep = LeakSweep::new();
    let most = 2_u64 << 30;
    // One copy here and one in the worker; the rest is for whoever else is at work.
    if available() < 12 << 30 {
        eprintln!("skipped: less than 12 GiB of memory are available");
        return;
    }
    let pool = crate::builder().workers(1).max_message(most + (1 << 20));
    let pool = pool.build().expect("a pool");
    let len = most as usize + 1;
    // Zeroes that nobody has written to take no memory.
    let there = pool.submit(
        |bytes: Vec<u8>| (bytes.len(), bytes[bytes.len() - 1]),
        vec![0; len],
    );
    assert_eq!(there.result().expect("it arrives"), (len, 0));
    let back = pool.submit(|len: usize| vec![0_u8; len], len);
    assert_eq!(back.result().expect("it comes back").len(), len);
    let error = pool.submit(|bytes: Vec<u8>| bytes.len(), vec![0; len + (1 << 20)]);
    let error = error.result().expect_err("that is too large");
    assert!(
        matches!(error, TaskError::TooLarge { size, limit } if size > limit && limit == most + (1 << 20)),
        "{error}"
    );
    assert_eq!(
        pool.submit(pid, ()).result().expect("runs"),
        crate::pids(&pool)[0]
    );
}

#[test]
fn a_signal_for_our_own_group_reaches_no_worker_and_no_template() {
    let _sweep = LeakSweep::new();
    let zygote = pexec::ProcessPool::builder()
        .workers(1)
        .start_method(pexec::StartMethod::Zygote)
        .build()
        .expect("a pool");
    let pool = pool(2);
    zygote.submit(parent, ()).result().expect("runs");
    pool.submit(parent, ()).result().expect("runs");
    let ours = processes::find(std::process::id() as i32).expect("we run").group;
    let children = processes::children_of(std::process::id() as i32);
    // Two workers, a template and what it has forked.
    assert_eq!(children.len(), 4, "{children:?}");
    for child in children {
        assert_eq!(child.group, child.pid, "it leads a group of its own");
        assert_ne!(child.group, ours);
    }
}

#[test]
fn each_test_can_have_a_process_of_its_own() {
    let _sweep = LeakSweep::new();
    // As nextest does it.
    let this = std::env::current_exe().expect("a path");
    for test in [
        "executors::every_verb_works_over_processes",
        "edges::an_exit_code_is_told_as_it_was",
    ] {
        let done = std::process::Command::new(&this)
            .args(["--exact", test, "--nocapture"])
            .output()
            .expect("it starts");
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("1 passed"), "{done:?}");
    }
}
