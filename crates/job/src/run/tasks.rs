//! Which tasks may start: pure bookkeeping over the `needs` of a plan. It knows neither instances nor attempts,
//! only how many are under way.

use crate::text::Text;

/// The tasks of a run, by their position in the plan.
pub(super) struct Tasks(Vec<Task>);

struct Task {
    needs: Vec<usize>,
    phase: Phase,
    /// Instances that were taken from the source and have not come to their end.
    live: u64,
    /// Something of it failed, was killed or was not run: what needs it never starts.
    spoilt: bool,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// For what it needs.
    Waiting,
    /// Its source is being emptied.
    Open,
    /// What it needs failed (this label did); its instances are to be told so.
    Blocked(Text),
    /// Nothing more will come from its source.
    Exhausted,
}

impl Tasks {
    /// From each task's needs; all smaller than its own position.
    pub(super) fn new(needs: impl IntoIterator<Item = Vec<usize>>) -> Tasks {
        let task = |needs| Task {
            needs,
            phase: Phase::Waiting,
            live: 0,
            spoilt: false,
        };
        let mut tasks = Tasks(needs.into_iter().map(task).collect());
        tasks.open();
        tasks
    }

    /// The tasks that may start instances, in the order of the plan.
    pub(super) fn opened(&self) -> Vec<usize> {
        (0..self.0.len())
            .filter(|&t| self.0[t].phase == Phase::Open)
            .collect()
    }

    /// The first task whose instances are to be told that they are blocked, and by what.
    pub(super) fn blocked(&self) -> Option<(usize, &Text)> {
        self.0
            .iter()
            .enumerate()
            .find_map(|(at, task)| match &task.phase {
                Phase::Blocked(by) => Some((at, by)),
                Phase::Waiting | Phase::Open | Phase::Exhausted => None,
            })
    }

    /// An instance was taken from the source.
    pub(super) fn begin(&mut self, task: usize) {
        self.0[task].live += 1;
    }

    /// An instance succeeded.
    pub(super) fn succeed(&mut self, task: usize) {
        self.0[task].live -= 1;
        if self.0[task].live == 0 && self.0[task].phase == Phase::Exhausted {
            self.open();
        }
    }

    /// An instance was killed or not run: what needs the task will not run, but nothing failed.
    pub(super) fn abandon(&mut self, task: usize) {
        self.0[task].live -= 1;
        self.0[task].spoilt = true;
    }

    /// An instance failed for good: what needs the task, directly or not, is blocked by it.
    pub(super) fn fail(&mut self, task: usize, label: &Text) {
        self.0[task].live -= 1;
        self.0[task].spoilt = true;
        let mut doomed = vec![false; self.0.len()];
        doomed[task] = true;
        // One pass is enough: needs point backwards.
        for at in task + 1..self.0.len() {
            let later = &mut self.0[at];
            doomed[at] = later.needs.iter().any(|&need| doomed[need]);
            if doomed[at] && later.phase == Phase::Waiting {
                later.phase = Phase::Blocked(label.clone());
                later.spoilt = true;
            }
        }
    }

    /// The task's source has ended, or its blocked instances were all told.
    pub(super) fn exhaust(&mut self, task: usize) {
        self.0[task].phase = Phase::Exhausted;
        self.open();
    }

    /// Opens what waits for nothing more.
    fn open(&mut self) {
        for at in 0..self.0.len() {
            let ready = self.0[at].phase == Phase::Waiting
                && self.0[at].needs.iter().all(|&need| {
                    let need = &self.0[need];
                    need.phase == Phase::Exhausted && need.live == 0 && !need.spoilt
                });
            if ready {
                self.0[at].phase = Phase::Open;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a`, `b` needs `a`, `c` needs `b`, `d` needs nothing, `e` needs `a` and `d`.
    fn plan() -> Tasks {
        Tasks::new([vec![], vec![0], vec![1], vec![], vec![0, 3]])
    }

    #[test]
    fn a_task_starts_when_every_instance_of_its_needs_has_succeeded() {
        let mut tasks = plan();
        assert_eq!(tasks.opened(), [0, 3]);
        tasks.begin(0);
        tasks.begin(0);
        tasks.succeed(0);
        tasks.exhaust(0);
        assert_eq!(tasks.opened(), [3], "one of a's is still under way");
        tasks.succeed(0);
        assert_eq!(tasks.opened(), [1, 3]);
        tasks.exhaust(3);
        assert_eq!(tasks.opened(), [1, 4], "a task without instances has succeeded");
    }

    #[test]
    fn a_failure_blocks_everything_behind_it_by_its_name() {
        let mut tasks = plan();
        tasks.begin(0);
        tasks.fail(0, &"a(1)".into());
        let by = Text::from("a(1)");
        for blocked in [1, 2, 4] {
            assert_eq!(&tasks.0[blocked].phase, &Phase::Blocked(by.clone()));
        }
        assert_eq!(tasks.blocked(), Some((1, &by)));
        tasks.exhaust(1);
        assert_eq!(tasks.blocked(), Some((2, &by)), "a blocked need is no success");
        assert_eq!(tasks.opened(), [0, 3]);
    }

    #[test]
    fn what_was_abandoned_neither_opens_nor_blocks() {
        let mut tasks = plan();
        tasks.begin(0);
        tasks.exhaust(0);
        tasks.abandon(0);
        assert_eq!(tasks.opened(), [3]);
        assert_eq!(tasks.blocked(), None);
        assert_eq!(&tasks.0[1].phase, &Phase::Waiting);
    }
}
