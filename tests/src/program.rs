//! A program that embeds pexec, started by a test, and everything that it starts in turn.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::processes::{self, Process};
use crate::until::wait_until;

/// How a program that has ended has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its status.
    pub status: ExitStatus,
    /// What it wrote to standard output and nobody had read.
    pub stdout: String,
    /// All that it, and its workers through it, wrote to standard error.
    pub stderr: String,
}

/// A running program. Whatever carries its mark is ended when this is dropped.
#[derive(Debug)]
pub struct Program {
    child: Child,
    mark: String,
    stdout: BufReader<ChildStdout>,
    /// Its TMPDIR, empty at the start.
    temporary: TempDir,
    /// Holds what it writes to standard error.
    log: TempDir,
}

impl Program {
    /// Starts `exe` with arguments and additions to the environment, standard input empty.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(exe: &str, args: &[&str], env: &[(&str, &str)]) -> Program {
        let mut command = Command::new(exe);
        command.args(args).envs(env.iter().copied());
        Program::start_command(command)
    }

    /// Starts what `command` says, in the same way.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start_command(mut command: Command) -> Program {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mark = format!(
            "MARK_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let (temporary, log) = (directory(), directory());
        let mut child = command
            .env("PEXEC_TESTS_MARK", format!("{mark}."))
            .env("TMPDIR", temporary.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log.path().join("stderr")).expect("a file for standard error"))
            .spawn()
            .expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        Program {
            child,
            mark: format!("{mark}."),
            stdout,
            temporary,
            log,
        }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Its TMPDIR.
    #[must_use]
    pub fn temporary(&self) -> &Path {
        self.temporary.path()
    }

    /// The next line that it prints, without its end; empty at the end of its output.
    ///
    /// # Panics
    ///
    /// If it prints anything but text.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("lines of text");
        line.trim_end().to_owned()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    ///
    /// If it has been waited for.
    pub fn signal(&self, signal: Signal) {
        assert!(processes::send(self.pid(), signal), "the program is there");
    }

    /// Waits for its end. Its descendants may live on.
    ///
    /// # Panics
    ///
    /// If it printed anything but text.
    pub fn wait(&mut self) -> Ended {
        let status = self.child.wait().expect("a child of ours");
        let mut stdout = String::new();
        // A descendant that keeps the pipe open would keep us here; that is a hang, and the watchdog's business.
        self.stdout.read_to_string(&mut stdout).expect("text");
        let stderr = fs::read_to_string(self.log.path().join("stderr")).expect("text");
        Ended {
            status,
            stdout,
            stderr,
        }
    }

    /// Every living process of its tree, wherever it hangs now; itself too.
    #[must_use]
    pub fn tree(&self) -> Vec<Process> {
        processes::marked(&self.mark)
    }

    /// Waits until nothing of its tree is left, and sees that it left no file in its TMPDIR either.
    ///
    /// # Panics
    ///
    /// If something stays.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        let mut last = Vec::new();
        wait_until("nothing of the program's tree is left", || {
            let tree = self.tree();
            if tree != last {
                last = tree;
            }
            last.is_empty()
        });
        let files: Vec<_> = fs::read_dir(self.temporary.path())
            .expect("its TMPDIR")
            .flatten()
            .collect();
        assert!(files.is_empty(), "the program left files: {files:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // The child was not waited for, or its id is unknown to the kernel by now: nobody else is hit.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for process in self.tree() {
            processes::send(process.pid, Signal::SIGKILL);
        }
    }
}

fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}
