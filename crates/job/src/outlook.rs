//! What a run of a plan would do with each instance, and why, found without running anything.
//!
//! It asks what a run asks: the record that is taken up again, and for tasks with `outputs` the content of files. What
//! a task would make decides what becomes of those that need it, so they are looked at in the order of the plan, one
//! instance at a time; only what a task comes to is kept.

use std::collections::HashMap;

use crate::event::{Since, Who};
use crate::files::{Change, Standing, Successes};
use crate::plan::{Instance, NeedEach, Pair, Plan, SourceError};
use crate::record::{Fate, Met, Past};
use crate::run::who;
use crate::text::Text;
use crate::work::Work;

/// Why one runs that has run under the same names before.
const CHANGED: &str = "its command has changed";

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

/// What a task, or an instance of it, does to those that need it.
#[derive(Clone, Debug, Default)]
struct Effect {
    /// Something of it would run.
    runs: bool,
    /// Something of it is left out.
    left: bool,
    /// Something of it would fail: this.
    fails: Option<Text>,
}

impl Effect {
    fn note(&mut self, seen: &Seen) {
        match &seen.action {
            Action::Run(_) | Action::Waits(_) => self.runs = true,
            Action::Left => self.left = true,
            Action::Fails(_) => self.fails = Some(seen.who.label.clone()),
            Action::Blocked(by) => self.fails = Some(by.clone()),
            Action::UpToDate | Action::Kept => {}
        }
    }
}

/// Looks at the instances of a plan.
pub struct Outlook<'a> {
    plan: &'a mut Plan,
    past: Option<Past>,
    successes: &'a Successes,
    effects: Vec<Effect>,
    edges: Vec<Edge>,
    since: Since,
}

/// A task that waits for another one item by item.
struct Edge {
    task: usize,
    need: NeedEach,
    /// What the other one's instances do to those that belong to them; most do nothing.
    pairs: HashMap<Pair, Effect>,
}

impl Edge {
    fn effect(&self, instance: &Instance) -> Option<&Effect> {
        self.pairs.get(&pair(instance, &self.need.own))
    }
}

fn pair(instance: &Instance, keys: &[usize]) -> Pair {
    let shared = keys.iter().filter_map(|key| instance.keys.get(*key));
    Pair::of_item(instance.item.as_ref()).with(shared)
}

impl<'a> Outlook<'a> {
    /// Of a plan, with what a record says that would be taken up, and what earlier runs have made.
    pub fn new(plan: &'a mut Plan, past: Option<Past>, successes: &'a Successes) -> Outlook<'a> {
        let effects = vec![Effect::default(); plan.tasks.len()];
        let needs = plan.tasks.iter().enumerate();
        let edges = needs.flat_map(|(task, it)| it.needs_each.iter().map(move |need| (task, need.clone())));
        let edges = edges.map(|(task, need)| Edge {
            task,
            need,
            pairs: HashMap::new(),
        });
        let edges = edges.collect();
        let mut outlook = Outlook {
            plan,
            past,
            successes,
            effects,
            edges,
            since: Since::default(),
        };
        outlook.look_for_gone_tasks();
        outlook
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
            let instance = instance?;
            let seen = self.look(task, &instance);
            sums.count(&seen.action);
            self.effects[task].note(&seen);
            for edge in self.edges.iter_mut().filter(|edge| edge.need.task == task) {
                if !matches!(seen.action, Action::UpToDate | Action::Kept) {
                    let pair = pair(&instance, &edge.need.theirs);
                    edge.pairs.entry(pair).or_default().note(&seen);
                }
            }
            tell(&seen)?;
        }
        if let Some(past) = &self.past {
            self.since.add(past.since(&self.plan.tasks[task].name));
        }
        Ok(sums)
    }

    /// How the instances that were looked at compare with those of the record.
    pub fn since(&self) -> Since {
        self.since
    }

    fn look_for_gone_tasks(&mut self) {
        if let Some(past) = self.past.as_ref().filter(|_| self.plan.whole) {
            let gone = past.gone_tasks(|name| self.plan.tasks.iter().any(|task| task.name == name));
            self.since.gone += gone.iter().map(|(_, gone)| gone).sum::<u64>();
        }
    }

    fn look(&mut self, task: usize, instance: &Instance) -> Seen {
        let who = who(&self.plan.tasks[task].name, instance, &self.plan.secrets);
        let mut work = (instance.work)(1);
        self.plan.secrets.hide_work(&mut work);
        let mut action = self.action(task, instance, &who);
        let met = self.past.as_mut().map(|past| past.meet(&who));
        if let (Some(Met::Changed), Action::Run(why @ None)) = (met, &mut action) {
            *why = Some(CHANGED.to_owned());
        }
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
        let edges = || self.edges.iter().filter(|edge| edge.task == task);
        let partners = || edges().filter_map(|edge| edge.effect(instance));
        if let Some(by) = partners().find_map(|effect| effect.fails.clone()) {
            return Action::Blocked(by);
        }
        if needs.iter().any(|need| self.effects[*need].left) || partners().any(|effect| effect.left) {
            return Action::Left;
        }
        let Some(files) = &instance.files else {
            return Action::Run(None);
        };
        let runs = |edge: &&Edge| {
            let nobody_knows = self.plan.tasks[edge.need.task].total.is_none();
            nobody_knows || edge.effect(instance).is_some_and(|effect| effect.runs)
        };
        let need = needs.iter().copied().find(|need| self.effects[*need].runs);
        if let Some(need) = need.or_else(|| edges().find(runs).map(|edge| edge.need.task)) {
            return match files.outputs.is_empty() {
                true => Action::Run(None),
                false => Action::Waits(self.plan.tasks[need].name.clone()),
            };
        }
        let known = who.key.and_then(|key| self.successes.content(&key));
        match files.examine(known) {
            Ok(Standing::UpToDate(_)) => Action::UpToDate,
            Ok(Standing::Stale { .. }) if files.outputs.is_empty() => Action::Run(None),
            Ok(Standing::Stale { why: Change::New, .. }) if self.successes.knows(who) => {
                Action::Run(Some(CHANGED.to_owned()))
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
