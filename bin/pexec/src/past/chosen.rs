//! Which instances somebody means by a name: one label or id, a task, or the beginning of a label.
//!
//! Names are looked for in one reading, with a bounded number of candidates held, however many instances there are.

use std::collections::HashSet;

use pexec_job::event::{Event, Kind, Who};
use pexec_job::text::Text;

use crate::wording;

/// How many candidates an ambiguous name is told with.
const CANDIDATES: usize = 8;

/// The instances that are meant.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chosen {
    /// Those with these ids and this label: one, unless items are equal.
    Named(HashSet<String>),
    /// All of a task.
    Task(String),
    /// All of the run.
    All,
}

impl Chosen {
    /// It is one of them.
    pub(crate) fn has(&self, who: &Who) -> bool {
        match self {
            Chosen::Named(ids) => ids.contains(&who.id),
            Chosen::Task(task) => who.task == *task,
            Chosen::All => true,
        }
    }
}

/// Looks for a name in events.
pub(crate) struct Search<'a> {
    name: &'a str,
    exact: HashSet<String>,
    task: bool,
    /// The first few whose label begins so, with their labels.
    begins: Vec<(String, Text)>,
    /// There are more.
    more: bool,
}

impl<'a> Search<'a> {
    pub(crate) fn new(name: &'a str) -> Search<'a> {
        Search {
            name,
            exact: HashSet::new(),
            task: false,
            begins: Vec::new(),
            more: false,
        }
    }

    pub(crate) fn look(&mut self, event: &Event) {
        let (Kind::Started { who, .. } | Kind::Finished { who, .. } | Kind::Blocked { who, .. }) =
            &event.kind
        else {
            return;
        };
        // As it is shown, which is how somebody types it.
        let label = who.label.to_string();
        self.task |= who.task == self.name;
        if label == self.name || who.id == self.name {
            self.exact.insert(who.id.clone());
        } else if label.starts_with(self.name) && !self.begins.iter().any(|(id, _)| *id == who.id) {
            match self.begins.len() < CANDIDATES {
                true => self.begins.push((who.id.clone(), who.label.clone())),
                false => self.more = true,
            }
        }
    }

    /// What was meant; otherwise why nothing can be.
    pub(crate) fn end(self, run: &str) -> Result<Chosen, String> {
        if !self.exact.is_empty() {
            return Ok(Chosen::Named(self.exact));
        }
        if self.task {
            return Ok(Chosen::Task(self.name.to_owned()));
        }
        match self.begins.as_slice() {
            [] => Err(format!(
                "run {run} has heard of no instance `{}`; `show {run}` lists them",
                self.name
            )),
            [(id, _)] if !self.more => Ok(Chosen::Named(HashSet::from([id.clone()]))),
            several => {
                let labels: Vec<String> = several.iter().map(|(_, label)| wording::label(label)).collect();
                Err(format!(
                    "`{}` is the beginning of more than one instance: {}{}",
                    self.name,
                    labels.join(", "),
                    if self.more { ", .." } else { "" }
                ))
            }
        }
    }
}
