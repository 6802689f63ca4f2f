//! What a run is going to do: tasks in an order that respects `needs`, each with its instances.
//!
//! A plan is complete and checked: whatever is wrong in a job file was said before there is one. Only a
//! streamed source (`lines = "-"`) can still fail, while it is read.

mod halt;
mod pairs;
mod retry;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::files::Files;
use crate::key::Key;
use crate::secrets::Secrets;
use crate::text::Text;
use crate::work::Work;

pub use halt::{Enough, Halt, What, When};
pub use pairs::{NeedEach, Pair};
pub use retry::{Backoff, Cause, Retry};

/// A checked job.
pub struct Plan {
    /// The job's name.
    pub name: String,
    /// The directory that relative paths are relative to; absolute.
    pub dir: PathBuf,
    /// How many instances run at once; `None`: as many as this process may use CPUs.
    pub workers: Option<usize>,
    /// How output is shown, where the file says so.
    pub output: Option<Output>,
    /// What ends the run early; `None`: nothing.
    pub halt: Option<Halt>,
    /// What is told nowhere.
    pub secrets: Secrets,
    /// The groups that tasks may be in.
    pub groups: Vec<Group>,
    /// How much memory the instances that run may take together, as far as they say.
    pub memory: Option<u64>,
    /// These are all tasks of the job.
    pub whole: bool,
    /// In an order in which a task comes after everything that it needs.
    pub tasks: Vec<TaskPlan>,
}

impl Plan {
    /// These tasks, and nothing else that is said.
    pub fn new(name: impl Into<String>, dir: impl Into<PathBuf>, tasks: Vec<TaskPlan>) -> Plan {
        Plan {
            name: name.into(),
            dir: dir.into(),
            workers: None,
            output: None,
            halt: None,
            secrets: Secrets::default(),
            groups: Vec::new(),
            memory: None,
            whole: true,
            tasks,
        }
    }

    /// How many instances say what they make, as far as that is known; `None`: no task does.
    pub fn makes(&self) -> Option<u64> {
        let making = self.tasks.iter().filter(|task| task.makes);
        making
            .map(|task| task.total.unwrap_or(u64::MAX))
            .reduce(u64::saturating_add)
    }
}

/// How the tasks' output is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// All of an instance's output when it ends.
    Grouped,
    /// The same, in the order of the plan.
    Ordered,
    /// Whole lines as they come, prefixed with the label.
    Line,
    /// Nothing, except the tail of a failure.
    None,
}

/// One task of the plan.
pub struct TaskPlan {
    /// Its name in the job file.
    pub name: String,
    /// Positions in [`Plan::tasks`] of the tasks that must have succeeded; all smaller than its own.
    pub needs: Vec<usize>,
    /// Tasks of which each instance waits only for the one about the same item.
    pub needs_each: Vec<NeedEach>,
    /// When its instances start, beside what they need.
    pub start: Start,
    /// How failures get another chance.
    pub retry: Retry,
    /// Its instances call functions of this program, in the workers themselves.
    pub calls: bool,
    /// Its instances say what they make, and are skipped where that is there and nothing has changed.
    pub makes: bool,
    /// How many instances there are; `None` while a streamed source has not ended.
    pub total: Option<u64>,
    /// Its instances, in source order. Taken once, by the run.
    pub instances: Instances,
    /// The same instances, to look at beforehand; `None`: their source can be read only once.
    pub preview: Option<Preview>,
    /// Any one of its instances, by item and number alone; `None`: a row of its source is more than an item.
    pub by_item: Option<ByItem>,
}

/// Makes the instance for an item that has this number.
pub type ByItem = Box<dyn Fn(&Text, u64) -> Option<Instance> + Send>;

/// When instances start, where more than one could.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// Higher ones go first; equal ones in the order of the plan.
    pub priority: i64,
    /// Position in [`Plan::groups`] of the one that it is in.
    pub group: Option<usize>,
    /// How much of [`Plan::memory`] each of them takes while it runs, in bytes.
    pub memory: u64,
    /// How long one may wait from the time when it could start until it does.
    pub queue_timeout: Option<Duration>,
}

/// Tasks of which only so many instances run at once, together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name in the job file.
    pub name: String,
    /// How many; at least one.
    pub limit: u64,
}

/// Gives a task's instances once more; nothing where the source cannot be read any longer.
pub type Preview = Box<dyn Fn() -> Option<Instances> + Send>;

impl TaskPlan {
    /// A task of these instances that needs nothing and is tried once.
    pub fn new(name: impl Into<String>, total: Option<u64>, instances: Instances) -> TaskPlan {
        TaskPlan {
            name: name.into(),
            needs: Vec::new(),
            needs_each: Vec::new(),
            start: Start::default(),
            retry: Retry::default(),
            calls: false,
            makes: false,
            total,
            instances,
            preview: None,
            by_item: None,
        }
    }
}

/// The instances of a task; an error ends them.
pub type Instances = Box<dyn Iterator<Item = Result<Instance, SourceError>> + Send>;

/// A streamed source could not be read to its end.
#[derive(Debug)]
pub struct SourceError(pub String);

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SourceError {}

/// One command or call of a task, for one item.
pub struct Instance {
    /// From 0, in source order.
    pub index: u64,
    /// The item, where the task has a source.
    pub item: Option<Text>,
    /// The values of the matrix, in the order of its keys.
    pub keys: Vec<Text>,
    /// What people call it: `task(item)`.
    pub label: Text,
    /// What an attempt (from 1) does, everything substituted.
    pub work: Box<dyn Fn(u32) -> Work + Send + Sync>,
    /// What it reads and makes, where its task says so.
    pub files: Option<Box<Files>>,
}

impl Instance {
    /// What it is, as an instance of `task`, whatever its place. The secrets are no part of that: they change, and a
    /// digest of them could be tried against guesses.
    pub fn key(&self, task: &str, secrets: &Secrets) -> Key {
        let mut work = (self.work)(1);
        secrets.hide_work(&mut work);
        let mut item = self.item.clone();
        item.iter_mut().for_each(|item| secrets.hide_text(item));
        Key::of(task, item.as_ref(), &work)
    }
}
