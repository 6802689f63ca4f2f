//! One instance of an earlier run, planned again: found by what it is, never by its place alone.

use std::fmt;
use std::path::Path;

use super::{OneItem, Overrides, SecretsFrom};
use crate::event::Who;
use crate::plan::{Plan, Retry, Start};
use crate::problem::Problems;
use crate::secrets::MARK;
use crate::text::Text;
use crate::work::Work;

/// Which one, and of which run.
#[derive(Clone, Copy, Debug)]
pub struct Recall<'a> {
    /// As the run's events name it.
    pub who: &'a Who,
    /// The run's id.
    pub run_id: &'a str,
    /// The job's directory.
    pub dir: &'a Path,
    /// Variables that have these values; those that the job file does not have are left out.
    pub set: &'a [(String, String)],
    /// Where secrets come from.
    pub secrets: SecretsFrom,
}

/// Why it cannot be had.
#[derive(Debug)]
#[non_exhaustive]
pub enum Unknown {
    /// The job file cannot be planned.
    Job(Problems),
    /// The job has no such instance (any more).
    Gone(String),
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unknown::Job(problems) => problems.fmt(f),
            Unknown::Gone(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Unknown {}

/// Plans a job file and leaves one task with one instance, which needs nothing and is tried once. Where an item is all that
/// a source gives, it is the recorded one and the source is left alone; rows are looked for in their file.
///
/// # Errors
///
/// When the file cannot be planned, or the instance is not in it.
pub fn recall(job: &Path, recall: &Recall<'_>) -> Result<Plan, Unknown> {
    let who = recall.who;
    let known = super::variables(job);
    let has = |name: &str| known.iter().any(|(known, _)| known == name);
    let overrides = Overrides {
        set: recall.set.iter().filter(|(name, _)| has(name)).cloned().collect(),
        only: vec![who.task.clone()],
        run_id: recall.run_id.to_owned(),
        dir: Some(recall.dir.to_owned()),
        secrets: recall.secrets,
        one: Some(OneItem {
            item: who.item.clone(),
            index: who.index,
        }),
        ..Overrides::default()
    };
    let mut plan = super::load(job, &overrides).map_err(Unknown::Job)?;
    let gone = |why: &str| {
        let label = &who.label;
        Unknown::Gone(format!(
            "{label} cannot be had again: {why} {}",
            Text::from(job.display().to_string())
        ))
    };
    let key = who.key.ok_or_else(|| gone("it stands for a whole task in"))?;
    let mut task = plan.tasks.pop().ok_or_else(|| gone("its task is not in"))?;
    let mut found = None;
    for instance in &mut task.instances {
        let instance =
            instance.map_err(|error| Unknown::Gone(format!("{} cannot be had again: {error}", who.label)))?;
        if instance.key(&who.task, &plan.secrets) == key {
            found = Some(instance);
            break;
        }
    }
    if recall.secrets == SecretsFrom::Environment
        && found.as_ref().is_some_and(|found| has_mark(&(found.work)(1)))
    {
        return Err(Unknown::Gone(format!(
            "{} holds a secret beside its environment, which the record does not have: name the job file that has it",
            who.label
        )));
    }
    let found = found
        .ok_or_else(|| gone("its item is no longer in the source, or its command is another one, by"))?;
    task.needs.clear();
    task.start = Start::default();
    task.retry = Retry::default();
    task.total = Some(1);
    task.instances = Box::new(std::iter::once(Ok(found)));
    plan.tasks = vec![task];
    plan.halt = None;
    Ok(plan)
}

/// Somewhere in it there was a secret.
fn has_mark(work: &Work) -> bool {
    let mut found = false;
    let mark = MARK.as_bytes();
    work.clone().each_text(&mut |text| {
        found |= text.as_bytes().windows(mark.len()).any(|window| window == mark);
    });
    found
}
