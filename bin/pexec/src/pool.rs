//! The pool that a run uses: workers that start commands and call functions.

use std::time::Duration;

use pexec::{BuildError, ProcessPool};
use pexec_ipc::cgroup::Base;
use pexec_job::plan::{Plan, TaskPlan};

/// How long a worker may take that is told to go: it only has to end its command's process group.
const KILL_GRACE: Duration = Duration::from_secs(10);
/// The largest message: small output travels inline, the rest on disk, so only an argument list can be large.
const MAX_MESSAGE: u64 = 64 << 20;
/// Crashed workers that a run puts up with. A command cannot crash its worker, but whoever kills processes by
/// name can, and each one costs only its own task.
const RESTARTS: (usize, Duration) = (1000, Duration::from_secs(10));

/// How many instances run at once: as many as asked for or as there are CPUs, but no more than there are.
pub(crate) fn jobs(plan: &Plan) -> usize {
    let wanted = plan
        .workers
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let known: Option<u64> = plan.tasks.iter().map(|task| task.total).sum();
    let most = known.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
    wanted.min(most).max(1)
}

/// Where the plan's commands get cgroups for their memory, if they have limits of it and this machine allows it. Made
/// before there are workers, and dropped when they are gone.
pub(crate) fn cgroup(plan: &Plan) -> Option<Base> {
    let limited = |task: &TaskPlan| !task.calls && task.start.memory > 0;
    plan.tasks.iter().any(limited).then(|| Base::here().ok())?
}

/// Starts it.
pub(crate) fn build(plan: &Plan, jobs: usize) -> Result<ProcessPool, BuildError> {
    unseen(());
    let builder = ProcessPool::builder()
        .workers(jobs)
        .name("pexec")
        .initializer(unseen, ())
        .kill_grace(KILL_GRACE)
        .max_message(MAX_MESSAGE);
    let calls = plan.tasks.iter().any(|task| task.calls);
    if calls {
        // A function is where a command would be. It may crash every time it is called, and each crash is one failed
        // instance; workers that cannot even start end the pool in any case.
        builder.current_dir(&plan.dir).build()
    } else {
        builder.restart_limit(RESTARTS.0, RESTARTS.1).build()
    }
}

/// Secrets pass through this process, and so do the keys that it shares with its workers: a crash is to leave no core file
/// of it, and nobody else is to look into it, not even another process of the same user. What a worker executes begins
/// without this.
fn unseen((): ()) {
    // Where the kernel does not do it, everything is as it would be without.
    let _ = nix::sys::prctl::set_dumpable(false);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(workers: Option<usize>, totals: &[Option<u64>]) -> Plan {
        let task = |total| TaskPlan::new("t", total, Box::new(std::iter::empty()));
        Plan {
            workers,
            ..Plan::new("p", "/", totals.iter().copied().map(task).collect())
        }
    }

    #[test]
    fn there_are_no_more_workers_than_instances() {
        assert_eq!(jobs(&plan(Some(8), &[Some(2), Some(1)])), 3);
        assert_eq!(jobs(&plan(Some(2), &[Some(2), Some(1)])), 2);
        assert_eq!(
            jobs(&plan(Some(8), &[Some(2), None])),
            8,
            "a stream may bring any number"
        );
        assert_eq!(jobs(&plan(Some(8), &[Some(0)])), 1);
        assert!(jobs(&plan(None, &[None])) >= 1);
    }
}
