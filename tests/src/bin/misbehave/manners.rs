//! Ordinary programs in unusual places: what they see of a pool, and what a pool leaves of them.

use std::fs;
use std::io::BufRead;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use pexec::{Executor, ProcessPool, TaskErrorKind};
use pexec_tests::tasks::{add, die_by, hang, pid};

/// A pool's work with every kind of end; a new worker among it.
fn work() -> ProcessPool {
    let pool = ProcessPool::builder()
        .workers(2)
        .kill_grace(Duration::from_millis(100))
        .build()
        .expect("a pool");
    assert_eq!(pool.submit(add, (1, 2)).result().expect("runs"), 3);
    let crash = pool.submit(die_by, 9).result().expect_err("it died");
    assert_eq!(crash.kind(), TaskErrorKind::Crashed);
    let late = pool.task(hang, ()).timeout(Duration::from_millis(50)).submit();
    assert_eq!(
        late.result().expect_err("too long").kind(),
        TaskErrorKind::TimedOut
    );
    assert!(pool.map(add, (0..100).map(|n| (n, n))).all(|r| r.is_ok()));
    pool
}

/// What the kernel has noted of this process's signals.
fn signals() -> String {
    let status = fs::read_to_string("/proc/self/status").expect("it is there");
    let lines = status
        .lines()
        .filter(|l| l.starts_with("Sig") && !l.starts_with("SigQ"));
    lines
        .filter(|l| !l.starts_with("SigPnd"))
        .map(|l| format!("{l}\n"))
        .collect()
}

/// Which signals are caught, ignored and blocked: before, beside and after a pool.
pub(crate) fn dispositions() {
    // The C library has a signal of its own, from the first thread on.
    std::thread::spawn(|| ()).join().expect("it ends");
    let before = signals();
    let pool = work();
    let beside = signals();
    drop(pool);
    println!("{}", before == beside && before == signals());
    println!("{before}\n{beside}");
}

/// Prints what a pool gives before and after the program's file has changed.
pub(crate) fn replaced() {
    let pool = ProcessPool::builder().workers(1).build().expect("a pool");
    println!("{:?}", pool.submit(add, (1, 2)).result().ok());
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).expect("a line");
    let old = pool.submit(pid, ()).result().expect("runs");
    assert!(pool.submit(die_by, 9).result().is_err());
    println!("{:?}", pool.submit(pid, ()).result().map(|new| new != old));
    println!("{:?}", work().submit(add, (20, 22)).result().ok());
}

/// All the work at once, and how it went.
pub(crate) fn anywhere() {
    println!("pid 1: {}", std::process::id() == 1);
    println!("uid {}", nix::unistd::getuid());
    drop(work());
    println!("done");
}

/// Files that nobody may read, and a directory that is gone.
pub(crate) fn nowhere() {
    umask(Mode::from_bits_truncate(0o777));
    let directory = std::env::temp_dir().join("gone");
    fs::create_dir(&directory).expect("a directory");
    std::env::set_current_dir(&directory).expect("it may be entered");
    fs::remove_dir(&directory).expect("it is empty");
    let pool = work();
    println!(
        "{}",
        pool.submit(|| std::env::current_dir().is_err(), ())
            .result()
            .expect("runs")
    );
    println!(
        "{:o}",
        pool.submit(|| umask(Mode::empty()).bits(), ())
            .result()
            .expect("runs")
    );
}

/// A hundred threads that compute, build, submit and wait.
pub(crate) fn hundred_threads() {
    let shared = ProcessPool::builder().workers(2).build().expect("a pool");
    let sum: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..100u64)
            .map(|n| {
                let shared = &shared;
                scope.spawn(move || {
                    let own: Vec<u64> = (0..1000).collect();
                    if n % 20 == 0 {
                        drop(work());
                    }
                    let remote = shared.submit(add, (n, own[1])).result().expect("runs");
                    remote + own.iter().sum::<u64>() - own.iter().sum::<u64>()
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("no panic")).sum()
    });
    println!("{sum}");
}

/// How many workers a pool has by default.
pub(crate) fn default_size() {
    println!("{}", ProcessPool::new().expect("a pool").workers().len());
}

/// A pool whose workers need more descriptors than there are; then with enough.
pub(crate) fn few_descriptors() {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    for few in [10, 14, 18, 24, 32] {
        setrlimit(Resource::RLIMIT_NOFILE, few, hard).expect("less is allowed");
        match ProcessPool::builder().workers(8).build() {
            Ok(pool) => assert_eq!(pool.submit(add, (1, 2)).result().ok(), Some(3), "with {few}"),
            Err(error) => eprintln!("with {few}: {error}"),
        }
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard).expect("as before");
    pexec_tests::wait_until("nobody is left", || pexec_tests::sweep::children().is_empty());
    drop(work());
    println!("done");
}

/// A pool where nothing can be started.
pub(crate) fn no_processes() {
    setrlimit(Resource::RLIMIT_NPROC, 1, 1).expect("less is allowed");
    match ProcessPool::builder().workers(2).build() {
        Ok(pool) => println!("{}", pool.submit(add, (1, 2)).result().expect_err("no worker")),
        Err(error) => println!("{error}"),
    }
    println!("children: {}", pexec_tests::sweep::children().len());
}
