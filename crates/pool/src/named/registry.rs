//! Every function of this program that has a name. Collected by the linker, so the list is the same in every process
//! of the build, needs no code to run before `main`, and is read without a lock.

use std::sync::OnceLock;

use linkme::distributed_slice;

use super::{CallError, NamedTask};
use crate::error::BuildError;

/// Filled by [`#[pexec::task]`](macro@crate::task).
#[distributed_slice]
pub static TASKS: [NamedTask];

/// All of them by name; of equal names, by their places.
fn sorted() -> &'static [&'static NamedTask] {
    static SORTED: OnceLock<Vec<&'static NamedTask>> = OnceLock::new();
    SORTED.get_or_init(|| {
        let mut tasks: Vec<&'static NamedTask> = TASKS.iter().collect();
        tasks.sort_by_key(|task| (task.name, task.place));
        tasks
    })
}

/// The functions of this program that were registered with [`#[pexec::task]`](macro@crate::task), by name.
pub fn tasks() -> &'static [&'static NamedTask] {
    sorted()
}

/// The function of this name.
///
/// # Errors
///
/// [`CallError::Unknown`], or [`CallError::Duplicate`] if there are two.
pub fn find(name: &str) -> Result<&'static NamedTask, CallError> {
    let tasks = sorted();
    let at = tasks.partition_point(|task| task.name < name);
    match &tasks[at..] {
        [task, next, ..] if task.name == name && next.name == name => {
            Err(CallError::Duplicate(told(task, next)))
        }
        [task, ..] if task.name == name => Ok(task),
        _ => Err(CallError::Unknown(name.to_owned())),
    }
}

/// Refuses names that two functions have.
pub(crate) fn verify() -> Result<(), BuildError> {
    let twice = sorted().windows(2).find(|pair| pair[0].name == pair[1].name);
    match twice {
        Some(pair) => Err(BuildError::DuplicateTask(told(pair[0], pair[1]))),
        None => Ok(()),
    }
}

fn told(first: &NamedTask, second: &NamedTask) -> String {
    let ((file, line), (other, at)) = (first.place, second.place);
    format!(
        "two functions are registered as `{}`, at {file}:{line} and {other}:{at}: give one of them another name, \
         #[pexec::task(name = \"..\")]",
        first.name
    )
}
