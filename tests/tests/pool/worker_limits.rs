//! Resource limits that the kernel keeps, of all workers and of one task; and what else a worker's process is given.

use std::fs::File;
use std::time::Duration;

use nix::sched::sched_getaffinity;
use nix::sys::resource::{Resource, getrlimit};
use nix::unistd::Pid;
use pexec::{Cause, Executor, Limits, ProcessPool, Retry, TaskError, TaskErrorKind};
use pexec_tests::LeakSweep;
use pexec_tests::gate::arrive;
use pexec_tests::tasks::{die_by, nap, pid};
use pexec_tests::{Gate, wait_until};

use crate::pool;

/// Allocates so many MiB and touches them.
fn fill(mib: usize) -> usize {
    let block = vec![1u8; mib << 20];
    std::hint::black_box(&block).len()
}

/// Asks politely for so many MiB.
fn reserve(mib: usize) -> bool {
    Vec::<u8>::new().try_reserve_exact(mib << 20).is_ok()
}

/// Computes without end.
fn burn() {
    loop {
        std::hint::black_box(());
    }
}

/// Computes for about so many milliseconds of CPU time.
fn work(ms: u64) -> bool {
    let used = || {
        let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).expect("usage");
        let time = usage.user_time() + usage.system_time();
        Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64)
    };
    let end = used() + Duration::from_millis(ms);
    while used() < end {
        std::hint::black_box(());
    }
    true
}

/// How many files can be opened before the kernel refuses.
fn open_all() -> usize {
    let mut open = Vec::new();
    while open.len() < 4000
        && let Ok(file) = File::open("/dev/null")
    {
        open.push(file);
    }
    open.len()
}

fn soft(resource: i32) -> u64 {
    let resource = if resource == 0 {
        Resource::RLIMIT_AS
    } else {
        Resource::RLIMIT_CPU
    };
    getrlimit(resource).expect("a limit").0
}

/// Ends as C++ does that gets no memory.
fn throw() {
    eprintln!("terminate called after throwing an instance of 'std::bad_alloc'");
    die_by(6);
}

fn limited(limits: Limits) -> ProcessPool {
    // Limits that are reached are no crashes.
    crate::builder()
        .workers(1)
        .restart_limit(0, Duration::from_secs(3600))
        .limits(limits)
        .build()
        .expect("a pool")
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn an_allocation_beyond_the_address_space_ends_the_task_and_names_the_limit() {
    let _sweep = LeakSweep::new();
    let pool = limited(Limits::new().address_space(2 << 30));
    let before = pool.submit(pid, ()).result().expect("runs");
    let error = pool.submit(fill, 4096).result().expect_err("too much");
    let TaskError::LimitExceeded(autopsy) = &error else {
        panic!("{error}")
    };
    assert!(
        autopsy.verdict.contains("address space limit of 2048.0 MiB"),
        "{error}"
    );
    assert_eq!(autopsy.pid, before);
    assert_eq!(error.execution(), pexec::Execution::MayHaveRun);
    assert!(pool.submit(fill, 16).result().is_ok(), "the pool is not broken");
    assert!(!pool.submit(reserve, 4096).result().expect("an ordinary error"));
}

#[test]
fn cpu_time_counts_for_each_task_by_itself() {
    let _sweep = LeakSweep::new();
    let pool = limited(Limits::new().cpu_time(SECOND));
    let first = pool.submit(pid, ()).result().expect("runs");
    // Together they take more than one task may.
    for _ in 0..4 {
        assert!(pool.submit(work, 400).result().expect("within its limit"));
    }
    assert_eq!(pool.submit(pid, ()).result().expect("runs"), first);
    let error = pool.submit(burn, ()).result().expect_err("too much");
    let TaskError::LimitExceeded(autopsy) = &error else {
        panic!("{error}")
    };
    assert_eq!(autopsy.exit, pexec::Exit::Signal(24));
    assert!(
        autopsy.verdict.contains("CPU time than its limit of 1s"),
        "{error}"
    );
    assert_eq!(pool.stats().failed, 1);
}

#[test]
fn a_task_that_sleeps_uses_no_cpu_time() {
    let _sweep = LeakSweep::new();
    let pool = limited(Limits::new().cpu_time(SECOND));
    pool.submit(nap, 2500).result().expect("it only slept");
}

#[test]
fn the_limits_of_one_task_end_with_it() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let before: Vec<u64> = [0, 1]
        .map(|r| pool.submit(soft, r).result().expect("runs"))
        .into();
    let limits = Limits::new().address_space(3 << 30).cpu_time(5 * SECOND);
    assert_eq!(
        pool.task(soft, 0).limits(limits).submit().result().expect("runs"),
        3 << 30
    );
    let cpu = pool.task(soft, 1).limits(limits).submit().result().expect("runs");
    assert!((5..=7).contains(&cpu), "{cpu}");
    let after: Vec<u64> = [0, 1]
        .map(|r| pool.submit(soft, r).result().expect("runs"))
        .into();
    assert_eq!(before, after);
    assert!(
        pool.submit(reserve, 4096).result().expect("runs"),
        "the next one is free again"
    );
}

