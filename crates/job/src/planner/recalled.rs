//! What many instances of an earlier run did, from the job files in its record: each task is planned once, and every
//! instance is known by its key, so that what cannot be had again is not mistaken for something else.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{OneItem, Overrides, SecretsFrom};
use crate::event::Who;
use crate::key::Key;
use crate::plan::{ByItem, Instance};
use crate::secrets::Secrets;
use crate::text::Text;
use crate::work::Work;

/// The job files of one record, as far as they were asked for.
pub struct Recalled {
    jobs: Vec<PathBuf>,
    run_id: String,
    dir: PathBuf,
    tasks: HashMap<String, Vec<Task>>,
}

/// A task as one of the job files has it.
struct Task {
    secrets: Secrets,
    by_item: Option<ByItem>,
    /// All of its instances, where an item does not make one.
    all: HashMap<Key, Work>,
}

impl Recalled {
    /// From these job files, the first that knows an instance counts. Nothing is read yet.
    pub fn new(jobs: Vec<PathBuf>, run_id: impl Into<String>, dir: impl Into<PathBuf>) -> Recalled {
        Recalled {
            jobs,
            run_id: run_id.into(),
            dir: dir.into(),
            tasks: HashMap::new(),
        }
    }

    /// What it did at its first attempt, without secrets. `None`: no job file has it any more, or one cannot be planned
    /// here, or a file that its items come from is gone.
    pub fn work(&mut self, who: &Who) -> Option<Work> {
        let key = who.key?;
        if !self.tasks.contains_key(&who.task) {
            let tasks = self.jobs.iter().filter_map(|job| self.plan(job, &who.task));
            let tasks = tasks.collect();
            self.tasks.insert(who.task.clone(), tasks);
        }
        self.tasks
            .get(&who.task)?
            .iter()
            .find_map(|task| task.work(who, key))
    }

    fn plan(&self, job: &Path, task: &str) -> Option<Task> {
        let overrides = Overrides {
            only: vec![task.to_owned()],
            run_id: self.run_id.clone(),
            dir: Some(self.dir.clone()),
            secrets: SecretsFrom::Nowhere,
            // Any item: sources that give nothing but items are left alone then.
            one: Some(OneItem {
                item: Some(Text::default()),
                index: 0,
            }),
            ..Overrides::default()
        };
        let mut plan = super::load(job, &overrides).ok()?;
        let secrets = plan.secrets;
        let found = plan.tasks.pop()?;
        let all = match &found.by_item {
            Some(_) => HashMap::new(),
            None => {
                let instances = found.instances.map_while(Result::ok);
                instances
                    .map(|it| (it.key(task, &secrets), hidden(&it, &secrets)))
                    .collect()
            }
        };
        Some(Task {
            secrets,
            by_item: found.by_item,
            all,
        })
    }
}

impl Task {
    fn work(&self, who: &Who, key: Key) -> Option<Work> {
        match (&self.by_item, &who.item) {
            (Some(by_item), Some(item)) => {
                let instance = by_item(item, who.index)?;
                (instance.key(&who.task, &self.secrets) == key).then(|| hidden(&instance, &self.secrets))
            }
            _ => self.all.get(&key).cloned(),
        }
    }
}

fn hidden(instance: &Instance, secrets: &Secrets) -> Work {
    let mut work = (instance.work)(1);
    secrets.hide_work(&mut work);
    work
}
