//! What a run of a plan would do with each instance, and why, found without running anything.
//!
//! It asks what a run asks: the record that is taken up again, and for tasks with `outputs` the content of files. What
//! a task would make decides what becomes of those that need it, so they are looked at in the order of the plan, one
//! instance at a time; only what a task comes to is kept.

use crate::event::Who;
use crate::files::{Change, Standing, Successes};
use crate::plan::{Instance, Plan, SourceError};
use crate::record::{Fate, Past};
use crate::run::who;
use crate::text::Text;
use crate::work::Work;

/// What would become of an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// It would run. With what is not as it was, where that is asked.
    Run(Option<String>),
    /// Nothing has changed since its last success.
    UpToDate,
    /// Its success stands in the record that is taken up again.
    Kept,
    /// It, or what it needs, is not among those that were asked for.
    Left,
    /// It depends on what this task makes, which would run.
    Waits(String),
    /// It would fail at once, and why.
    Fails(String),
    /// What has this label would fail.
    Blocked(Text),
}

/// An instance, and what would become of it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which.
    pub who: Who,
    /// What it does at its first attempt, without secrets.
    pub work: Work,
    /// What would become of it.
    pub action: Action,
}

/// How many instances would come to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Would run.
    pub run: u64,
    /// Are up to date.
    pub up_to_date: u64,
    /// Have succeeded already.
    pub kept: u64,
    /// Are left out.
    pub left: u64,
    /// Depend on what others make.
    pub waits: u64,
    /// Would fail at once.
    pub fails: u64,
    /// Would be blocked.
    pub blocked: u64,
}

/// What a task does to those that need it.
#[derive(Clone, Debug, Default)]
struct Effect {
    /// Something of it would run.
    runs: bool,
    /// Something of it is left out.
    left: bool,
    /// Something of it would fail: this.
    fails: Option<Text>,
}

/// Looks at the instances of a plan.
pub struct Outlook<'a> {
    plan: &'a mut Plan,
    past: Option<Past>,
    successes: &'a Successes,
    effects: Vec<Effect>,
}