#[test]
fn a_task_has_its_own_limits_instead_of_its_pools() {
    let _sweep = LeakSweep::new();
    let pool = limited(Limits::new().cpu_time(Duration::from_secs(1000)));
    let own = Limits::new().cpu_time(SECOND).address_space(2 << 30);
    let error = pool
        .task(burn, ())
        .limits(own)
        .submit()
        .result()
        .expect_err("too much");
    assert_eq!(error.kind(), TaskErrorKind::LimitExceeded);
    let error = pool
        .task(fill, 4096)
        .limits(own)
        .submit()
        .result()
        .expect_err("too much");
    assert_eq!(error.kind(), TaskErrorKind::LimitExceeded);
    assert_eq!(pool.submit(fill, 1).result().expect("runs"), 1 << 20);
}

#[test]
fn descriptors_that_are_refused_are_the_tasks_own_error() {
    let _sweep = LeakSweep::new();
    let pool = limited(Limits::new().open_files(40));
    let open = pool.submit(open_all, ()).result().expect("an ordinary error");
    assert!((10..40).contains(&open), "{open}");
    let fewer = Limits::new().open_files(30);
    let open = pool
        .task(open_all, ())
        .limits(fewer)
        .submit()
        .result()
        .expect("runs");
    assert!(open < 30, "{open}");
    assert!(pool.submit(open_all, ()).result().expect("runs") > open);
}

fn arrive_and_fill(gate: String, mib: usize) -> usize {
    arrive(&gate);
    fill(mib)
}

#[test]
fn a_limit_is_tried_again_only_if_the_causes_name_it() {
    let _sweep = LeakSweep::new();
    let pool = limited(Limits::new().address_space(2 << 30));
    for (cause, attempts) in [(Cause::Crashed, 1), (Cause::LimitExceeded, 3)] {
        let gate = Gate::new();
        let future = pool
            .task(arrive_and_fill, (gate.path(), 4096))
            .retry(Retry::times(2).on([cause]))
            .submit();
        let error = future.result().expect_err("too much every time");
        assert_eq!(error.kind(), TaskErrorKind::LimitExceeded);
        assert_eq!(error.autopsy().map(|a| a.attempt), Some(attempts));
        assert_eq!(gate.arrived(), attempts as usize);
    }
}

#[test]
fn a_crash_under_limits_is_still_a_crash() {
    let _sweep = LeakSweep::new();
    let pool = crate::builder()
        .workers(1)
        .limits(
            Limits::new()
                .address_space(4 << 30)
                .cpu_time(100 * SECOND)
                .core(0),
        )
        .build()
        .expect("a pool");
    let error = pool.submit(die_by, 6).result().expect_err("aborts");
    assert_eq!(error.kind(), TaskErrorKind::Crashed);
    assert!(
        error
            .to_string()
            .contains("its address space was limited to 4096.0 MiB"),
        "{error}"
    );
    let error = pool.submit(throw, ()).result().expect_err("aborts");
    assert_eq!(error.kind(), TaskErrorKind::LimitExceeded, "{error}");
}

