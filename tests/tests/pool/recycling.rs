//! Workers that are replaced although nothing is wrong with them: by tasks, by age, by memory. No task notices.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::sync::OnceLock;
use std::time::Duration;

use pexec::{BuildError, Executor, ProcessPool, ProcessPoolBuilder};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{nap, pid};
use pexec_tests::{Gate, LeakSweep, wait_until};

/// A pool that one crash breaks: recycling is none.
fn pool(workers: usize, options: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> ProcessPool {
    let builder = crate::builder()
        .workers(workers)
        .restart_limit(0, Duration::from_secs(3600));
    options(builder).build().expect("a pool")
}

/// Leaves a byte in the file for each time that it runs.
fn mark(n: u32, path: String) -> (u32, u32) {
    static FILE: OnceLock<std::fs::File> = OnceLock::new();
    let open = || {
        OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .expect("the file")
    };
    FILE.get_or_init(open).write_all(b".").expect("written");
    (n, std::process::id())
}

#[test]
fn a_hundred_thousand_tasks_survive_a_thousand_replacements_and_none_runs_twice() {
    const TASKS: u32 = 100_000;
    let _sweep = LeakSweep::new();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("marks").to_str().expect("text").to_owned();
    let pool = pool(4, |b| b.max_tasks_per_worker(100));
    let futures: Vec<_> = (0..TASKS).map(|n| pool.submit(mark, (n, path.clone()))).collect();
    let mut by_worker = BTreeMap::<u32, u32>::new();
    for (n, future) in futures.into_iter().enumerate() {
        let (back, pid) = future.result().expect("it runs");
        assert_eq!(back as usize, n, "the answer of another task");
        *by_worker.entry(pid).or_default() += 1;
    }
    // Process ids come again, but not so soon.
    let most = by_worker.values().max().copied();
    assert!(most <= Some(100), "a worker ran {most:?} tasks");
    assert!(pool.stats().restarts >= 990, "{:?}", pool.stats());
    pool.shutdown();
    let marks = std::fs::metadata(&path).expect("the file").len();
    assert_eq!(marks, u64::from(TASKS), "each task ran once");
}

#[test]
fn each_worker_runs_exactly_so_many_tasks() {
    let _sweep = LeakSweep::new();
    let pool = pool(1, |b| b.max_tasks_per_worker(3));
    let pids: Vec<u32> = (0..12)
        .map(|_| pool.submit(pid, ()).result().expect("runs"))
        .collect();
    for three in pids.chunks(3) {
        assert!(three.iter().all(|pid| *pid == three[0]), "{pids:?}");
    }
    assert!(pids.windows(2).filter(|w| w[0] != w[1]).count() == 3, "{pids:?}");
}

#[test]
fn a_map_works_on_workers_that_come_and_go() {
    let _sweep = LeakSweep::new();
    let pool = pool(2, |b| b.max_tasks_per_worker(7));
    let doubled: Vec<u64> = pool
        .map(|n: u64| 2 * n, 0..500)
        .collect::<Result<_, _>>()
        .expect("all run");
    assert_eq!(doubled, (0..500).map(|n| 2 * n).collect::<Vec<_>>());
}

#[test]
fn shutting_down_while_workers_are_replaced_finishes_everything() {
    for round in 0..10 {
        let _sweep = LeakSweep::new();
        let pool = pool(2, |b| b.max_tasks_per_worker(1));
        let futures: Vec<_> = (0..20).map(|_| pool.submit(pid, ())).collect();
        if round % 2 == 0 {
            futures[3].wait();
        }
        pool.shutdown();
        assert!(futures.into_iter().all(|f| f.result().is_ok()));
    }
}

#[test]
fn stopping_while_workers_are_replaced_starts_no_more() {
    let _sweep = LeakSweep::new();
    for round in 0..6 {
        let pool = pool(3, |b| b.max_tasks_per_worker(1));
        let futures: Vec<_> = (0..200).map(|_| pool.submit(pid, ())).collect();
        futures[10].wait();
        if round % 2 == 0 {
            pool.shutdown_now();
        } else {
            pool.terminate();
        }
        let ended = futures.into_iter().filter(|f| f.is_done()).count();
        assert_eq!(ended, 200, "every future has an outcome");
    }
}

#[test]
fn a_worker_that_grows_old_is_replaced_between_tasks() {
    let _sweep = LeakSweep::new();
    let pool = pool(1, |b| b.max_worker_age(Duration::from_millis(50)));
    let first = pool.submit(pid, ()).result().expect("runs");
    wait_until("another worker runs the tasks", || {
        pool.submit(pid, ()).result().expect("none is lost") != first
    });
    // A task is not cut short by its worker's age.
    pool.submit(nap, 300).result().expect("it ends by itself");
}

#[test]
fn an_idle_pool_stays_as_it_is_however_old_it_is() {
    let _sweep = LeakSweep::new();
    let pool = pool(2, |b| b.max_worker_age(Duration::from_millis(20)));
    wait_until("both are there", || pool.workers().len() == 2);
    let before: Vec<_> = pool.workers().into_iter().map(|w| w.pid).collect();
    std::thread::sleep(Duration::from_millis(200));
    let after: Vec<_> = pool.workers().into_iter().map(|w| w.pid).collect();
    assert_eq!(before, after);
}

/// Keeps so many MiB for good.
fn hoard(mib: usize) -> u32 {
    let held = vec![1u8; mib << 20];
    std::hint::black_box(&held);
    std::mem::forget(held);
    std::process::id()
}

#[test]
fn a_worker_that_has_grown_is_replaced_and_others_are_not() {
    let _sweep = LeakSweep::new();
    let pool = pool(1, |b| b.max_worker_memory(200 << 20));
    let thin = pool.submit(hoard, 1).result().expect("runs");
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(pool.submit(hoard, 400).result().expect("runs"), thin);
    wait_until("it is gone", || {
        pool.submit(pid, ()).result().expect("none is lost") != thin
    });
    assert_eq!(pool.stats().failed, 0);
}

/// Takes so many MiB for a while, and gives them back.
fn borrow(mib: usize) -> u32 {
    let held = vec![1u8; mib << 20];
    std::thread::sleep(Duration::from_millis(80));
    std::hint::black_box(&held);
    std::process::id()
}

#[test]
fn what_a_task_takes_and_gives_back_costs_no_worker() {
    let _sweep = LeakSweep::new();
    let pool = pool(1, |b| b.max_worker_memory(200 << 20));
    let first = pool.submit(pid, ()).result().expect("runs");
    let futures: Vec<_> = (0..6).map(|_| pool.submit(borrow, 400)).collect();
    for future in futures {
        assert_eq!(future.result().expect("runs"), first);
    }
}

#[test]
fn a_worker_that_is_to_be_replaced_finishes_its_task_first() {
    let _sweep = LeakSweep::new();
    let pool = pool(1, |b| b.max_worker_age(Duration::from_millis(1)));
    let first = pool.submit(pid, ()).result().expect("runs");
    let gate = Gate::new();
    let at_the_gate = pool.submit(pass, gate.path());
    gate.wait_for(1);
    std::thread::sleep(Duration::from_millis(100));
    assert!(at_the_gate.is_running());
    gate.open();
    let second = at_the_gate.result().expect("it was left in peace");
    wait_until("a third takes over", || {
        let third = pool.submit(pid, ()).result().expect("runs");
        third != first && third != second
    });
}

#[test]
fn bounds_that_nobody_could_keep_are_refused() {
    let refused = [
        crate::builder().max_tasks_per_worker(0).build(),
        crate::builder().max_worker_memory(0).build(),
    ];
    for refused in refused {
        assert!(matches!(refused, Err(BuildError::Invalid(_))), "{refused:?}");
    }
}

#[test]
fn a_map_whose_inputs_travel_together_survives_workers_that_grow_old() {
    let _sweep = LeakSweep::new();
    let pool = pool(2, |b| b.max_worker_age(Duration::from_millis(10)));
    let mut expected = 0;
    while pool.stats().restarts < 20 {
        for result in pool.map(|n: u64| n + 1, expected..expected + 20_000) {
            expected += 1;
            assert_eq!(result.expect("it runs"), expected);
        }
    }
    assert_eq!(pool.stats().done, expected, "each item ran once");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("descriptors").count()
}

#[test]
fn the_tenth_worker_has_as_many_descriptors_as_the_first() {
    let _sweep = LeakSweep::new();
    let pool = pool(1, |b| b.max_tasks_per_worker(1).capture_output(true));
    let counts: Vec<usize> = (0..10)
        .map(|_| pool.submit(descriptors, ()).result().expect("runs"))
        .collect();
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}