impl<'a> Outlook<'a> {
    /// Of a plan, with what a record says that would be taken up, and what earlier runs have made.
    pub fn new(plan: &'a mut Plan, past: Option<Past>, successes: &'a Successes) -> Outlook<'a> {
        let effects = vec![Effect::default(); plan.tasks.len()];
        Outlook {
            plan,
            past,
            successes,
            effects,
        }
    }

    /// The plan. What was looked at has no instances any more.
    pub fn plan(&self) -> &Plan {
        self.plan
    }

    /// Tells the instances of a task, in their order; the tasks are to be asked for in the order of the plan. Those of
    /// a source that is read only while the job runs are not known, and none is told.
    ///
    /// # Errors
    ///
    /// What `tell` fails with, or a source that broke.
    pub fn task<E: From<SourceError>>(
        &mut self,
        task: usize,
        tell: &mut dyn FnMut(&Seen) -> Result<(), E>,
    ) -> Result<Sums, E> {
        let mut sums = Sums::default();
        if self.plan.tasks[task].total.is_none() {
            self.effects[task].runs = true;
            return Ok(sums);
        }
        let instances = std::mem::replace(&mut self.plan.tasks[task].instances, Box::new(std::iter::empty()));
        for instance in instances {
            let seen = self.look(task, &instance?);
            sums.count(&seen.action);
            let effect = &mut self.effects[task];
            match &seen.action {
                Action::Run(_) | Action::Waits(_) => effect.runs = true,
                Action::Left => effect.left = true,
                Action::Fails(_) => effect.fails = Some(seen.who.label.clone()),
                Action::Blocked(by) => effect.fails = Some(by.clone()),
                Action::UpToDate | Action::Kept => {}
            }
            tell(&seen)?;
        }
        Ok(sums)
    }

    fn look(&mut self, task: usize, instance: &Instance) -> Seen {
        let who = who(&self.plan.tasks[task].name, instance, &self.plan.secrets);
        let mut work = (instance.work)(1);
        self.plan.secrets.hide_work(&mut work);
        let mut action = self.action(task, instance, &who);
        if let Action::Run(Some(why)) | Action::Fails(why) = &mut action {
            self.plan.secrets.hide_string(why);
        }
        Seen { who, work, action }
    }

    fn action(&mut self, task: usize, instance: &Instance, who: &Who) -> Action {
        if let (Some(past), Some(key)) = (&mut self.past, &who.key) {
            match past.fate(&who.task, key) {
                Fate::Kept => return Action::Kept,
                Fate::Left => return Action::Left,
                Fate::Run => {}
            }
        }
        let needs = &self.plan.tasks[task].needs;
        if let Some(by) = needs.iter().find_map(|need| self.effects[*need].fails.clone()) {
            return Action::Blocked(by);
        }
        if needs.iter().any(|need| self.effects[*need].left) {
            return Action::Left;
        }
        let Some(files) = &instance.files else {
            return Action::Run(None);
        };
        // Of those that go item by item any may make what this one reads: its partners are not told apart here.
        let pairs = self.plan.tasks[task].needs_each.iter().map(|each| &each.task);
        if let Some(need) = needs.iter().chain(pairs).find(|need| self.effects[**need].runs) {
            return match files.outputs.is_empty() {
                true => Action::Run(None),
                false => Action::Waits(self.plan.tasks[*need].name.clone()),
            };
        }
        let known = who.key.and_then(|key| self.successes.content(&key));
        match files.examine(known) {
            Ok(Standing::UpToDate(_)) => Action::UpToDate,
            Ok(Standing::Stale { .. }) if files.outputs.is_empty() => Action::Run(None),
            Ok(Standing::Stale { why: Change::New, .. }) if self.successes.knows(who) => {
                Action::Run(Some("its command has changed".to_owned()))
            }
            Ok(Standing::Stale { why, .. }) => Action::Run(Some(why.to_string())),
            Err(why) => Action::Fails(why),
        }
    }
}

impl Action {
    /// In a word.
    pub fn as_str(&self) -> &'static str {
        match self {
            Action::Run(_) => "run",
            Action::UpToDate => "up_to_date",
            Action::Kept => "kept",
            Action::Left => "left",
            Action::Waits(_) => "waits",
            Action::Fails(_) => "fails",
            Action::Blocked(_) => "blocked",
        }
    }

    /// In a line, where the word does not say it all.
    pub fn why(&self) -> Option<String> {
        match self {
            Action::Run(why) => why.clone(),
            Action::UpToDate | Action::Kept | Action::Left => None,
            Action::Waits(task) => Some(format!("depends on what {task} makes")),
            Action::Fails(why) => Some(why.clone()),
            Action::Blocked(by) => Some(format!("by {by}")),
        }
    }
}

impl Sums {
    fn count(&mut self, action: &Action) {
        *match action {
            Action::Run(_) => &mut self.run,
            Action::UpToDate => &mut self.up_to_date,
            Action::Kept => &mut self.kept,
            Action::Left => &mut self.left,
            Action::Waits(_) => &mut self.waits,
            Action::Fails(_) => &mut self.fails,
            Action::Blocked(_) => &mut self.blocked,
        } += 1;
    }

    /// With those of another task.
    pub fn add(&mut self, other: Sums) {
        self.run += other.run;
        self.up_to_date += other.up_to_date;
        self.kept += other.kept;
        self.left += other.left;
        self.waits += other.waits;
        self.fails += other.fails;
        self.blocked += other.blocked;
    }

    /// Each number that is not nothing, with its words.
    pub fn parts(&self) -> impl Iterator<Item = (u64, &'static str)> {
        let parts = [
            (self.run, "to run"),
            (self.up_to_date, "up to date"),
            (self.kept, "kept"),
            (self.waits, "depending on others"),
            (self.left, "left out"),
            (self.fails, "about to fail"),
            (self.blocked, "blocked"),
        ];
        parts.into_iter().filter(|(n, _)| *n > 0)
    }
}
