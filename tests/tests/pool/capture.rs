//! What tasks print, told with their outcomes: all of it, of this task only, also when it crashes.

use std::io::Write;
use std::process::Command;
use std::time::Duration;

use pexec::{Executor, Inline, Outcome, Retry, TaskErrorKind, TaskFuture, Transport};
use pexec_tests::gate::pass;
use pexec_tests::tasks::{add, die_by, fail, pid};
use pexec_tests::{Gate, LeakSweep};

fn capturing(workers: usize) -> pexec::ProcessPoolBuilder {
    crate::builder().workers(workers).capture_output(true)
}

fn outcome<R>(future: &TaskFuture<R>) -> Outcome {
    future.wait();
    future.outcome().expect("it has ended")
}

fn streams<R>(future: &TaskFuture<R>) -> (String, String) {
    let outcome = outcome(future);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    (text(outcome.stdout()), text(outcome.stderr()))
}

/// Prints to both streams; the last line of each is not finished.
fn say(n: u64) -> u64 {
    print!("out {n}\nmore {n}");
    eprint!("err {n}");
    n
}

fn said(n: u64) -> (String, String) {
    (format!("out {n}\nmore {n}"), format!("err {n}"))
}

#[test]
fn each_of_many_tasks_has_exactly_what_it_printed() {
    let _sweep = LeakSweep::new();
    for transport in [Transport::Memory, Transport::Socket] {
        let pool = capturing(3).transport(transport).build().expect("a pool");
        let futures: Vec<_> = (0..2000).map(|n| pool.submit(say, n)).collect();
        for (n, future) in (0..).zip(futures) {
            assert_eq!(streams(&future), said(n));
            assert_eq!(future.result().expect("runs"), n);
        }
    }
}

#[test]
fn a_task_that_prints_nothing_has_nothing() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1).build().expect("a pool");
    pool.submit(say, 1).wait();
    let quiet = pool.submit(add, (1, 2));
    assert_eq!(streams(&quiet), (String::new(), String::new()));
}

/// A shell, and what is no Rust at all.
fn shell(script: String) -> bool {
    Command::new("sh")
        .args(["-c", &script])
        .status()
        .expect("sh starts")
        .success()
}

#[test]
fn what_children_and_raw_descriptors_write_is_captured() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1).build().expect("a pool");
    let future = pool.submit(shell, "echo one; echo two >&2; printf three".into());
    assert_eq!(streams(&future), ("one\nthree".into(), "two\n".into()));
    let future = pool.submit(write_raw, ());
    assert_eq!(streams(&future), ("raw".into(), "rawer".into()));
}

fn write_raw() {
    let write = |path: &str, text: &[u8]| {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .open(path)
            .expect("opened");
        file.write_all(text).expect("written");
    };
    write("/proc/self/fd/1", b"raw");
    write("/proc/self/fd/2", b"rawer");
}

/// Writes through the C library's buffered stream, as `printf` does.
#[allow(unsafe_code)]
fn say_in_c(then_die: bool) {
    unsafe extern "C" {
        fn puts(text: *const std::ffi::c_char) -> i32;
    }
    // SAFETY: the text ends with a zero and lives for ever.
    unsafe { puts(c"from C".as_ptr()) };
    if then_die {
        die_by(9);
    }
}

#[test]
fn what_c_code_prints_is_captured_also_when_it_crashes() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1).build().expect("a pool");
    for then_die in [false, true] {
        let future = pool.submit(say_in_c, then_die);
        assert_eq!(streams(&future).0, "from C\n");
        assert_eq!(future.result().is_err(), then_die);
    }
}

fn say_and_die(n: u64) {
    println!("last {n}");
    eprintln!("words {n}");
    die_by(11);
}

#[test]
fn what_was_printed_before_a_crash_is_there_and_in_the_autopsy() {
    let _sweep = LeakSweep::new();
    let pool = capturing(2).build().expect("a pool");
    let futures: Vec<_> = (0..20)
        .map(|n| {
            let good = pool.submit(say, n);
            (good, pool.submit(say_and_die, n))
        })
        .collect();
    for (n, (good, bad)) in (0..).zip(futures) {
        assert_eq!(streams(&good), said(n), "the neighbour of a crash");
        assert_eq!(streams(&bad), (format!("last {n}\n"), format!("words {n}\n")));
        let error = bad.result().expect_err("it crashed");
        let tail = &error.autopsy().expect("an autopsy").output_tail;
        assert!(tail.ends_with(&format!("words {n}\n")), "{tail:?}");
        assert!(!tail.contains('\0'), "{tail:?}");
    }
}

#[test]
fn tasks_that_panic_time_out_or_are_killed_have_what_they_printed() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1)
        .kill_grace(Duration::from_millis(100))
        .build()
        .expect("a pool");
    let panics = pool.submit(say_and_fail, 1);
    assert_eq!(streams(&panics).0, "before 1\n");
    let late = pool
        .task(say_and_hang, String::new())
        .timeout(Duration::from_millis(200))
        .submit();
    assert_eq!(streams(&late).0, "hanging\n");
    assert_eq!(late.result().expect_err("late").kind(), TaskErrorKind::TimedOut);
    let gate = Gate::new();
    let killed = pool.submit(say_and_hang, gate.path());
    gate.wait_for(1);
    assert!(killed.kill());
    assert_eq!(streams(&killed).0, "hanging\n");
}