fn variable(name: String) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn thread_variables_are_set_unless_the_user_has_said_something() {
    let _sweep = LeakSweep::new();
    let pool = crate::builder()
        .workers(1)
        .threads_per_worker(3)
        .env("OPENBLAS_NUM_THREADS", "1")
        .env_remove("MKL_NUM_THREADS")
        .build()
        .expect("a pool");
    let get = |name: &str| pool.submit(variable, name.to_owned()).result().expect("runs");
    assert_eq!(get("OMP_NUM_THREADS").as_deref(), Some("3"));
    assert_eq!(get("RAYON_NUM_THREADS").as_deref(), Some("3"));
    assert_eq!(get("OPENBLAS_NUM_THREADS").as_deref(), Some("1"));
    assert_eq!(get("MKL_NUM_THREADS"), None);
}

fn niceness() -> String {
    // The value behind the name in parentheses, number 19 of all.
    let stat = std::fs::read_to_string("/proc/thread-self/stat").expect("stat");
    let (_, rest) = stat.rsplit_once(')').expect("a name");
    rest.split_whitespace().nth(16).expect("a niceness").to_owned()
}

fn niceness_of_a_thread() -> String {
    std::thread::spawn(niceness).join().expect("no panic")
}

#[test]
fn workers_have_the_niceness_that_they_are_given() {
    let _sweep = LeakSweep::new();
    let pool = crate::builder().workers(1).nice(7).build().expect("a pool");
    assert_eq!(pool.submit(niceness, ()).result().expect("runs"), "7");
    assert_eq!(pool.submit(niceness_of_a_thread, ()).result().expect("runs"), "7");
}

fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).expect("a set");
    (0..nix::sched::CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect()
}

#[test]
fn each_slot_has_its_set_of_cpus() {
    let _sweep = LeakSweep::new();
    let mine = allowed();
    let (first, last) = (mine[0], mine[mine.len() - 1]);
    let pool = crate::builder()
        .workers(2)
        .cpu_affinity([[first], [last]])
        .build()
        .expect("a pool");
    wait_until("both slots have answered", || {
        let both: Vec<_> = (0..2).map(|_| pool.submit(slot_and_allowed, ())).collect();
        let mut both: Vec<_> = both.into_iter().map(|f| f.result().expect("runs")).collect();
        both.sort();
        both == [(0, vec![first]), (1, vec![last])]
    });
}

fn slot_and_allowed() -> (usize, Vec<usize>) {
    nap(5);
    (pexec::task::current().expect("a task").slot, allowed())
}

#[test]
fn a_place_that_cannot_be_given_breaks_the_pool_and_says_why() {
    let _sweep = LeakSweep::new();
    let pool = crate::builder()
        .workers(1)
        .cpu_affinity([[1000]])
        .build()
        .expect("a pool, for a moment");
    let error = pool.submit(pid, ()).result().expect_err("no worker");
    assert_eq!(error.kind(), TaskErrorKind::PoolBroken);
    assert!(
        error.to_string().contains("cannot run on the CPUs [1000]"),
        "{error}"
    );
}

#[test]
fn limits_under_which_no_worker_can_start_break_the_pool_and_say_why() {
    let _sweep = LeakSweep::new();
    for limits in [Limits::new().address_space(1 << 20), Limits::new().open_files(3)] {
        let pool = limited(limits);
        let error = pool.submit(pid, ()).result().expect_err("no worker");
        assert_eq!(error.kind(), TaskErrorKind::PoolBroken, "{error}");
        assert!(
            error
                .to_string()
                .contains("cannot start within its pool's limits"),
            "{error}"
        );
    }
}

#[test]
fn options_without_meaning_are_refused() {
    let none: [[usize; 0]; 0] = [];
    let refused = [
        crate::builder().threads_per_worker(0).build(),
        crate::builder().nice(20).build(),
        crate::builder().cpu_affinity(none).build(),
        crate::builder().cpu_affinity([none.concat()]).build(),
    ];
    for refused in refused {
        assert!(
            matches!(refused, Err(pexec::BuildError::Invalid(_))),
            "{refused:?}"
        );
    }
}
