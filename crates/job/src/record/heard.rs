//! The instances that a record has heard of: how many successes each one has left, and how those of a later run compare
//! with them.
//!
//! Bounded by what it is about: 32 bytes for each different instance.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::event::{Since, Who};
use crate::key::Key;

/// What the record knows of an instance that a later run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// It has heard of it, or there is no telling.
    Known,
    /// It has heard of one with these names that did something else.
    Changed,
    /// It has not heard of it.
    New,
}

/// Instances, by their keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    ones: Vec<One>,
    /// The place of the one that was found last.
    found: usize,
    tasks: Vec<Task>,
    places: HashMap<String, u32>,
    /// The names of all, sorted; made when they are asked for.
    names: Option<Vec<u64>>,
}

#[derive(Clone, Debug)]
struct One {
    key: Key,
    /// Of its task, label and item.
    name: u64,
    task: u32,
    /// How many successes nobody has used up.
    left: u32,
    met: bool,
}

/// A task of the record.
#[derive(Clone, Debug, Default)]
struct Task {
    /// How many instances it had when the run was started last, and how many of these came to an end.
    total: Option<u64>,
    ended: u64,
    /// How many of the later run the record has not heard of, and the names of those that have changed.
    unknown: u64,
    changed: Vec<u64>,
}

impl Heard {
    /// The run was started (again).
    pub(super) fn begin(&mut self) {
        for task in &mut self.tasks {
            (task.total, task.ended) = (None, 0);
        }
    }

    /// The task has so many instances.
    pub(super) fn planned(&mut self, task: &str, total: Option<u64>) {
        let task = self.task(task);
        self.tasks[task as usize].total = total;
    }

    /// So many of them needed nothing more.
    pub(super) fn kept(&mut self, task: &str, count: u64) {
        let task = self.task(task);
        self.tasks[task as usize].ended += count;
    }

    /// One of them has ended, with so many successes; `last`: and is not tried again.
    pub(super) fn ended(&mut self, who: &Who, successes: u32, last: bool) {
        let task = self.task(&who.task);
        self.tasks[task as usize].ended += u64::from(last);
        if let Some(key) = who.key {
            self.ones.push(One {
                key,
                name: name(who),
                task,
                left: successes,
                met: false,
            });
        }
    }

    /// Nothing more is to be heard.
    pub(super) fn settle(&mut self) {
        self.ones.sort_unstable_by_key(|one| one.key.rank());
        self.ones.dedup_by(|again, first| {
            let same = again.key == first.key;
            if same {
                first.left = first.left.saturating_add(again.left);
            }
            same
        });
        self.ones.shrink_to_fit();
    }

    /// Uses up a success of this instance, which a later run has.
    pub(super) fn take(&mut self, key: &Key) -> bool {
        let Some(one) = self.find(key) else { return false };
        one.met = true;
        let any = one.left > 0;
        one.left = one.left.saturating_sub(1);
        any
    }

    /// A later run has this instance.
    pub(super) fn meet(&mut self, who: &Who) -> Met {
        let Some(key) = &who.key else { return Met::Known };
        if let Some(one) = self.find(key) {
            one.met = true;
            return Met::Known;
        }
        let name = name(who);
        let names = self.names.get_or_insert_with(|| {
            let mut names: Vec<u64> = self.ones.iter().map(|one| one.name).collect();
            names.sort_unstable();
            names
        });
        let known = names.binary_search(&name).is_ok();
        let task = self.task(&who.task);
        let task = &mut self.tasks[task as usize];
        match known {
            true => task.changed.push(name),
            false => task.unknown += 1,
        }
        if known { Met::Changed } else { Met::New }
    }

    /// How a task's instances, all of which were met, compare with those of the record.
    pub(super) fn since(&self, task: &str) -> Since {
        let Some(place) = self.places.get(task) else {
            return Since::default();
        };
        let it = &self.tasks[*place as usize];
        // A run that was ended early has not come to all of its instances: those are not new now.
        let unreached = it.total.map(|total| total.saturating_sub(it.ended));
        Since {
            changed: it.changed.len() as u64,
            new: it
                .unknown
                .saturating_sub(unreached.unwrap_or(if it.ended > 0 { u64::MAX } else { 0 })),
            gone: self.gone(*place),
        }
    }

    /// The tasks of the record that are none of these, and how many instances of theirs there are.
    pub(super) fn gone_tasks(&self, has: impl Fn(&str) -> bool) -> Vec<(String, u64)> {
        let gone = self.places.iter().filter(|(name, _)| !has(name));
        let mut gone: Vec<_> = gone
            .map(|(name, place)| (name.clone(), self.gone(*place)))
            .collect();
        gone.sort();
        gone
    }

    /// How many names of the task nobody has any more.
    fn gone(&self, task: u32) -> u64 {
        let of = |met: bool| {
            let ones = self
                .ones
                .iter()
                .filter(move |one| one.task == task && one.met == met);
            ones.map(|one| one.name)
        };
        let mut missed: Vec<u64> = of(false).collect();
        if missed.is_empty() {
            return 0;
        }
        missed.sort_unstable();
        missed.dedup();
        let mut here: Vec<u64> = of(true)
            .chain(self.tasks[task as usize].changed.iter().copied())
            .collect();
        here.sort_unstable();
        missed.retain(|name| here.binary_search(name).is_err());
        missed.len() as u64
    }

    fn find(&mut self, key: &Key) -> Option<&mut One> {
        // Each instance is asked for twice in a row.
        if self.ones.get(self.found).is_none_or(|one| one.key != *key) {
            let rank = key.rank();
            self.found = self.ones.binary_search_by_key(&rank, |one| one.key.rank()).ok()?;
        }
        self.ones.get_mut(self.found)
    }

    fn task(&mut self, name: &str) -> u32 {
        if let Some(place) = self.places.get(name) {
            return *place;
        }
        let place = self.tasks.len() as u32;
        self.tasks.push(Task::default());
        self.places.insert(name.to_owned(), place);
        place
    }
}

/// What people know it by. Never kept for longer than a process lives.
fn name(who: &Who) -> u64 {
    let mut hasher = DefaultHasher::new();
    (
        &who.task,
        who.label.as_bytes(),
        who.item.as_ref().map(|item| item.as_bytes()),
    )
        .hash(&mut hasher);
    hasher.finish()
}