fn say_and_fail(n: u64) {
    println!("before {n}");
    fail("on purpose".into());
}

fn say_and_hang(gate: String) {
    println!("hanging");
    if !gate.is_empty() {
        pexec_tests::gate::arrive(&gate);
    }
    pexec_tests::tasks::hang();
}

/// Its destructor prints.
#[derive(serde::Serialize, serde::Deserialize)]
struct Loud(u64);

impl Drop for Loud {
    fn drop(&mut self) {
        println!("dropped");
        eprintln!("dropped");
    }
}

fn loud(n: u64) -> Loud {
    println!("made");
    Loud(n)
}

#[test]
fn what_is_printed_between_tasks_is_nobodys() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1)
        .initializer(|| println!("initializer"), ())
        .build()
        .expect("a pool");
    let futures: Vec<_> = (0..50).map(|n| pool.submit(loud, n)).collect();
    for future in &futures {
        assert_eq!(streams(future), ("made\n".into(), String::new()));
    }
    assert_eq!(
        futures
            .into_iter()
            .map(|f| f.result().expect("runs").0)
            .sum::<u64>(),
        49 * 50 / 2
    );
}

fn flood(kib: usize) {
    let line = [b'x'; 1023];
    let mut out = std::io::stdout().lock();
    out.write_all(b"first\n").expect("written");
    for _ in 0..kib {
        out.write_all(&line).expect("written");
        out.write_all(b"\n").expect("written");
    }
    out.write_all(b"last\n").expect("written");
    eprintln!("flooded");
}

#[test]
fn of_a_flood_the_beginning_and_the_end_are_kept_and_told() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1).capture_limit(10_000).build().expect("a pool");
    let (out, err) = streams(&pool.submit(flood, 20_000));
    assert!(out.len() < 11_000, "{}", out.len());
    assert!(out.starts_with("first\nxxx") && out.ends_with("xxx\nlast\n"));
    let left_out = 20_000 * 1024 + 11 - 10_000;
    assert!(out.contains(&format!("\n[pexec: {left_out} bytes left out]\n")));
    assert_eq!(err, "flooded\n");
    let (out, _) = streams(&capturing(1).build().expect("a pool").submit(flood, 900));
    assert_eq!(out.len(), 900 * 1024 + 11, "all of it, within the default");
}

fn close_and_say() {
    println!("before");
    let null = std::fs::File::open("/dev/null").expect("opened");
    nix::unistd::dup2_stdout(&null).expect("redirected");
}

#[test]
fn a_task_that_redirects_its_output_keeps_what_it_wrote_and_disturbs_no_other() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1).build().expect("a pool");
    assert_eq!(streams(&pool.submit(close_and_say, ())).0, "before\n");
    let next = pool.submit(eprint_only, 5);
    assert_eq!(streams(&next), (String::new(), "5".into()));
}

fn eprint_only(n: u64) {
    eprint!("{n}");
}

fn say_attempt(n: u64) {
    let attempt = pexec::task::current().expect("a task").attempt;
    println!("attempt {attempt} of {n}");
    assert!(attempt > 2, "not yet");
}

#[test]
fn of_several_attempts_the_last_ones_output_counts() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1).build().expect("a pool");
    let retry = Retry::times(2).on([pexec::Cause::Panicked]);
    let future = pool.task(say_attempt, 7).retry(retry).submit();
    assert_eq!(streams(&future).0, "attempt 3 of 7\n");
}

#[test]
fn a_callback_sees_the_output_and_a_map_works() {
    let _sweep = LeakSweep::new();
    let pool = capturing(2).build().expect("a pool");
    let (send, receive) = std::sync::mpsc::channel();
    pool.submit(say, 3).on_done(move |outcome| {
        let _ = send.send(outcome.stdout().to_vec());
    });
    assert_eq!(receive.recv().expect("it is called"), said(3).0.as_bytes());
    let all: Vec<u64> = pool.map(say, 0..200).collect::<Result<_, _>>().expect("all run");
    assert_eq!(all, (0..200).collect::<Vec<_>>());
}

#[test]
fn a_task_that_has_not_ended_has_no_outcome_and_other_executors_capture_nothing() {
    let _sweep = LeakSweep::new();
    let pool = capturing(1).build().expect("a pool");
    let gate = Gate::new();
    let waiting = pool.submit(pass, gate.path());
    assert!(waiting.outcome().is_none());
    gate.open();
    assert!(outcome(&waiting).is_ok());
    let inline = Inline::new().submit(pid, ());
    assert_eq!(streams(&inline), (String::new(), String::new()));
    drop(pool);
    let plain = crate::builder().workers(1).build().expect("a pool");
    let future = plain.submit(|| eprintln!("this goes on to standard error"), ());
    assert_eq!(streams(&future), (String::new(), String::new()));
}
