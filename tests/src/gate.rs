//! A gate in the file system: tasks in other processes say that they have started, and wait there until a test
//! lets them go on. It takes the place of sleeping and hoping.

use std::fs;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::until::wait_until;

/// Lets tasks wait; closed at first.
#[derive(Debug)]
pub struct Gate {
    dir: TempDir,
}

impl Gate {
    /// A closed gate.
    ///
    /// # Panics
    ///
    /// If there is no room for a directory.
    #[must_use]
    pub fn new() -> Gate {
        Gate {
            dir: tempfile::tempdir().expect("a directory for the gate"),
        }
    }

    /// What a task is given so that it can [`pass`].
    #[must_use]
    pub fn path(&self) -> String {
        self.dir.path().to_str().expect("a path that is text").to_owned()
    }

    /// How many tasks have come to the gate.
    ///
    /// # Panics
    ///
    /// If the directory cannot be read.
    #[must_use]
    pub fn arrived(&self) -> usize {
        let names = fs::read_dir(self.dir.path()).expect("the gate's directory");
        names
            .filter(|e| e.as_ref().is_ok_and(|e| e.file_name() != "open"))
            .count()
    }

    /// Waits until `n` tasks have come to the gate.
    #[track_caller]
    pub fn wait_for(&self, n: usize) {
        wait_until(&format!("{n} tasks are at the gate"), || self.arrived() >= n);
    }

    /// Opens it, for good.
    ///
    /// # Panics
    ///
    /// If the file cannot be made.
    pub fn open(&self) {
        fs::write(self.dir.path().join("open"), b"").expect("the gate opens");
    }
}

impl Default for Gate {
    fn default() -> Gate {
        Gate::new()
    }
}

/// A task: says that it is there, waits until the gate is open, gives its process id.
///
/// # Panics
///
/// If the gate is gone: its test has ended.
#[must_use]
pub fn pass(gate: String) -> u32 {
    arrive(&gate);
    let open = Path::new(&gate).join("open");
    while !open.exists() {
        assert!(Path::new(&gate).exists(), "the gate is gone");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::process::id()
}

/// Says that the running task has come to the gate, and goes on. Each attempt of each task counts once.
///
/// # Panics
///
/// If the gate is gone.
pub fn arrive(gate: &str) {
    let me = pexec::task::current().map_or_else(String::new, |t| format!("{}-{}", t.id.0, t.attempt));
    let name = format!("at-{}-{me}", std::process::id());
    fs::write(Path::new(gate).join(name), b"").expect("the gate is there");
}
