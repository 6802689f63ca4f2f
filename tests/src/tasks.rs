//! Tasks that many tests use.

use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{SigHandler, Signal, raise, signal};

use crate::until::wait_until;

/// The sum.
#[must_use]
pub fn add(a: u64, b: u64) -> u64 {
    a + b
}

/// The argument.
#[pexec::task(name = "tests/echo")]
#[must_use]
pub fn echo(text: String) -> String {
    text
}

/// The process that runs the task.
#[must_use]
pub fn pid() -> u32 {
    std::process::id()
}

/// Sleeps.
pub fn nap(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// Sleeps, and gives the argument back.
#[must_use]
pub fn nap_then(ms: u64, value: u64) -> u64 {
    nap(ms);
    value
}

/// Sleeps until somebody ends the process.
pub fn hang() {
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}

/// Ends its own process by a signal.
///
/// # Panics
///
/// For a number that is no signal.
pub fn die_by(number: i32) {
    raise(Signal::try_from(number).expect("a signal's number")).expect("raised");
}

/// Ignores SIGTERM from now on.
///
/// # Panics
///
/// If the kernel refuses.
#[allow(unsafe_code)]
pub fn ignore_sigterm() {
    // SAFETY: ignoring installs no handler, so nothing runs in a signal's context.
    unsafe { signal(Signal::SIGTERM, SigHandler::SigIgn) }.expect("SIGTERM can be ignored");
}

/// Panics with the text.
///
/// # Panics
///
/// Always.
pub fn fail(text: String) {
    panic!("{text}");
}

/// Starts a child that outlives any test, writes its process id to `path`, and waits for it.
///
/// # Panics
///
/// If there is no `sleep`, or the file cannot be written.
pub fn breed(path: String) {
    let mut child = Command::new("sleep").arg("100000").spawn().expect("sleep starts");
    // Under another name first: whoever sees the file finds the number whole.
    let unfinished = format!("{path}.new");
    std::fs::write(&unfinished, child.id().to_string()).expect("written");
    std::fs::rename(unfinished, path).expect("renamed");
    let _ = child.wait();
}

/// The child of a task that [`breed`]s; waits until there is one.
///
/// # Panics
///
/// If there never is.
#[must_use]
pub fn bred(path: &str) -> i32 {
    let read = || std::fs::read_to_string(path).ok()?.parse().ok();
    wait_until("the task has a child", || read().is_some());
    read().expect("it stays there")
}
