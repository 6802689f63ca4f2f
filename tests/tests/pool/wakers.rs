//! What users' code may do on the thread that does the pool's turns: a waker, what takes a task's messages, and the drop of
//! what either keeps. Whatever waited there for the pool would wait for itself.

use std::future::Future;
use std::pin::Pin;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use pexec::{Actor, Executor, TaskErrorKind, TaskFuture};
use pexec_tests::gate::pass;
use pexec_tests::processes::is_alive;
use pexec_tests::tasks::add;
use pexec_tests::{Gate, LeakSweep, wait_until};

/// Only against hanging for ever.
const WATCHDOG: Duration = Duration::from_secs(60);

/// Does something once, when it is woken.
struct Act(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Act {
    fn wake(self: Arc<Self>) {
        let act = self.0.lock().expect("nobody panics").take();
        if let Some(act) = act {
            act();
        }
    }
}

/// Has this done by whoever ends the task, and gives what comes of it.
fn when_woken<T: Send + 'static>(
    future: &mut TaskFuture<u32>,
    act: impl FnOnce() -> T + Send + 'static,
) -> Receiver<T> {
    let (send, receive) = channel();
    let act = move || {
        let _ = send.send(act());
    };
    let waker = Waker::from(Arc::new(Act(Mutex::new(Some(Box::new(act))))));
    let polled = Pin::new(future).poll(&mut Context::from_waker(&waker));
    assert!(polled.is_pending(), "the task has not ended");
    receive
}

fn ends(pid: u32) {
    wait_until("the process is gone", || !is_alive(pid as i32));
}

#[test]
fn the_last_handle_of_an_actor_may_be_dropped_there_and_ends_it() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let actor = Actor::spawn(|()| 5u32, ()).expect("starts");
    let pid = actor.pid();
    let mut call = actor.call(|_: &mut u32, path: String| pass(path), gate.path());
    let after = actor.call(|state: &mut u32, ()| *state, ());
    let dropped = when_woken(&mut call, move || drop(actor));
    gate.open();
    dropped
        .recv_timeout(WATCHDOG)
        .expect("it does not wait for itself");
    // Like any drop it lets what was submitted finish.
    assert_eq!(after.result().expect("runs"), 5);
    ends(pid);
}

#[test]
fn a_pool_may_be_dropped_or_shut_down_there() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pool = crate::pool(1);
    let pid = crate::pids(&pool)[0];
    let mut first = pool.submit(pass, gate.path());
    let second = pool.submit(add, (1, 2));
    let dropped = when_woken(&mut first, move || {
        let finished = pool.shutdown_timeout(WATCHDOG);
        drop(pool);
        finished
    });
    gate.open();
    let finished = dropped
        .recv_timeout(WATCHDOG)
        .expect("it does not wait for itself");
    assert!(!finished, "there is still a task");
    assert_eq!(second.result().expect("runs"), 3);
    ends(pid);
}

#[test]
fn a_pool_that_only_a_tasks_listener_keeps_ends_with_that_task() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pool = Arc::new(crate::pool(1));
    let pid = crate::pids(&pool)[0];
    let kept = Arc::clone(&pool);
    let task = pool
        .task(pass, gate.path())
        .on_emit(move |_| {
            let _ = kept.stats();
        })
        .submit();
    drop((task, pool));
    assert!(is_alive(pid as i32), "the task keeps it");
    gate.open();
    ends(pid);
}

#[test]
fn submitting_cancelling_and_asking_there_does_not_hang() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pool = Arc::new(
        crate::builder()
            .workers(1)
            .queue_capacity(1)
            .build()
            .expect("a pool"),
    );
    let mut runs = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let inner = Arc::clone(&pool);
    let done = when_woken(&mut runs, move || {
        let tasks: Vec<_> = (0..4).map(|n| inner.submit(add, (n, 1))).collect();
        let last = inner.submit(pass, "no gate".to_owned());
        last.cancel();
        last.kill();
        let _ = (inner.stats(), inner.workers());
        (tasks, last)
    });
    gate.open();
    let (tasks, last) = done.recv_timeout(WATCHDOG).expect("nothing waits for itself");
    for (n, task) in (0..).zip(tasks) {
        assert_eq!(task.result().expect("runs"), n + 1);
    }
    // It could not be said whether it was, but it was.
    assert_eq!(
        last.result().expect_err("cancelled").kind(),
        TaskErrorKind::Cancelled
    );
}
