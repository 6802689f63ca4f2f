//! Which tasks may start: pure bookkeeping over the `needs` of a plan. It knows neither instances nor attempts,
//! only how many are under way.

use std::collections::{BTreeSet, VecDeque};

use crate::text::Text;

/// The tasks of a run, by their position in the plan.
pub(super) struct Tasks {
    tasks: Vec<Task>,
    /// Opened, and not yet asked for.
    opened: VecDeque<usize>,
    blocked: BTreeSet<usize>,
}

struct Task {
    /// How many of those that it needs have not succeeded.
    missing: usize,
    needed_by: Vec<usize>,
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
    /// From each task's needs; all smaller than its own position, each once.
    pub(super) fn new(needs: impl IntoIterator<Item = Vec<usize>>) -> Tasks {
        let mut tasks: Vec<Task> = Vec::new();
        for (at, needs) in needs.into_iter().enumerate() {
            for need in &needs {
                tasks[*need].needed_by.push(at);
            }
            tasks.push(Task {
                missing: needs.len(),
                needed_by: Vec::new(),
                phase: Phase::Waiting,
                live: 0,
                spoilt: false,
            });
        }
        let mut tasks = Tasks {
            tasks,
            opened: VecDeque::new(),
            blocked: BTreeSet::new(),
        };
        for at in 0..tasks.tasks.len() {
            if tasks.tasks[at].missing == 0 {
                tasks.open(at);
            }
        }
        tasks
    }

    /// The next task that may start instances from now on; each is named once.
    pub(super) fn take_opened(&mut self) -> Option<usize> {
        self.opened.pop_front()
    }

    /// Some were opened that nobody has asked for.
    pub(super) fn has_opened(&self) -> bool {
        !self.opened.is_empty()
    }

    /// Some have not started, and will if what they need succeeds.
    pub(super) fn any_waits(&self) -> bool {
        self.tasks.iter().any(|task| task.phase == Phase::Waiting)
    }

    /// Its instances may start, and its source has not ended.
    pub(super) fn is_open(&self, task: usize) -> bool {
        self.tasks[task].phase == Phase::Open
    }

    /// The first task whose instances are to be told that they are blocked, and by what.
    pub(super) fn blocked(&self) -> Option<(usize, &Text)> {
        let at = *self.blocked.first()?;
        match &self.tasks[at].phase {
            Phase::Blocked(by) => Some((at, by)),
            Phase::Waiting | Phase::Open | Phase::Exhausted => None,
        }
    }

    /// An instance was taken from the source.
    pub(super) fn begin(&mut self, task: usize) {
        self.tasks[task].live += 1;
    }

    /// An instance succeeded.
    pub(super) fn succeed(&mut self, task: usize) {
        self.tasks[task].live -= 1;
        self.look(task);
    }

    /// An instance was killed or not run: what needs the task will not run, but nothing failed.
    pub(super) fn abandon(&mut self, task: usize) {
        self.tasks[task].live -= 1;
        self.tasks[task].spoilt = true;
    }

    /// An instance failed for good: what needs the task, directly or not, is blocked by it.
    pub(super) fn fail(&mut self, task: usize, label: &Text) {
        self.tasks[task].live -= 1;
        self.tasks[task].spoilt = true;
        let mut doomed = self.tasks[task].needed_by.clone();
        while let Some(at) = doomed.pop() {
            let later = &mut self.tasks[at];
            if later.phase == Phase::Waiting {
                later.phase = Phase::Blocked(label.clone());
                later.spoilt = true;
                doomed.extend_from_slice(&later.needed_by);
                self.blocked.insert(at);
            }
        }
    }

    /// The task's source has ended, or its blocked instances were all told.
    pub(super) fn exhaust(&mut self, task: usize) {
        self.blocked.remove(&task);
        self.tasks[task].phase = Phase::Exhausted;
        self.look(task);
    }

    /// Nothing of the task will start or end any more.
    pub(super) fn is_over(&self, task: usize) -> bool {
        let task = &self.tasks[task];
        task.phase == Phase::Exhausted && task.live == 0
    }

    /// Opens what has waited only for this one.
    fn look(&mut self, task: usize) {
        if !self.is_over(task) || self.tasks[task].spoilt {
            return;
        }
        // Once: an exhausted task begins nothing more.
        for at in std::mem::take(&mut self.tasks[task].needed_by) {
            let later = &mut self.tasks[at];
            later.missing -= 1;
            if later.missing == 0 && later.phase == Phase::Waiting {
                self.open(at);
            }
        }
    }

    fn open(&mut self, task: usize) {
        self.tasks[task].phase = Phase::Open;
        self.opened.push_back(task);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a`, `b` needs `a`, `c` needs `b`, `d` needs nothing, `e` needs `a` and `d`.
    fn plan() -> Tasks {
        Tasks::new([vec![], vec![0], vec![1], vec![], vec![0, 3]])
    }

    fn opened(tasks: &mut Tasks) -> Vec<usize> {
        std::iter::from_fn(|| tasks.take_opened()).collect()
    }

    #[test]
    fn a_task_starts_when_every_instance_of_its_needs_has_succeeded() {
        let mut tasks = plan();
        assert_eq!(opened(&mut tasks), [0, 3]);
        tasks.begin(0);
        tasks.begin(0);
        tasks.succeed(0);
        tasks.exhaust(0);
        assert!(opened(&mut tasks).is_empty(), "one of a's is still under way");
        tasks.succeed(0);
        assert_eq!(opened(&mut tasks), [1]);
        tasks.exhaust(3);
        assert_eq!(opened(&mut tasks), [4], "a task without instances has succeeded");
    }

    #[test]
    fn a_failure_blocks_everything_behind_it_by_its_name() {
        let mut tasks = plan();
        assert_eq!(opened(&mut tasks), [0, 3]);
        tasks.begin(0);
        tasks.fail(0, &"a(1)".into());
        let by = Text::from("a(1)");
        for blocked in [1, 2, 4] {
            assert_eq!(&tasks.tasks[blocked].phase, &Phase::Blocked(by.clone()));
        }
        assert_eq!(tasks.blocked(), Some((1, &by)));
        tasks.exhaust(1);
        assert_eq!(tasks.blocked(), Some((2, &by)), "a blocked need is no success");
        assert!(opened(&mut tasks).is_empty());
        tasks.exhaust(2);
        tasks.exhaust(4);
        assert_eq!(tasks.blocked(), None);
    }

    #[test]
    fn what_was_abandoned_neither_opens_nor_blocks() {
        let mut tasks = plan();
        tasks.begin(0);
        tasks.exhaust(0);
        tasks.abandon(0);
        assert_eq!(opened(&mut tasks), [0, 3]);
        assert_eq!(tasks.blocked(), None);
        assert_eq!(&tasks.tasks[1].phase, &Phase::Waiting);
    }
}
