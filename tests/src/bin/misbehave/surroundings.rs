//! Programs whose surroundings are unusual, or that end in the middle of things.

use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, signal};
use pexec::{Executor, ProcessPool};
use pexec_tests::tasks::{self, add, die_by, fail, hang, nap_then};

/// Submits and returns from `main` with a code of its own: the pool's drop finishes everything.
pub(crate) fn drain() {
    let pool = ProcessPool::builder().workers(2).build().expect("a pool");
    for i in 0..10 {
        let future = pool.submit(nap_then, (10, i));
        future.on_done(move |outcome| println!("{i} {}", outcome.is_ok()));
        drop(future);
    }
    drop(pool);
    std::process::exit(3);
}

/// A pool's whole life, with crashes, kills and a termination.
pub(crate) fn churn() {
    for round in 0..3 {
        let pool = ProcessPool::builder()
            .workers(2)
            .kill_grace(Duration::from_millis(100))
            .initializer(|x: u32| x, 5)
            .build()
            .expect("a pool");
        let crashed = pool.submit(die_by, 9);
        let killed = pool.submit(hang, ());
        let fine: Vec<_> = (0..50).map(|i| pool.submit(add, (i, 1))).collect();
        assert!(crashed.result().is_err());
        assert!(
            fine.into_iter()
                .enumerate()
                .all(|(i, f)| f.result().is_ok_and(|r| r == i as u64 + 1))
        );
        killed.kill();
        assert!(killed.result().is_err());
        drop(pool.submit(tasks::echo, "x".repeat(1 << 20)));
        match round {
            0 => pool.shutdown(),
            1 => pool.terminate(),
            _ => pool.shutdown_now(),
        }
    }
    println!("done");
}

/// Somebody else takes the children's ends: the kernel itself.
#[allow(unsafe_code)]
pub(crate) fn sigchld_ignored() {
    // SAFETY: ignoring installs no handler, so nothing runs in a signal's context.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigIgn) }.expect("SIGCHLD can be ignored");
    let pool = crate::forks::builder().workers(2).build().expect("a pool");
    let error = pool.submit(die_by, 9).result().expect_err("its worker died");
    println!("{:?}", error.autopsy().expect("a crash").exit);
    let wait_for_a_child = || {
        std::process::Command::new("true")
            .status()
            .is_ok_and(|s| s.success())
    };
    println!("{:?}", pool.submit(wait_for_a_child, ()).result().ok());
    println!("{:?}", pool.submit(add, (20, 22)).result().ok());
    pool.shutdown();
    println!("down");
}

/// One task, and what it prints where.
pub(crate) fn one_task() {
    let pool = ProcessPool::builder().workers(1).build().expect("a pool");
    let task = || {
        println!("from the task");
        eprintln!("aside");
        let mut input = String::new();
        std::io::Read::read_to_string(&mut std::io::stdin(), &mut input).map_or(-1, |n| n as i64)
    };
    let read = pool.submit(task, ()).result();
    pool.shutdown();
    // Not to standard output, which may be closed.
    let report = std::path::Path::new(&std::env::var("MISBEHAVE_REPORT").expect("a path")).to_owned();
    std::fs::write(report, format!("{read:?}")).expect("the report is written");
}

/// The thread that built the pool, and all that its parent-death signals hang on, ends early.
pub(crate) fn thread_that_ends() {
    let pool = std::thread::spawn(|| ProcessPool::builder().workers(2).build().expect("a pool"));
    let pool = pool.join().expect("it builds");
    let before: Vec<u32> = pool.workers().iter().map(|w| w.pid).collect();
    std::thread::sleep(Duration::from_millis(50));
    println!("{:?}", pool.submit(add, (1, 2)).result().ok());
    println!(
        "{}",
        before == pool.workers().iter().map(|w| w.pid).collect::<Vec<_>>()
    );
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse(n: u64) -> u64 {
    std::hint::black_box([n; 64])[1] + recurse(std::hint::black_box(n + 1))
}

fn abort() {
    std::process::abort();
}

/// Crashes whose outcome depends on what std has set up in a program's `main`.
pub(crate) fn crash() {
    let pool = ProcessPool::builder().workers(1).build().expect("a pool");
    println!("{}", pool.submit(recurse, 1).result().expect_err("too deep"));
    println!("{}", pool.submit(abort, ()).result().expect_err("aborted"));
}

/// A worker whose finalizer panics.
pub(crate) fn failing_finalizer() {
    let pool = ProcessPool::builder()
        .workers(1)
        .finalizer(fail, "it is over".to_owned())
        .build()
        .expect("a pool");
    println!("{}", pool.submit(add, (1, 2)).result().expect("runs"));
    pool.shutdown();
}
