//! How a task can take its process along, and what is said of it; everybody else goes on undisturbed.

use std::time::Duration;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use pexec::{Executor, Exit, Phase, TaskError, TaskErrorKind, WorkerState};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, bred, breed, die_by, fail, pid};
use pexec_tests::{Gate, LeakSweep, processes, wait_until};
use serde::{Deserialize, Serialize};

use crate::tricky::{Trick, Tricky, give_back, take};
use crate::{pids, pool};

#[allow(unsafe_code)]
fn write_to_nowhere() {
    // SAFETY: it is not sound, and that is the point: the process must end by it, and it is a process of its own.
    unsafe { std::ptr::without_provenance_mut::<u8>(8).write_volatile(1) };
}

#[expect(unconditional_recursion, reason = "that is the point")]
fn recurse(n: u64) -> u64 {
    std::hint::black_box([n; 64])[1] + recurse(std::hint::black_box(n + 1))
}

/// Address space for what there is, and a little more.
fn bound_memory() {
    setrlimit(Resource::RLIMIT_AS, 512 << 20, 512 << 20).expect("a lower limit is always allowed");
}

fn run_out_of_memory() -> usize {
    bound_memory();
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1u8; 16 << 20]);
        std::hint::black_box(&mut hoard);
    }
}

fn ask_for_too_much_memory() -> bool {
    bound_memory();
    Vec::<u8>::new().try_reserve_exact(1 << 40).is_err()
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("again");
    }
}

fn panic_while_panicking() {
    let _bomb = PanicsInDrop;
    panic!("first");
}

fn abort() {
    std::process::abort();
}

fn exit_with(code: i32) {
    std::process::exit(code);
}

/// Submits something that ends its worker and gives the autopsy.
macro_rules! crash {
    ($pool:expr, $task:expr, $arg:expr) => {
        match $pool.submit($task, $arg).result() {
            Err(TaskError::Crashed(autopsy)) => autopsy,
            other => panic!("{other:?}"),
        }
    };
}

#[test]
fn each_kind_of_crash_has_its_exact_outcome_and_disturbs_no_other_task() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let gate = Gate::new();
    let neighbour = pool.submit(pass, gate.path());
    gate.wait_for(1);

    let autopsies = [
        (crash!(pool, die_by, 9), Exit::Signal(9), "SIGKILL"),
        (
            crash!(pool, write_to_nowhere, ()),
            Exit::Signal(11),
            "invalid memory access",
        ),
        (crash!(pool, abort, ()), Exit::Signal(6), "aborted"),
        (
            crash!(pool, exit_with, 0),
            Exit::Code(0),
            "exit(0), which is never success",
        ),
        (crash!(pool, exit_with, 42), Exit::Code(42), "exit(42)"),
        (crash!(pool, exit_with, 255), Exit::Code(255), "exit(255)"),
        // A test binary's workers start before std installs its handler for this; a program's are told apart below
        // `tests/programs`.
        (crash!(pool, recurse, 1), Exit::Signal(11), "stack overflow"),
        (
            crash!(pool, run_out_of_memory, ()),
            Exit::Signal(6),
            "out of memory",
        ),
        (crash!(pool, die_by, 4), Exit::Signal(4), "illegal instruction"),
        (crash!(pool, die_by, 8), Exit::Signal(8), "arithmetic fault"),
        (crash!(pool, die_by, 15), Exit::Signal(15), "SIGTERM"),
        (
            crash!(pool, panic_while_panicking, ()),
            Exit::Signal(6),
            "aborted",
        ),
    ];
    for (autopsy, exit, verdict) in autopsies {
        assert_eq!((autopsy.exit, autopsy.phase), (exit, Phase::Running), "{autopsy}");
        assert!(autopsy.verdict.contains(verdict), "{autopsy}");
    }
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed, stats.running), (0, 12, 1));

    assert!(neighbour.is_running(), "the task beside them runs on");
    gate.open();
    assert!(neighbour.result().is_ok());
}

