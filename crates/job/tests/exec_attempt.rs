//! Attempts of real commands, run on this thread: what is captured, how it ends, what is left behind.

mod processes;

#[path = "exec_attempt/capture.rs"]
mod capture;
#[path = "exec_attempt/limits.rs"]
mod limits;
#[path = "exec_attempt/redirect.rs"]
mod redirect;
#[path = "exec_attempt/start.rs"]
mod start;
#[path = "exec_attempt/stop.rs"]
mod stop;

use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pexec_job::command::Command;
use pexec_job::exec::{self, Captured, Notes, Report};
use pexec_job::text::Text;
use tempfile::TempDir;

/// Far longer than anything here takes; only a hang reaches it.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A command and a directory for its files.
struct Attempt {
    dir: TempDir,
    command: Command,
    notes: Notes,
}

impl Attempt {
    fn of(argv: &[&str]) -> Attempt {
        let dir = tempfile::tempdir().expect("a directory");
        let path = Text::from(dir.path().as_os_str().as_bytes().to_vec());
        let command = Command::new(argv.iter().copied(), path.clone());
        let notes = Notes {
            stream: false,
            spill_dir: path,
            inline_limit: 1 << 20,
            token: "t".to_owned(),
            making: None,
            cgroup: None,
        };
        Attempt { dir, command, notes }
    }

    fn shell(script: &str) -> Attempt {
        Attempt::of(&["sh", "-c", script])
    }

    fn with(mut self, change: impl FnOnce(&mut Command)) -> Attempt {
        change(&mut self.command);
        self
    }

    /// A path in the attempt's directory.
    fn path(&self, name: &str) -> Text {
        Text::from(self.dir.path().join(name).as_os_str().as_bytes().to_vec())
    }

    /// Runs it; whatever it does, nothing of its group is left and nothing in its directory that is not in
    /// `leaves`.
    fn run(&self, leaves: &[&str]) -> Report {
        let (command, notes) = (self.command.clone(), self.notes.clone());
        let (sent, report) = mpsc::channel();
        thread::spawn(move || sent.send(exec::execute(command, notes)));
        let report = report.recv_timeout(WATCHDOG).expect("the attempt ends");
        if let Some(pid) = report.pid {
            processes::wait_until_gone(pid);
        }
        let mut found: Vec<_> = std::fs::read_dir(self.dir.path())
            .expect("the directory is there")
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        found.sort();
        assert_eq!(found, leaves, "{report:?}");
        report
    }
}

/// All of it, wherever it lies.
fn bytes(captured: &Captured) -> Vec<u8> {
    match captured {
        Captured::Inline(bytes) => bytes.clone(),
        Captured::Spilled { path, len } => {
            let bytes = std::fs::read(path.as_os_str()).expect("a spilled file is there");
            assert_eq!(bytes.len() as u64, *len);
            bytes
        }
    }
}
