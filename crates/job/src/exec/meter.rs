//! Looks how much an attempt uses, often enough that it cannot get far beyond its limits unseen.
//!
//! The next look comes when the limit could be reached at the pace at which a machine can fill memory, so that an
//! attempt that is far from its limit costs next to nothing. What is allocated and freed between two looks is not seen.

use std::time::{Duration, Instant};

use pexec_ipc::tree::Tree;

use super::StopReason;
use crate::limits::Limits;

/// Bytes that can be filled in a second: a few CPUs at once.
const PACE: u64 = 8 << 30;
/// The first look, and the least time between two.
const SOONEST: Duration = Duration::from_millis(1);
/// The longest time between two looks.
const LATEST: Duration = Duration::from_millis(200);
/// Looking takes at most one part in so many of a CPU's time.
const SHARE: u32 = 20;

/// Watches over the limits that the kernel does not keep for a whole tree of processes.
pub(super) struct Meter {
    tree: Tree,
    memory: Option<u64>,
    cpu_time: Option<Duration>,
    cpus: u32,
    /// `None`: nothing is to be watched.
    due: Option<Instant>,
}

impl Meter {
    /// For the leader of a group.
    pub(super) fn new(limits: &Limits, root: i32, now: Instant) -> Meter {
        let watches = limits.memory.is_some() || limits.cpu_time.is_some();
        Meter {
            tree: Tree::new(root),
            memory: limits.memory,
            cpu_time: limits.cpu_time,
            // Half a dozen files are read for this.
            cpus: match limits.cpu_time {
                Some(_) => std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
                None => 1,
            },
            due: watches.then(|| now + SOONEST),
        }
    }

    /// When the next look is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Looks, if it is time to. Back comes what is over its limit.
    pub(super) fn look(&mut self, now: Instant) -> Option<StopReason> {
        if self.due.is_none_or(|at| now < at) {
            return None;
        }
        let began = Instant::now();
        let seen = self.tree.look();
        let mut wait = LATEST;
        if let Some(most) = self.memory {
            let mut used = seen.resident;
            if used > most {
                // Some of that may be the same memory, counted more than once.
                used = self.tree.survey();
            }
            if used > most {
                return Some(StopReason::Memory { used });
            }
            wait = wait.min(Duration::from_secs_f64((most - used) as f64 / PACE as f64));
        }
        if let Some(most) = self.cpu_time {
            if seen.cpu >= most {
                return Some(StopReason::CpuTime);
            }
            wait = wait.min((most - seen.cpu) / self.cpus);
        }
        let cost = began.elapsed();
        self.due = Some(now + wait.max(SOONEST).max(cost * SHARE));
        None
    }

    /// Nothing more is to be watched.
    pub(super) fn rest(&mut self) {
        self.due = None;
    }

    /// Ends what the group's signals do not reach.
    pub(super) fn kill_strays(&mut self) {
        self.tree.kill_strays();
    }
}
