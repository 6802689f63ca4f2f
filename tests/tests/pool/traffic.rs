//! Much traffic and little: one task at a time from several threads, a million at once, a worker that stands still.

use std::future::Future;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pexec::{Executor, WorkerState};
use pexec_tests::tasks::{add, pid};
use pexec_tests::{LeakSweep, wait_until};

use crate::pool;

const WATCHDOG: Duration = Duration::from_secs(60);

struct Unpark(std::thread::Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn one_at_a_time_from_several_threads_while_others_await() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    std::thread::scope(|scope| {
        for t in 0..3u64 {
            let pool = &pool;
            scope.spawn(move || {
                for i in 0..1500 {
                    let future = pool.submit(add, (t, i));
                    let sum = match i % 4 {
                        0 => block_on(future),
                        1 => {
                            let (told, heard) = mpsc::channel();
                            future.on_done(move |outcome| {
                                told.send(outcome.is_ok()).expect("somebody listens");
                            });
                            assert!(heard.recv_timeout(WATCHDOG).expect("told"));
                            future.result()
                        }
                        _ => future.result(),
                    };
                    assert_eq!(sum.expect("runs"), t + i);
                }
            });
        }
    });
}

#[test]
fn a_long_backlog_submitted_up_front_all_comes_back() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let descriptors = || std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    wait_until("both workers are there", || {
        pool.workers()
            .iter()
            .filter(|w| w.state == WorkerState::Idle)
            .count()
            == 2
    });
    let before = descriptors();
    let n = if cfg!(debug_assertions) {
        200_000u64
    } else {
        1_000_000
    };
    let futures: Vec<_> = (0..n).map(|i| pool.submit(add, (i, 1))).collect();
    assert_eq!(descriptors(), before);
    let sum: u64 = futures.into_iter().map(|f| f.result().expect("runs")).sum();
    assert_eq!(sum, n * (n + 1) / 2);
}

#[test]
fn a_stopped_worker_that_holds_a_task_is_replaced_and_the_task_runs_elsewhere() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let stopped = pool.submit(pid, ()).result().expect("runs");
    let signal =
        |s| nix::sys::signal::kill(nix::unistd::Pid::from_raw(stopped as i32), s).expect("it is there");
    signal(nix::sys::signal::Signal::SIGSTOP);
    // The signal is taken in the worker's own time.
    wait_until("it is stopped", || {
        let stat = std::fs::read_to_string(format!("/proc/{stopped}/stat")).unwrap_or_default();
        stat.rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('T'))
    });
    let elsewhere = pool.submit(pid, ());
    assert_ne!(elsewhere.result().expect("in the replacement"), stopped);
}
