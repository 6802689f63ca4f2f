//! What every test ends with: nothing is left behind.
//!
//! The sweep counts descriptors and children of this very process, so tests that hold one run one after the
//! other; under a harness that gives each test its own process that costs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::processes::{self, Process};
use crate::watchdog::Watchdog;

static TURN: Mutex<()> = Mutex::new(());

/// How long a test may take before it counts as hanging.
const HANGS: Duration = Duration::from_secs(90);

/// How long what was let go may take to be gone: a pool's thread closes its last descriptors after the pool's
/// `shutdown` has returned.
const SETTLE: Duration = Duration::from_secs(5);

/// Held by a test from its first statement to its end; its drop fails the test that left something behind.
#[must_use = "the sweep happens when this is dropped, at the end of the test"]
pub struct LeakSweep {
    descriptors: BTreeMap<i32, String>,
    children: Vec<i32>,
    /// Dropped before the turn is given up.
    _watchdog: Watchdog,
    _turn: MutexGuard<'static, ()>,
}

impl LeakSweep {
    /// Takes the turn and looks at what there is.
    #[expect(
        clippy::new_without_default,
        reason = "taking a turn is no default of anything"
    )]
    pub fn new() -> LeakSweep {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        // Many tests crash workers on purpose; nobody wants their cores.
        if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_CORE) {
            let _ = setrlimit(Resource::RLIMIT_CORE, 0, hard);
        }
        LeakSweep {
            descriptors: descriptors(),
            children: children().into_iter().map(|p| p.pid).collect(),
            _watchdog: Watchdog::start(HANGS),
            _turn: turn,
        }
    }

    /// What is there now and was not at the start; empty when all is well.
    fn left_behind(&self) -> String {
        let mut text = String::new();
        for (fd, what) in descriptors() {
            if self.descriptors.get(&fd) != Some(&what) {
                text.push_str(&format!("descriptor {fd}: {what}\n"));
            }
        }
        for child in children() {
            if !self.children.contains(&child.pid) {
                text.push_str(&format!("child {child:?}\n"));
            }
        }
        text
    }
}

impl Drop for LeakSweep {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let start = Instant::now();
        loop {
            let left = self.left_behind();
            if left.is_empty() {
                return;
            }
            assert!(start.elapsed() < SETTLE, "the test left behind:\n{left}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// This process's open descriptors and what each one is.
#[must_use]
pub fn descriptors() -> BTreeMap<i32, String> {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else {
        return BTreeMap::new();
    };
    let numbers: Vec<i32> = entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect();
    // The directory's own descriptor is closed by now, so it has no link any more.
    let open = numbers
        .into_iter()
        .filter_map(|n| Some((n, fs::read_link(format!("/proc/self/fd/{n}")).ok()?)));
    open.map(|(n, link)| (n, link.display().to_string())).collect()
}

/// This process's children, waited for or not.
#[must_use]
pub fn children() -> Vec<Process> {
    processes::children_of(std::process::id() as i32)
}
