//! What happens when a template, its initializer or a fork goes wrong; and that whatever holds for workers that were
//! started holds for those that were forked.

use std::time::Duration;

use nix::sys::signal::Signal;
use pexec::{Executor, Retry, TaskErrorKind, WorkerState};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::tasks::{add, die_by, nap_then, pid};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};

use crate::again;
use crate::zygote::{templates, zygote};

/// Says which start method a run of the other modules is about.
pub(crate) const METHOD: &str = "PEXEC_TESTS_START";

/// Where a worker that is not what it should be would show.
const MODULES: [&str; 7] = [
    "crashes::",
    "timeouts::",
    "stopping::",
    "sizing::",
    "capture::",
    "finalizers::",
    "cancelling::",
];

#[test]
fn what_holds_for_started_workers_holds_for_forked_ones() {
    let _sweep = LeakSweep::new();
    again::run(&MODULES, METHOD, "zygote");
}

fn template() -> i32 {
    let mut found = 0;
    wait_until("there is a template", || {
        let templates = templates();
        found = templates.first().map_or(0, |t| t.pid);
        templates.len() == 1
    });
    found
}

#[test]
fn a_template_that_is_killed_leaves_its_workers_alone_and_is_replaced_when_it_is_needed() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let inits = Gate::new();
    let pool = zygote()
        .workers(2)
        .restart_limit(1, Duration::from_secs(3600))
        .initializer(|gate: String| arrive(&gate), inits.path())
        .build()
        .expect("a pool");
    let running = pool.submit(pass, gate.path());
    gate.wait_for(1);
    let first = template();
    assert!(processes::send(first, Signal::SIGKILL));
    wait_until("it is reaped", || processes::find(first).is_none());
    assert!(templates().is_empty(), "nobody needs another one yet");
    assert_eq!(pool.submit(add, (1, 2)).result().expect("runs"), 3);
    assert!(pool.submit(die_by, 9).result().is_err());
    assert_eq!(
        pool.submit(add, (3, 4)).result().expect("a fork of the next one"),
        7
    );
    assert!(template() != first);
    assert_eq!(inits.arrived(), 2);
    gate.open();
    assert!(running.result().is_ok(), "what ran goes on");
}

#[test]
fn a_template_that_dies_while_it_is_asked_for_a_fork_is_one_failed_start() {
    let _sweep = LeakSweep::new();
    let pool = zygote().workers(3).build().expect("a pool");
    wait_until("they are ready", || pool.workers().len() == 3);
    for _ in 0..4 {
        let template = template();
        assert!(processes::send(template, Signal::SIGSTOP));
        // Each of them is to be forked again, by a template that does not answer.
        let deaths: Vec<_> = (0..3).map(|_| pool.submit(die_by, 9)).collect();
        assert!(deaths.into_iter().all(|f| f.result().is_err()));
        assert!(processes::send(template, Signal::SIGKILL));
        wait_until("all are there again", || pool.workers().len() == 3);
        assert_eq!(pool.submit(add, (1, 2)).result().expect("runs"), 3);
    }
}

#[test]
fn a_template_that_dies_in_its_initializer_is_tried_three_times() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let dies_once = |gate: String| {
        let first = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(format!("{gate}/first"));
        if first.is_ok() {
            die_by(11);
        }
    };
    let pool = zygote()
        .workers(4)
        .initializer(dies_once, gate.path())
        .build()
        .expect("a pool");
    assert_eq!(
        pool.submit(add, (1, 2)).result().expect("the second one is fine"),
        3
    );
    assert_eq!(pool.stats().restarts, 1, "one start has failed, not four");
    pool.shutdown();

    let gate = Gate::new();
    let dies = |gate: String| {
        arrive(&gate);
        eprintln!("the model is broken");
        die_by(11);
    };
    let pool = zygote()
        .workers(4)
        .initializer(dies, gate.path())
        .build()
        .expect("its failures come later");
    let error = pool.submit(add, (1, 2)).result().expect_err("no worker");
    assert_eq!(error.kind(), TaskErrorKind::PoolBroken);
    let text = error.to_string();
    assert!(
        text.contains("SIGSEGV (signal 11) in its initializer: the model is broken"),
        "{text}"
    );
    pool.shutdown();
    assert_eq!(gate.arrived(), 3, "there was no fourth attempt");
}