#[test]
fn a_panic_is_caught_and_its_worker_lives_on() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let before = pool.submit(pid, ()).result().expect("runs");
    for round in 0..20 {
        match pool.submit(fail, format!("panic number {round}")).result() {
            Err(TaskError::Panicked(panic)) => {
                assert_eq!(panic.message, format!("panic number {round}"));
                assert!(panic.location.contains("tasks.rs:"), "{panic}");
            }
            other => panic!("{other:?}"),
        }
    }
    let other = pool.submit(|| -> () { std::panic::panic_any(7u32) }, ()).result();
    let Err(TaskError::Panicked(panic)) = other else {
        panic!("{other:?}")
    };
    assert_eq!(panic.message, "Box<dyn Any>");
    assert_eq!(
        pool.submit(pid, ()).result().expect("runs"),
        before,
        "the same worker all the time"
    );
    assert_eq!(pool.stats().restarts, 0);
}

#[test]
fn a_panic_in_a_thread_of_the_task_is_not_the_tasks() {
    let _sweep = LeakSweep::new();
    let joined = pool(1)
        .submit(
            || std::thread::spawn(|| panic!("in a thread")).join().is_err(),
            (),
        )
        .result();
    assert!(joined.expect("the task itself is fine"));
}

#[test]
fn a_task_that_writes_to_a_closed_pipe_gets_an_error_and_lives() {
    let _sweep = LeakSweep::new();
    let write = || {
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        std::io::Write::write(&mut writer, b"x")
            .expect_err("nobody reads")
            .kind()
            == std::io::ErrorKind::BrokenPipe
    };
    assert!(pool(1).submit(write, ()).result().expect("it is no signal"));
}

#[test]
fn asking_for_too_much_memory_politely_is_an_ordinary_error() {
    let _sweep = LeakSweep::new();
    assert!(
        pool(1)
            .submit(ask_for_too_much_memory, ())
            .result()
            .expect("it is told so, and lives")
    );
}

/// Ends the worker when its value is dropped there; the caller's copy is harmless.
#[derive(Debug, Serialize, Deserialize)]
struct Heirloom {
    home: u32,
}

impl Drop for Heirloom {
    fn drop(&mut self) {
        if std::process::id() != self.home {
            std::process::abort();
        }
    }
}

#[test]
fn a_crash_in_a_results_destructor_is_the_workers_alone() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let home = std::process::id();
    let heirloom = pool.submit(|home: u32| Heirloom { home }, home).result();
    assert_eq!(
        heirloom.expect("it was sent before its destructor ran").home,
        home
    );
    assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
}

#[test]
fn an_idle_worker_that_dies_fails_no_task_and_is_replaced() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    for round in 0..5 {
        // A worker that dies before it is idle is a failed start, which is another matter.
        let idle = || {
            pool.workers()
                .iter()
                .filter(|w| w.state == WorkerState::Idle)
                .count()
        };
        wait_until("both are idle", || idle() == 2);
        assert_eq!(pool.stats().restarts, round);
        assert!(processes::send(pids(&pool)[0] as i32, Signal::SIGKILL));
        assert_eq!(
            pool.submit(add, (round, 1)).result().expect("nothing fails"),
            round + 1
        );
        wait_until("it is replaced", || pool.stats().restarts == round + 1);
    }
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed), (5, 0));
}

#[test]
fn a_busy_worker_that_is_killed_costs_its_running_task_and_no_other() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let running = pool.submit(pass, gate.path());
    let behind: Vec<_> = (0..200).map(|n| pool.submit(add, (n, 1))).collect();
    gate.wait_for(1);
    let victim = pids(&pool)[0];
    assert!(processes::send(victim as i32, Signal::SIGKILL));
    let Err(TaskError::Crashed(autopsy)) = running.result() else {
        panic!("it cannot have survived")
    };
    assert_eq!((autopsy.pid, autopsy.exit), (victim, Exit::Signal(9)));
    for (n, future) in (0..).zip(behind) {
        assert_eq!(
            future.result().expect("it had not started: it runs elsewhere"),
            n + 1
        );
    }
}

