//! How workers start: the initializer and its state, environment and directory, and starts that fail.

use std::collections::HashSet;

use pexec::{BuildError, Executor, ProcessPool, TaskErrorKind};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::tasks::{add, die_by, pid};
use pexec_tests::{Gate, LeakSweep, wait_until};

/// What an initializer leaves behind; neither serialisable nor `Send`.
struct State {
    text: String,
    home: u32,
    _not_send: std::rc::Rc<()>,
}

fn prepare(gate: String, text: String) -> State {
    arrive(&gate);
    State {
        text,
        home: std::process::id(),
        _not_send: std::rc::Rc::new(()),
    }
}

fn state_is_mine(wanted: String) -> bool {
    pexec::worker::state::<State>().is_some_and(|s| s.text == wanted && s.home == std::process::id())
}

#[test]
fn the_initializer_runs_once_in_every_worker_replacements_included_before_its_first_task() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let text = "state".to_owned();
    let pool = ProcessPool::builder()
        .workers(2)
        .initializer(prepare, (gate.path(), text.clone()))
        .build()
        .expect("a pool");
    assert!(
        pool.map(state_is_mine, (0..200).map(|_| text.clone()))
            .all(|r| r.expect("runs"))
    );
    gate.wait_for(2);
    assert_eq!(gate.arrived(), 2);
    for round in 1..=3 {
        assert!(pool.submit(die_by, 9).result().is_err());
        gate.wait_for(2 + round);
        assert!(
            pool.map(state_is_mine, (0..50).map(|_| text.clone()))
                .all(|r| r.expect("runs"))
        );
    }
    wait_until("both are there", || pool.workers().len() == 2);
    assert_eq!(gate.arrived(), 5);
}

#[test]
fn state_is_there_for_its_own_type_only_and_nowhere_else() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .initializer(|n: u64| n, 7)
        .build()
        .expect("a pool");
    let look = || {
        (
            pexec::worker::state::<u64>().copied(),
            pexec::worker::state::<u32>().copied(),
        )
    };
    assert_eq!(pool.submit(look, ()).result().expect("runs"), (Some(7), None));
    assert_eq!(pexec::worker::state::<u64>(), None, "not in this process");
}

#[test]
fn an_initializer_that_fails_three_times_in_a_row_breaks_the_pool_with_its_text() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let panics = |gate: String| -> u8 {
        arrive(&gate);
        panic!("no such model")
    };
    let exits = |gate: String| -> u8 {
        arrive(&gate);
        eprintln!("the licence has run out");
        std::process::exit(3)
    };
    let errs = |gate: String| -> Result<u8, String> {
        arrive(&gate);
        Err("out of cheese".to_owned())
    };
    let builder = || ProcessPool::builder().workers(1);
    for (builder, text) in [
        (
            builder().initializer(panics, gate.path()),
            "the initializer panicked: no such model",
        ),
        (
            builder().initializer(exits, gate.path()),
            "the licence has run out",
        ),
        (builder().try_initializer(errs, gate.path()), "out of cheese"),
    ] {
        let before = gate.arrived();
        let pool = builder.build().expect("its failures come later");
        let futures: Vec<_> = (0..5).map(|n| pool.submit(add, (n, 1))).collect();
        for future in futures {
            let error = future.result().expect_err("no worker will ever be ready");
            assert_eq!(error.kind(), TaskErrorKind::PoolBroken);
            assert!(error.to_string().contains(text), "{error}");
        }
        let error = pool.submit(add, (1, 2)).result().expect_err("broken");
        assert!(error.to_string().contains(text), "it stays broken: {error}");
        pool.shutdown();
        assert_eq!(gate.arrived() - before, 3, "there was no fourth attempt");
    }
}

#[test]
fn a_try_initializer_that_succeeds_gives_its_state() {
    let _sweep = LeakSweep::new();
    let parse = |text: String| text.parse::<i64>();
    let pool = ProcessPool::builder()
        .workers(1)
        .try_initializer(parse, "-9".to_owned())
        .build()
        .expect("a pool");
    let state = || pexec::worker::state::<i64>().copied();
    assert_eq!(pool.submit(state, ()).result().expect("runs"), Some(-9));
}

#[test]
fn one_failed_start_is_not_the_end() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let second_time = |gate: String| {
        let first = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(format!("{gate}/first"));
        assert!(first.is_err(), "the first start fails on purpose");
    };
    let pool = ProcessPool::builder()
        .workers(1)
        .initializer(second_time, gate.path())
        .build()
        .expect("a pool");
    assert_eq!(
        pool.submit(add, (1, 2))
            .result()
            .expect("the second worker is fine"),
        3
    );
}

