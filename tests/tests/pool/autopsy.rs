//! What is known of a worker that ended, and what its error says.

use std::time::{Duration, Instant};

use pexec::{Autopsy, Executor, Exit, Phase, ProcessPool, TaskError};
use pexec_tests::LeakSweep;
use pexec_tests::tasks::die_by;

use crate::{pids, pool};

fn work_and_die(mib: usize) {
    let start = Instant::now();
    let memory = vec![1u8; mib << 20];
    while start.elapsed() < Duration::from_millis(120) {
        std::hint::black_box(&memory);
    }
    eprintln!("last words");
    std::process::exit(3);
}

fn crashed(result: Result<(), TaskError>) -> Autopsy {
    match result {
        Err(TaskError::Crashed(autopsy)) => autopsy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_autopsy_says_who_ended_how_where_and_at_what_cost() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let worker = pids(&pool)[0];
    let error = pool
        .task(work_and_die, 64)
        .label("the heavy one")
        .submit()
        .result();
    let text = error.as_ref().expect_err("it ends its worker").to_string();
    let autopsy = crashed(error);
    assert_eq!((autopsy.pid, autopsy.slot, autopsy.attempt), (worker, 0, 1));
    assert_eq!((autopsy.exit, autopsy.phase), (Exit::Code(3), Phase::Running));
    assert!(autopsy.ran_for >= Duration::from_millis(100), "{autopsy}");
    assert!(
        autopsy.cpu_time.is_some_and(|t| t > Duration::from_millis(10)),
        "{autopsy:?}"
    );
    assert!(
        autopsy.peak_rss.is_some_and(|b| b > 64 << 20 && b < 4 << 30),
        "{autopsy:?}"
    );
    assert_eq!(autopsy.output_tail, "last words\n");
    assert_eq!(autopsy.last_progress, None);
    assert_eq!(autopsy.verdict, "the task ended its process with exit(3)");
    for part in [
        "the heavy one",
        &worker.to_string(),
        "exit code 3",
        "running the task",
        "last words",
    ] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[test]
fn a_signal_is_told_by_its_name() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    for (signal, name) in [(9, "SIGKILL"), (4, "SIGILL"), (10, "SIGUSR1"), (40, "SIGRTMIN+6")] {
        let kill = |n: i32| {
            let me = std::process::id().to_string();
            let _ = std::process::Command::new("sh")
                .args(["-c", &format!("kill -{n} {me}")])
                .status();
            std::thread::sleep(Duration::from_secs(3600));
        };
        let error = pool.submit(kill, signal).result().expect_err("it is killed");
        assert_eq!(error.autopsy().map(|a| a.exit), Some(Exit::Signal(signal)));
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn the_tail_of_standard_error_is_its_last_4_kib_and_whole_characters() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let flood = || {
        // 3-byte characters: 4096 is no multiple of 3, so the cut goes through one.
        eprint!("{}", "\u{20ac}".repeat(30_000));
        eprint!("the end");
        std::process::abort();
    };
    let autopsy = crashed(pool.submit(flood, ()).result());
    assert!(autopsy.output_tail.ends_with("\u{20ac}the end"));
    assert!(
        !autopsy.output_tail.contains('\u{fffd}'),
        "a character was cut in two"
    );
    assert!(
        (4090..=4096).contains(&autopsy.output_tail.len()),
        "{}",
        autopsy.output_tail.len()
    );
}

#[test]
fn what_is_not_text_in_a_tail_is_replaced() {
    let _sweep = LeakSweep::new();
    let autopsy = crashed(
        pool(1)
            .submit(
                || {
                    use std::io::Write;
                    std::io::stderr()
                        .write_all(b"\xff\xfe bytes \0")
                        .expect("written");
                    std::process::exit(1);
                },
                (),
            )
            .result(),
    );
    assert_eq!(autopsy.output_tail, "\u{fffd}\u{fffd} bytes \0");
}

#[test]
fn each_slots_autopsy_is_about_that_slots_worker() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    for _ in 0..5 {
        let crashes: Vec<_> = (0..6).map(|_| pool.submit(die_by, 9)).collect();
        let mut seen = Vec::new();
        for crash in crashes {
            let autopsy = crashed(crash.result());
            assert!(autopsy.slot < 3);
            seen.push(autopsy.pid);
        }
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 6, "each crash has a worker of its own");
    }
}

#[test]
fn a_panic_says_where_and_in_which_thread_and_carries_a_backtrace_when_asked() {
    let _sweep = LeakSweep::new();
    for (asked, wanted) in [("0", false), ("1", true)] {
        let pool = ProcessPool::builder()
            .workers(1)
            .name("named")
            .env("RUST_BACKTRACE", asked)
            .build()
            .expect("a pool");
        let Err(TaskError::Panicked(panic)) = pool.submit(|| -> () { panic!("with a place") }, ()).result()
        else {
            panic!("it panicked")
        };
        assert_eq!(panic.message, "with a place");
        let place: Vec<&str> = panic.location.rsplitn(3, ':').collect();
        assert!(place[2].ends_with("autopsy.rs"), "{panic}");
        assert!(
            place[..2].iter().all(|n| n.parse::<u32>().is_ok_and(|n| n > 0)),
            "{panic}"
        );
        assert!(!panic.thread.is_empty());
        assert_eq!(panic.backtrace.is_some(), wanted);
        if let Some(backtrace) = panic.backtrace {
            assert!(backtrace.contains("autopsy"), "{backtrace}");
        }
    }
}
