//! A terminal for the command: a real one as far as the command can tell, and an emulator behind it that says what a
//! person would see.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};

use crate::support::{Done, Started, Test};

const WATCHDOG: Duration = Duration::from_secs(60);

/// A terminal with the command on it.
pub(crate) struct Terminal {
    pub(crate) started: Started,
    master: File,
    seen: Arc<Mutex<Seen>>,
    reader: thread::JoinHandle<()>,
}

/// What has come out so far.
struct Seen {
    raw: Vec<u8>,
    emulator: vt100::Parser,
}

/// What was seen in the end.
pub(crate) struct Shown {
    /// The last screen.
    pub(crate) screen: String,
    /// Every byte.
    pub(crate) raw: String,
    pub(crate) done: Done,
}

/// The command with standard error on a terminal of this size; standard output is a pipe, input is empty.
pub(crate) fn stderr_on(test: Test, rows: u16, columns: u16) -> Terminal {
    let command = test.command();
    start(test, command, (rows, columns), false)
}

/// A shell script, with all of its streams on the terminal, which is its controlling one.
pub(crate) fn shell_on(test: Test, script: &str, rows: u16, columns: u16) -> Terminal {
    let mut command = test.other("setsid");
    command.args(["-w", "-c", "sh", "-c", script]);
    start(test, command, (rows, columns), true)
}

fn start(test: Test, mut command: Command, (rows, columns): (u16, u16), all: bool) -> Terminal {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).expect("a terminal");
    let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
    if all {
        command.stdin(end()).stdout(end());
    } else {
        command.stdin(Stdio::null());
    }
    command.stderr(end()).env("TERM", "xterm");
    drop(pty.slave);
    let started = test.started(command);
    let seen = Arc::new(Mutex::new(Seen {
        raw: Vec::new(),
        emulator: vt100::Parser::new(at_least_one(rows), at_least_one(columns), 1000),
    }));
    let master = File::from(pty.master);
    let reader = thread::spawn({
        let seen = Arc::clone(&seen);
        let mut master = master.try_clone().expect("a descriptor");
        move || {
            let mut chunk = [0; 4096];
            // The kernel says EIO when the last one has closed the terminal.
            while let Ok(n @ 1..) = master.read(&mut chunk) {
                let mut seen = seen.lock().expect("nobody panics");
                seen.raw.extend_from_slice(&chunk[..n]);
                seen.emulator.process(&chunk[..n]);
            }
        }
    });
    Terminal {
        started,
        master,
        seen,
        reader,
    }
}

fn at_least_one(n: u16) -> NonZeroU16 {
    NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN)
}

impl Terminal {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().expect("nobody panics")
    }

    /// The screen as it is now.
    pub(crate) fn screen(&self) -> String {
        self.seen().emulator.screen().contents()
    }

    /// Every byte so far.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.seen().raw).into_owned()
    }

    /// Waits for a screen like this.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, like: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + WATCHDOG;
        loop {
            let screen = self.screen();
            if like(&screen) {
                return screen;
            }
            assert!(
                Instant::now() < until,
                "{what} never came:\n{screen}\n{:?}",
                self.raw()
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Somebody makes the window this large.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let mut seen = self.seen();
        let size = rustix::termios::Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        rustix::termios::tcsetwinsize(&self.master, size).expect("a terminal");
        seen.emulator
            .screen_mut()
            .set_size(at_least_one(rows), at_least_one(columns));
    }

    /// Somebody types this.
    pub(crate) fn types(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).expect("a terminal");
    }

    /// Waits for the end.
    pub(crate) fn done(self) -> Shown {
        let done = self.started.done();
        self.reader.join().expect("read");
        let seen = self.seen.lock().expect("nobody panics");
        Shown {
            screen: seen.emulator.screen().contents(),
            raw: String::from_utf8_lossy(&seen.raw).into_owned(),
            done,
        }
    }
}
