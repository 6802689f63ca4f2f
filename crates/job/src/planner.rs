//! A job file, or a command with items, becomes a plan. Everything that can be wrong is found here, before anything
//! is started.

mod call;
mod each;
mod file;
mod files;
mod instances;
mod order;
mod pairs;
mod product;
mod recall;
mod recalled;
mod task;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::plan::Plan;
use crate::problem::Problems;
use crate::text::Text;

pub use file::JobFile;
pub use recall::{Recall, Unknown, recall};
pub use recalled::Recalled;

/// What stands over the job file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Variables and their values, taken as they are; the last one of a name counts.
    pub set: Vec<(String, String)>,
    /// The tasks to plan, with what they need taken as done; empty: all.
    pub only: Vec<String>,
    /// Extra attempts of every task.
    pub retries: Option<u32>,
    /// How long every instance may run.
    pub timeout: Option<Duration>,
    /// What ends the run early: `never`, `soon,fail=1` and the like.
    pub halt: Option<String>,
    /// How many workers: `4`, `50%` or `cpus-1`.
    pub workers: Option<String>,
    /// No command is run for the items of a `foreach`; how many instances such a task has stays open.
    pub dry: bool,
    /// The job's directory, where that is not the one that the file lies in.
    pub dir: Option<PathBuf>,
    /// Where secrets come from.
    pub secrets: SecretsFrom,
    /// The sources of items are left alone: there is this one only.
    pub one: Option<OneItem>,
    /// What `{run_id}` stands for.
    pub run_id: String,
}

/// Where the values of secrets come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecretsFrom {
    /// From the job file and, where that says so, the environment.
    #[default]
    File,
    /// From the environment, by the name of the variable that is to have them: the file does not have them.
    Environment,
    /// From nowhere: nothing is going to be run.
    Nowhere,
}

/// An item and the number of its first instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneItem {
    /// The item; `None` where the task has no source.
    pub item: Option<Text>,
    /// The number of the instance that is looked for; those of the same item have the numbers around it.
    pub index: u64,
}

/// Reads, checks and plans a job file. Its sources are opened, commands that list items are run; standard input is not
/// read.
///
/// # Errors
///
/// All that is wrong with the file, its sources and the overrides.
///
/// ```
/// use pexec_job::planner::{self, Overrides};
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("job.toml");
/// std::fs::write(&path, "[tasks.hello]\nforeach = { range = '1..=3' }\ncommand = ['echo', '{item}']")?;
/// let plan = planner::load(&path, &Overrides::default())?;
/// assert_eq!(plan.tasks[0].total, Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn load(path: &Path, overrides: &Overrides) -> Result<Plan, Problems> {
    JobFile::read(path)?.plan(overrides)
}

/// The name of the job in a file, and the directory that it works in: what its records are found by. Nothing of it is
/// planned; `None`: that would tell what is wrong.
pub fn identity(path: &Path, overrides: &Overrides) -> Option<(String, PathBuf)> {
    JobFile::read(path).ok()?.identity(overrides)
}

/// The variables of a job file with their values, in the order of the file; none where it cannot be read.
pub fn variables(path: &Path) -> Vec<(String, String)> {
    file::variables(path)
}

/// Plans one command for each of `items`: `{}` in an argument is the item, a command without it gets the item last,
/// and other braces are as they are. The task has the name of the program, or `each` where that cannot be a task's; items are read while the job runs.
///
/// # Errors
///
/// An empty command, overrides that make no sense, no current directory.
pub fn each(
    argv: Vec<OsString>,
    items: impl Iterator<Item = io::Result<Vec<u8>>> + Send + 'static,
    total: Option<u64>,
    overrides: &Overrides,
) -> Result<Plan, Problems> {
    each::plan(argv, Box::new(items), total, overrides)
}
