//! Process groups that a task started and that must not outlive the worker.

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
