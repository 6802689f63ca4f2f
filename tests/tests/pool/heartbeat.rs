//! Workers that are stopped by a signal. What runs is governed by its time limit; what has not started moves on.

use nix::sys::signal::Signal;
use pexec::{Executor, ProcessPool, Transport};
use pexec_tests::gate::pass;
use pexec_tests::tasks::pid;
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

fn stop(worker: u32) {
    assert!(processes::send(worker as i32, Signal::SIGSTOP));
    wait_until("it is stopped", || {
        processes::find(worker as i32).is_some_and(|p| p.state == 'T')
    });
}

fn pool(workers: usize, transport: Transport) -> ProcessPool {
    crate::builder()
        .workers(workers)
        .transport(transport)
        .build()
        .expect("a pool")
}

const BOTH: [Transport; 2] = [Transport::Memory, Transport::Socket];

#[test]
fn an_idle_worker_that_is_stopped_keeps_no_task_and_is_replaced() {
    let _sweep = LeakSweep::new();
    // Side by side, as in the next ones: it takes seconds until a worker is given up.
    let pools = BOTH.map(|transport| {
        let pool = pool(1, transport);
        let stopped = pool.submit(pid, ()).result().expect("runs");
        stop(stopped);
        let futures: Vec<_> = (0..50).map(|_| pool.submit(pid, ())).collect();
        (pool, stopped, futures)
    });
    for (pool, stopped, futures) in pools {
        for future in futures {
            assert_ne!(future.result().expect("it runs elsewhere"), stopped);
        }
        assert_eq!(pool.stats().failed, 0);
        assert!(processes::find(stopped as i32).is_none(), "it is gone");
    }
}

#[test]
fn the_others_do_the_work_of_an_idle_worker_that_is_stopped() {
    let _sweep = LeakSweep::new();
    let pools = BOTH.map(|transport| {
        let pool = pool(3, transport);
        wait_until("all are there", || {
            pool.workers()
                .iter()
                .filter(|w| w.state == pexec::WorkerState::Idle)
                .count()
                == 3
        });
        let stopped = pool.workers()[1].pid;
        stop(stopped);
        let futures: Vec<_> = (0..300).map(|_| pool.submit(pid, ())).collect();
        (pool, stopped, futures)
    });
    for (_pool, stopped, futures) in pools {
        for future in futures {
            assert_ne!(future.result().expect("it runs elsewhere"), stopped);
        }
        assert!(processes::send(stopped as i32, Signal::SIGCONT));
    }
}

#[test]
fn a_task_in_a_stopped_worker_waits_for_it_and_loses_nothing_by_that() {
    let _sweep = LeakSweep::new();
    let pool = pool(1, Transport::Memory);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let worker = pool.workers()[0].pid;
    stop(worker);
    gate.open();
    assert!(!running.wait_timeout(std::time::Duration::from_millis(300)));
    assert!(processes::send(worker as i32, Signal::SIGCONT));
    assert_eq!(running.result().expect("it was only slow"), worker);
}

/// Its destructor stops the worker, after the answer was sent.
#[derive(serde::Serialize, serde::Deserialize)]
struct Stops(u32);

impl Drop for Stops {
    fn drop(&mut self) {
        if std::process::id() == self.0 {
            nix::sys::signal::raise(Signal::SIGSTOP).expect("stopped");
        }
    }
}

#[test]
fn a_worker_that_is_stopped_between_two_tasks_keeps_none_either() {
    let _sweep = LeakSweep::new();
    let pools = BOTH.map(|transport| {
        let pool = pool(1, transport);
        let first = pool.submit(|| Stops(std::process::id()), ());
        let behind: Vec<_> = (0..10).map(|_| pool.submit(pid, ())).collect();
        (pool, first, behind)
    });
    for (pool, first, behind) in pools {
        let stopped = first.result().expect("it had answered").0;
        for future in behind {
            assert_ne!(future.result().expect("it runs elsewhere"), stopped);
        }
        assert_eq!(pool.stats().failed, 0);
    }
}