#[test]
fn an_initializer_may_take_its_time_and_shutting_down_does_not_wait_for_it() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pool = ProcessPool::builder()
        .workers(2)
        .initializer(pass, gate.path())
        .build()
        .expect("a pool");
    gate.wait_for(2);
    let future = pool.submit(add, (1, 2));
    assert!(!future.wait_timeout(std::time::Duration::from_millis(30)));
    gate.open();
    assert_eq!(future.result().expect("runs"), 3);
    pool.shutdown();

    let gate = Gate::new();
    let pool = ProcessPool::builder()
        .workers(2)
        .initializer(pass, gate.path())
        .build()
        .expect("a pool");
    gate.wait_for(2);
    pool.shutdown();
}

fn variable(name: String) -> Option<String> {
    std::env::var(name).ok()
}

#[test]
fn the_workers_environment_is_what_was_asked_for() {
    let _sweep = LeakSweep::new();
    let pool = ProcessPool::builder()
        .workers(1)
        .env("PEXEC_TESTS_SET", "wide \u{20ac}")
        .env("PEXEC_TESTS_GONE", "x")
        .env_remove("PEXEC_TESTS_GONE")
        .env_remove("HOME")
        .build()
        .expect("a pool");
    let ask = |name: &str| pool.submit(variable, name.to_owned()).result().expect("runs");
    assert_eq!(ask("PEXEC_TESTS_SET").as_deref(), Some("wide \u{20ac}"));
    assert_eq!((ask("PEXEC_TESTS_GONE"), ask("HOME")), (None, None));
    assert_eq!(ask("PATH"), std::env::var("PATH").ok(), "the rest is inherited");

    let pool = ProcessPool::builder()
        .workers(1)
        .env("LOST", "1")
        .env_clear()
        .env("KEPT", "1")
        .build()
        .expect("a pool");
    let names = || std::env::vars().map(|(name, _)| name).collect::<HashSet<_>>();
    let names = pool
        .submit(names, ())
        .result()
        .expect("a worker of an empty environment works");
    assert!(
        names.contains("KEPT") && !names.contains("LOST") && !names.contains("PATH"),
        "{names:?}"
    );
    assert!(
        names.iter().all(|n| n == "KEPT" || n.starts_with("PEXEC_")),
        "{names:?}"
    );
}

#[test]
fn the_workers_directory_is_what_was_asked_for() {
    let _sweep = LeakSweep::new();
    let here = || std::env::current_dir().expect("there is one");
    let directory = tempfile::tempdir().expect("a directory");
    let wanted = directory.path().canonicalize().expect("it exists");
    let pool = ProcessPool::builder()
        .workers(1)
        .current_dir(directory.path())
        .build()
        .expect("a pool");
    assert_eq!(pool.submit(here, ()).result().expect("runs"), wanted);
    let pool = ProcessPool::builder().workers(1).build().expect("a pool");
    assert_eq!(pool.submit(here, ()).result().expect("runs"), here());
}

#[test]
fn a_directory_that_is_not_there_fails_the_build_at_once() {
    let _sweep = LeakSweep::new();
    let error = ProcessPool::builder()
        .workers(2)
        .current_dir("/nowhere/at/all")
        .build()
        .expect_err("no worker starts");
    assert!(matches!(error, BuildError::Start(_)), "{error:?}");
    assert!(error.to_string().contains("cannot start a worker"), "{error}");
}

#[test]
fn an_initializers_argument_that_cannot_be_sent_fails_the_build() {
    use crate::tricky::{Trick, Tricky, take};
    let _sweep = LeakSweep::new();
    let error = ProcessPool::builder()
        .workers(1)
        .initializer(take, Tricky(Trick::EncodeHereFails))
        .build();
    let text = error.expect_err("it cannot be sent").to_string();
    assert!(
        text.contains("initializer") && text.contains("it will not be written"),
        "{text}"
    );
}

#[test]
fn a_tasks_standard_input_is_empty() {
    let _sweep = LeakSweep::new();
    let read = || std::io::Read::read(&mut std::io::stdin(), &mut [0; 16]).map_err(|e| e.to_string());
    let pool = crate::pool(1);
    assert_eq!(pool.submit(read, ()).result().expect("runs"), Ok(0));
    let child = || {
        std::process::Command::new("cat")
            .output()
            .map(|o| o.stdout)
            .map_err(|e| e.to_string())
    };
    assert_eq!(pool.submit(child, ()).result().expect("runs"), Ok(Vec::new()));
}

#[test]
fn pools_come_and_go_beside_each_other() {
    let _sweep = LeakSweep::new();
    let pools: Vec<_> = (0..6).map(|_| crate::pool(1)).collect();
    let mut workers: Vec<u32> = pools
        .iter()
        .map(|p| p.submit(pid, ()).result().expect("runs"))
        .collect();
    workers.sort_unstable();
    workers.dedup();
    assert_eq!(workers.len(), 6);
}

#[test]
fn pools_can_be_built_and_used_from_many_threads_at_once() {
    let _sweep = LeakSweep::new();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let pool = crate::pool(1);
                assert!(
                    pool.map(add, (0..100).map(|n| (n, 1)))
                        .zip(1..)
                        .all(|(r, n)| r.is_ok_and(|v| v == n))
                );
            });
        }
    });
}
