//! What a task started and must not outlive the worker: process groups, which the supervisor knows too, and cgroups,
//! which only this process knows.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use super::current;

/// Keeps a process group registered; see [`guard_group`].
#[derive(Debug)]
#[must_use = "dropping the guard takes the group's protection away"]
pub struct GroupGuard {
    place: Option<usize>,
}

/// Registers a process group that the running task has started: should this worker or its supervisor end in
/// any way, the whole group gets SIGKILL. Drop the guard before the group's leader is reaped, because from
/// then on the number may mean somebody else.
///
/// Outside of a worker, for a number that is no group of ours (1 or less), and beyond 16 groups at a time,
/// nothing is registered.
pub fn guard_group(pgid: i32) -> GroupGuard {
    let place = if pgid > 1 {
        current::identity().and_then(|me| me.cells.register_group(pgid))
    } else {
        None
    };
    GroupGuard { place }
}

impl Drop for GroupGuard {
    fn drop(&mut self) {
        if let (Some(place), Some(me)) = (self.place, current::identity()) {
            me.cells.forget_group(place);
        }
    }
}

/// The `cgroup.kill` of each registered cgroup.
static CGROUPS: Mutex<Vec<Arc<File>>> = Mutex::new(Vec::new());

/// Keeps a cgroup registered; see [`guard_cgroup`].
#[derive(Debug)]
#[must_use = "dropping the guard takes the cgroup's protection away"]
pub struct CgroupGuard {
    kill: Option<Arc<File>>,
}

/// Registers a cgroup of version 2 that the running task has made, by its file `cgroup.kill`, opened to be written:
/// should this worker's supervisor end in any way, whatever is in the cgroup is killed, also what has left every group.
/// If it is the worker that ends, the cgroup is its maker's to end.
///
/// Outside of a worker nothing is registered.
pub fn guard_cgroup(kill: OwnedFd) -> CgroupGuard {
    let kill = current::identity().map(|_| Arc::new(File::from(kill)));
    registered().extend(kill.clone());
    CgroupGuard { kill }
}

impl Drop for CgroupGuard {
    fn drop(&mut self) {
        if let Some(kill) = &self.kill {
            registered().retain(|other| !Arc::ptr_eq(other, kill));
        }
    }
}

/// Kills what is in the registered cgroups; the process is about to end.
pub(super) fn kill_cgroups() {
    for kill in registered().iter() {
        let _ = (&**kill).write_all(b"1");
    }
}

fn registered() -> std::sync::MutexGuard<'static, Vec<Arc<File>>> {
    // A list is whole whoever panicked while he had it.
    CGROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}
