//! Ends a test process that hangs, after saying what it was doing.

use std::fs;
use std::io::Write;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::processes;

/// Watches from its making to its drop.
pub(crate) struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    pub(crate) fn start(limit: Duration) -> Watchdog {
        let (stop, stopped) = channel();
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        let thread = std::thread::spawn(move || {
            if stopped.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                let text = format!("{test} hangs: not done after {limit:?}\n{}", report());
                // Not by eprintln: the harness would keep it for the end of the test, which never comes.
                let _ = std::io::stderr().write_all(text.as_bytes());
                std::process::abort();
            }
        });
        Watchdog {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends as soon as the channel does, and it does not panic.
            let _ = thread.join();
        }
    }
}

/// This process's threads and its children, with what the kernel says that they wait for.
fn report() -> String {
    let me = std::process::id() as i32;
    let mut text = String::new();
    for process in std::iter::once(me).chain(processes::children_of(me).into_iter().map(|p| p.pid)) {
        let title = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        text.push_str(&format!(
            "process {process}: {}\n",
            String::from_utf8_lossy(&title).replace('\0', " ")
        ));
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
            continue;
        };
        for thread in threads.flatten() {
            let read = |file: &str| fs::read_to_string(thread.path().join(file)).unwrap_or_default();
            let stat = read("stat");
            let state = stat.rsplit_once(") ").map_or("?", |(_, rest)| &rest[..1]);
            let name = read("comm");
            text.push_str(&format!(
                "  {:<16} {state} in {}\n",
                name.trim(),
                read("wchan").trim()
            ));
        }
    }
    text
}