#[test]
fn death_while_an_argument_is_decoded_or_a_result_encoded_is_named_by_its_phase() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    for (trick, phase, exit) in [
        (Trick::DecodeThereAborts, Phase::Decoding, Exit::Signal(6)),
        (Trick::DecodeThereExits, Phase::Decoding, Exit::Code(9)),
        (Trick::EncodeThereAborts, Phase::Encoding, Exit::Signal(6)),
        (Trick::EncodeThereExits, Phase::Encoding, Exit::Code(9)),
    ] {
        let autopsy = crash!(pool, give_back, Tricky(trick));
        assert_eq!((autopsy.phase, autopsy.exit), (phase, exit), "{trick:?}");
        assert!(pool.submit(take, Tricky(Trick::None)).result().is_ok());
    }
}

#[test]
fn a_worker_killed_in_the_middle_of_a_large_argument_releases_the_pool() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    for round in 0..12 {
        let large = pool.submit(|text: String| text.len(), "x".repeat(24 << 20));
        std::thread::sleep(Duration::from_millis(round));
        let busy = pool.workers().into_iter().find(|w| w.state == WorkerState::Busy);
        if let Some(worker) = &busy {
            processes::send(worker.pid as i32, Signal::SIGKILL);
        }
        match large.result() {
            // It was not begun and went elsewhere, or it was done already.
            Ok(len) => assert_eq!(len, 24 << 20),
            Err(TaskError::Crashed(autopsy)) => {
                assert_eq!(Some(autopsy.pid), busy.map(|w| w.pid), "{autopsy}");
                assert_eq!(autopsy.exit, Exit::Signal(9));
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(pool.submit(add, (1, 2)).result().expect("the pool works"), 3);
    }
}

#[test]
fn a_stopped_worker_that_goes_on_later_answers_and_is_not_killed() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let worker = pool.submit(pid, ()).result().expect("runs") as i32;
    assert!(processes::send(worker, Signal::SIGSTOP));
    wait_until("it is stopped", || {
        processes::find(worker).is_some_and(|p| p.state == 'T')
    });
    let future = pool.submit(pid, ());
    assert!(!future.wait_timeout(Duration::from_millis(200)), "it is stopped");
    assert!(processes::send(worker, Signal::SIGCONT));
    assert_eq!(future.result().expect("it went on") as i32, worker);
}

#[test]
fn results_that_were_sent_before_a_death_count() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    for _ in 0..20 {
        // The second one dies as soon as it starts, right behind the first one's answer.
        let first = pool.submit(|| "done".to_owned(), ());
        let second = pool.submit(die_by, 9);
        assert_eq!(first.result().expect("it had answered"), "done");
        assert_eq!(second.result().expect_err("dead").kind(), TaskErrorKind::Crashed);
    }
}

#[test]
fn a_task_that_leaves_children_behind_takes_them_along_when_it_crashes() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let breed_and_abort = |path: String| -> () {
        let child = path.clone();
        std::thread::spawn(move || breed(child));
        let _ = bred(&path);
        std::process::abort();
    };
    let path = format!("{}/child", gate.path());
    assert_eq!(crash!(pool, breed_and_abort, path.clone()).exit, Exit::Signal(6));
    let child = bred(&path);
    wait_until("its child is gone", || !processes::is_alive(child));
}

#[test]
fn a_guarded_process_group_of_a_task_ends_with_its_worker() {
    use std::os::unix::process::CommandExt;
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let guard_and_wait = |path: String| -> () {
        let mut child = std::process::Command::new("sleep")
            .arg("100000")
            .process_group(0)
            .spawn()
            .expect("sleep starts");
        let guard = pexec::worker::guard_group(child.id() as i32);
        std::fs::write(format!("{path}.new"), child.id().to_string()).expect("written");
        std::fs::rename(format!("{path}.new"), path).expect("renamed");
        let _ = child.wait();
        drop(guard);
    };
    let path = format!("{}/child", gate.path());
    let future = pool.submit(guard_and_wait, path.clone());
    let child = bred(&path);
    assert_ne!(
        processes::find(child).map(|p| p.group),
        Some(pids(&pool)[0] as i32),
        "a group of its own"
    );
    assert!(processes::send(pids(&pool)[0] as i32, Signal::SIGKILL));
    assert!(future.result().is_err());
    wait_until("the group is gone", || !processes::is_alive(child));
}