#[test]
fn an_initializer_that_fails_breaks_the_pool_with_its_text() {
    let _sweep = LeakSweep::new();
    let panics = |_: u8| -> u8 { panic!("no such model") };
    let exits = |_: u8| -> u8 {
        eprintln!("the licence has run out");
        std::process::exit(3)
    };
    let errs = |_: u8| -> Result<u8, String> { Err("out of cheese".to_owned()) };
    for (builder, text) in [
        (
            zygote().initializer(panics, 0),
            "the initializer panicked: no such model",
        ),
        (zygote().initializer(exits, 0), "the licence has run out"),
        (zygote().try_initializer(errs, 0), "out of cheese"),
    ] {
        let pool = builder.workers(2).build().expect("its failures come later");
        let error = pool.submit(add, (1, 2)).result().expect_err("broken");
        assert_eq!(error.kind(), TaskErrorKind::PoolBroken);
        assert!(error.to_string().contains(text), "{error}");
    }
}

#[test]
fn an_initializer_that_leaves_threads_behind_is_refused_with_their_names() {
    let _sweep = LeakSweep::new();
    let leaves = || {
        for name in ["loader", "logger"] {
            let thread = std::thread::Builder::new().name(name.to_owned());
            thread
                .spawn(|| {
                    loop {
                        std::thread::park();
                    }
                })
                .expect("a thread");
        }
    };
    let pool = zygote()
        .workers(2)
        .initializer(leaves, ())
        .build()
        .expect("a pool");
    let error = pool
        .submit(add, (1, 2))
        .result()
        .expect_err("refused")
        .to_string();
    assert!(
        error.contains("threads run that a fork would lose: `loader`, `logger`")
            || error.contains("threads run that a fork would lose: `logger`, `loader`"),
        "{error}"
    );
    let joins = || {
        let threads: Vec<_> = (0..8).map(|n| std::thread::spawn(move || n)).collect();
        threads
            .into_iter()
            .map(|t| t.join().expect("no panic"))
            .sum::<u64>()
    };
    let pool = zygote()
        .workers(2)
        .initializer(joins, ())
        .build()
        .expect("a pool");
    let state = || pexec::worker::state::<u64>().copied();
    assert_eq!(pool.submit(state, ()).result().expect("runs"), Some(28));
}

#[test]
fn an_initializer_cannot_build_a_pool_in_a_template() {
    let _sweep = LeakSweep::new();
    let nests = || {
        let built = pexec::ProcessPool::builder().workers(1).build();
        built.map(|_| ()).map_err(|e| e.to_string())
    };
    let pool = zygote()
        .workers(1)
        .try_initializer(nests, ())
        .build()
        .expect("a pool");
    let error = pool.submit(add, (1, 2)).result().expect_err("refused");
    assert_eq!(error.kind(), TaskErrorKind::PoolBroken);
}

#[test]
fn every_task_has_its_result_while_templates_and_forks_are_killed() {
    const TASKS: u64 = 1500;
    let _sweep = LeakSweep::new();
    let pool = zygote()
        .workers(3)
        .retry(Retry::times(1000).crash_limit(1000))
        .build()
        .expect("a pool");
    let futures: Vec<_> = (0..TASKS).map(|n| pool.submit(nap_then, (1, n))).collect();
    for round in 0..40 {
        let mut victims = Vec::new();
        wait_until("all are there and ready", || {
            let workers = pool.workers();
            victims = workers.iter().map(|w| w.pid as i32).collect();
            workers.len() == 3 && workers.iter().all(|w| w.state != WorkerState::Starting)
        });
        victims.truncate(round % 4);
        // The template before those that it is to replace, behind them, or not at all.
        match round % 3 {
            0 => victims.extend(templates().first().map(|t| t.pid)),
            1 => victims
                .splice(0..0, templates().first().map(|t| t.pid))
                .for_each(drop),
            _ => {}
        }
        for victim in victims {
            processes::send(victim, Signal::SIGKILL);
        }
    }
    for (n, future) in (0..).zip(futures) {
        assert_eq!(future.result().expect("it is tried again"), n);
    }
}

/// It takes the five seconds that a handshake may take.
#[test]
fn a_template_that_hangs_is_given_up_and_another_one_forks() {
    let _sweep = LeakSweep::new();
    let pool = zygote().workers(1).build().expect("a pool");
    let before = pool.submit(pid, ()).result().expect("runs");
    let hangs = template();
    assert!(processes::send(hangs, Signal::SIGSTOP));
    assert!(pool.submit(die_by, 9).result().is_err());
    let after = pool
        .submit(pid, ())
        .result()
        .expect("runs in a fork of the next template");
    assert!(before != after);
    assert!(template() != hangs);
}

#[test]
fn a_pool_ends_although_its_template_hangs() {
    let _sweep = LeakSweep::new();
    let pool = zygote().workers(2).build().expect("a pool");
    wait_until("they are ready", || pool.workers().len() == 2);
    assert!(processes::send(template(), Signal::SIGSTOP));
    assert!(pool.submit(die_by, 9).result().is_err());
    pool.terminate();
    assert!(templates().is_empty());
}
