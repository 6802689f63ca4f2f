//! `on_done`: once for each task, whatever its end; free to block, submit, panic and stop the pool.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use pexec::{Executor, TaskErrorKind};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, die_by, fail};
use pexec_tests::{Gate, LeakSweep};

use crate::pool;
use crate::tricky::{Trick, Tricky, take};

#[test]
fn a_callback_learns_of_each_kind_of_end_once() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let (tell, told) = channel();
    let gate = Gate::new();
    let blocker = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let good = pool.task(add, (1, 2)).label("good").submit();
    let panicking = pool.task(fail, "on purpose".into()).label("panicking").submit();
    let crashing = pool.task(die_by, 9).label("crashing").submit();
    let cancelled = pool.task(add, (1, 2)).label("cancelled").submit();
    let tell_of = || {
        let tell = tell.clone();
        move |outcome: &pexec::Outcome| {
            let error = outcome.error().map(pexec::TaskError::kind);
            assert_eq!(outcome.is_ok(), error.is_none());
            tell.send((outcome.label().map(str::to_owned), outcome.id(), error))
                .expect("somebody listens");
        }
    };
    good.on_done(tell_of());
    panicking.on_done(tell_of());
    crashing.on_done(tell_of());
    cancelled.on_done(tell_of());
    assert!(cancelled.cancel());
    gate.open();
    pool.shutdown();
    drop(tell);
    let mut seen: Vec<_> = told
        .iter()
        .map(|(label, id, error)| (label.expect("labelled"), id, error))
        .collect();
    seen.sort_by(|a, b| a.0.cmp(&b.0));
    let wanted = [
        (
            "cancelled".to_owned(),
            cancelled.id(),
            Some(TaskErrorKind::Cancelled),
        ),
        ("crashing".to_owned(), crashing.id(), Some(TaskErrorKind::Crashed)),
        ("good".to_owned(), good.id(), None),
        (
            "panicking".to_owned(),
            panicking.id(),
            Some(TaskErrorKind::Panicked),
        ),
    ];
    assert_eq!(seen, wanted);
    assert!(blocker.result().is_ok());
}

#[test]
fn a_callback_that_comes_late_runs_at_once_on_the_callers_thread() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let here = std::thread::current().id();
    for (future, kind) in [
        (pool.submit(die_by, 9), Some(TaskErrorKind::Crashed)),
        (
            pool.submit(fail, "on purpose".into()),
            Some(TaskErrorKind::Panicked),
        ),
        (pool.submit(|| (), ()), None),
    ] {
        future.wait();
        let seen = Arc::new(Mutex::new(None));
        let note = Arc::clone(&seen);
        future.on_done(move |outcome| {
            let error = outcome.error().map(pexec::TaskError::kind);
            *note.lock().expect("not poisoned") = Some((std::thread::current().id(), error));
        });
        assert_eq!(seen.lock().expect("not poisoned").take(), Some((here, kind)));
    }
}

#[test]
fn a_panicking_callback_stops_neither_the_others_nor_the_outcome() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let future = pool.submit(pass, gate.path());
    let order = Arc::new(Mutex::new(Vec::new()));
    for n in 0..5 {
        let order = Arc::clone(&order);
        future.on_done(move |_| {
            order.lock().expect("not poisoned").push(n);
            assert!(n % 2 == 0, "the callback panics on purpose");
        });
    }
    gate.open();
    pool.shutdown();
    assert_eq!(*order.lock().expect("not poisoned"), [0, 1, 2, 3, 4]);
    assert!(future.result().is_ok());
    let late = Arc::new(AtomicU32::new(0));
    let done = pexec::Inline::new().submit(|| (), ());
    let count = Arc::clone(&late);
    done.on_done(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        panic!("late, and it panics on purpose");
    });
    assert_eq!(late.load(Ordering::Relaxed), 1, "and the panic stayed inside");
}

#[test]
fn callbacks_may_submit_what_works_what_crashes_and_what_cannot_be_sent() {
    let _sweep = LeakSweep::new();
    let pool = Arc::new(pool(1));
    let (tell, told) = channel();
    let again = Arc::clone(&pool);
    pool.submit(|| (), ()).on_done(move |_| {
        let futures = (
            again.submit(add, (20, 22)),
            again.submit(die_by, 9),
            again.submit(take, Tricky(Trick::EncodeHereFails)),
        );
        // Blocking is all right here as well.
        tell.send((
            futures.0.result().expect("runs"),
            futures.1.result().expect_err("dead").kind(),
            futures.2.result().expect_err("not sent").kind(),
        ))
        .expect("somebody listens");
    });
    let seen = told.recv().expect("the callback ran");
    assert_eq!(seen, (42, TaskErrorKind::Crashed, TaskErrorKind::Encode));
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
}

#[test]
fn a_callback_may_stop_the_pool() {
    let _sweep = LeakSweep::new();
    for stop in [
        pexec::ProcessPool::shutdown,
        pexec::ProcessPool::shutdown_now,
        pexec::ProcessPool::terminate,
    ] {
        let pool = Arc::new(pool(2));
        let (tell, told) = channel();
        let inside = Arc::clone(&pool);
        pool.submit(|| (), ()).on_done(move |_| {
            stop(&inside);
            tell.send(inside.submit(add, (1, 2)).result().expect_err("closed").kind())
                .expect("somebody listens");
        });
        assert_eq!(told.recv().expect("it returned"), TaskErrorKind::PoolClosed);
        pool.shutdown();
    }
}

#[test]
fn a_callback_may_hold_the_last_handle_of_the_pool() {
    let _sweep = LeakSweep::new();
    let pool = Arc::new(pool(1));
    let gate = Gate::new();
    let (tell, told) = channel();
    let future = pool.submit(pass, gate.path());
    let held = Arc::clone(&pool);
    future.on_done(move |outcome| {
        tell.send(outcome.is_ok()).expect("somebody listens");
        drop(held);
    });
    drop(pool);
    gate.open();
    assert!(told.recv().expect("it ran"));
    assert!(future.result().is_ok());
}

#[test]
fn cancelling_other_tasks_from_a_callback_is_safe() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let first = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let others: Arc<Vec<_>> = Arc::new((0..500).map(|n| pool.submit(add, (n, 1))).collect());
    let (tell, told) = channel();
    let targets = Arc::clone(&others);
    first.on_done(move |_| {
        let cancelled = targets.iter().filter(|f| f.cancel()).count();
        tell.send(cancelled).expect("somebody listens");
    });
    gate.open();
    let cancelled = told.recv().expect("the callback ran");
    others.iter().for_each(|f| f.wait());
    assert_eq!(others.iter().filter(|f| f.is_cancelled()).count(), cancelled);
    let stats = pool.stats();
    assert_eq!(
        (stats.done, stats.cancelled),
        (501 - cancelled as u64, cancelled as u64)
    );
}

#[test]
fn shutdown_waits_for_the_callbacks() {
    let _sweep = LeakSweep::new();
    let count = Arc::new(AtomicU32::new(0));
    let pool = pool(2);
    for n in 0..200 {
        let count = Arc::clone(&count);
        pool.submit(add, (n, 1)).on_done(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
    pool.shutdown();
    assert_eq!(count.load(Ordering::Relaxed), 200);
}
