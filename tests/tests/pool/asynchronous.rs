//! Futures in async code: under tokio, and with no runtime at all.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use pexec::{Executor, TaskErrorKind};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, die_by, fail};
use pexec_tests::{Gate, LeakSweep};

use crate::pool;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// All that it takes to run a future.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return value;
        }
        std::thread::park();
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
}

#[test]
fn a_future_needs_no_runtime() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let sum = block_on(async {
        let (a, b) = (pool.submit(add, (1, 2)), pool.submit(add, (3, 4)));
        a.await.expect("runs") + b.await.expect("runs")
    });
    assert_eq!(sum, 10);
    let error = block_on(pool.submit(fail, "on purpose".into())).expect_err("a panic");
    assert_eq!(error.kind(), TaskErrorKind::Panicked);
    assert_eq!(
        block_on(pool.submit(die_by, 9)).expect_err("dead").kind(),
        TaskErrorKind::Crashed
    );
}

#[test]
fn thousands_of_tasks_can_be_awaited_under_tokio_at_once() {
    let _sweep = LeakSweep::new();
    let pool = Arc::new(pool(2));
    let sum = runtime().block_on(async {
        let tasks: Vec<_> = (0..3000)
            .map(|n| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.submit(add, (n, 1)).await.expect("runs") })
            })
            .collect();
        let mut sum = 0;
        for task in tasks {
            sum += task.await.expect("no panic");
        }
        sum
    });
    assert_eq!(sum, (1..=3000).sum::<u64>());
}

#[test]
fn many_threads_of_a_runtime_can_await() {
    let _sweep = LeakSweep::new();
    let pool = Arc::new(pool(2));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_time()
        .build()
        .expect("a runtime");
    let tasks: Vec<_> = (0..300)
        .map(|n| {
            let pool = Arc::clone(&pool);
            runtime.spawn(async move { pool.submit(add, (n, n)).await.expect("runs") == 2 * n })
        })
        .collect();
    assert!(runtime.block_on(async {
        let mut all = true;
        for task in tasks {
            all &= task.await.expect("no panic");
        }
        all
    }));
}

#[test]
fn a_timeout_around_a_future_lets_the_task_run_on() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let slow = pool.submit(pass, gate.path());
    runtime().block_on(async {
        assert!(
            tokio::time::timeout(Duration::from_millis(20), slow)
                .await
                .is_err()
        );
        gate.open();
        assert_eq!(pool.submit(add, (1, 2)).await.expect("the pool works"), 3);
    });
    assert_eq!(pool.stats().done, 2, "the future was dropped, the task was not");
}

#[test]
fn select_takes_the_first_and_the_other_stays_usable() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let mut slow = pool.submit(pass, gate.path());
    runtime().block_on(async {
        tokio::select! {
            _ = &mut slow => panic!("it waits at the gate"),
            sum = pool.submit(add, (1, 2)) => assert_eq!(sum.expect("runs"), 3),
        }
        gate.open();
        assert!((&mut slow).await.is_ok());
    });
}

#[test]
fn the_waker_of_the_last_poll_is_the_one_that_is_woken() {
    struct Count(std::sync::atomic::AtomicU32);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let future = pool.submit(pass, gate.path());
    let mut future = pin!(future);
    let wakers = [0, 0].map(|n| Arc::new(Count(n.into())));
    for waker in &wakers {
        assert!(
            future
                .as_mut()
                .poll(&mut Context::from_waker(&Waker::from(Arc::clone(waker))))
                .is_pending()
        );
    }
    gate.open();
    pexec_tests::wait_until("the second one is woken", || {
        wakers[1].0.load(std::sync::atomic::Ordering::SeqCst) == 1
    });
    assert_eq!(wakers[0].0.load(std::sync::atomic::Ordering::SeqCst), 0);
    let waker = Waker::from(Arc::clone(&wakers[1]));
    assert!(matches!(
        future.as_mut().poll(&mut Context::from_waker(&waker)),
        Poll::Ready(Ok(_))
    ));
}
