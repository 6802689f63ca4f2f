//! Everything that events tell of some instances: their attempts, in order, and what they came to.

use std::collections::HashMap;

use jiff::Timestamp;
use pexec_job::event::{Ended, Event, Kind, Who};
use pexec_job::text::Text;

use super::Chosen;

/// One instance.
pub(crate) struct Told {
    /// Its names, as the last event about it has them.
    pub(crate) who: Who,
    /// Over all times that the run was started.
    pub(crate) attempts: Vec<Attempt>,
    /// The label of what failed before it, if that is its last word.
    pub(crate) blocked_by: Option<Text>,
}

/// One attempt of it.
pub(crate) struct Attempt {
    /// From 1; counted anew where the run was resumed.
    pub(crate) number: u32,
    pub(crate) began: Option<Timestamp>,
    pub(crate) pid: Option<u32>,
    pub(crate) worker: Option<u64>,
    /// `None`: it had not ended when the record did.
    pub(crate) ended: Option<Box<Ended>>,
}

/// Takes events in.
#[derive(Default)]
pub(crate) struct Collector {
    told: Vec<Told>,
    places: HashMap<String, usize>,
}

impl Collector {
    pub(crate) fn apply(&mut self, event: &Event, chosen: &Chosen) {
        match &event.kind {
            Kind::Started {
                who,
                attempt,
                pid,
                worker,
            } if chosen.has(who) => {
                let began = Some(event.at);
                let told = self.of(who);
                told.blocked_by = None;
                told.attempts.push(Attempt {
                    number: *attempt,
                    began,
                    pid: *pid,
                    worker: *worker,
                    ended: None,
                });
            }
            Kind::Finished { who, attempt, end } if chosen.has(who) => {
                let told = self.of(who);
                let mut end = end.clone();
                if *chosen == Chosen::All {
                    // There may be a million of them, and this is not shown.
                    end.tail = Text::default();
                    let last = told.attempts.len().saturating_sub(1);
                    told.attempts.drain(..last);
                }
                match told.attempts.last_mut() {
                    Some(last) if last.number == *attempt && last.ended.is_none() => {
                        last.ended = Some(end);
                    }
                    // Up to date: it was never started.
                    _ => told.attempts.push(Attempt {
                        number: *attempt,
                        began: None,
                        pid: None,
                        worker: None,
                        ended: Some(end),
                    }),
                }
            }
            Kind::Blocked { who, by } if chosen.has(who) => self.of(who).blocked_by = Some(by.clone()),
            _ => {}
        }
    }

    fn of(&mut self, who: &Who) -> &mut Told {
        let at = *self.places.entry(who.id.clone()).or_insert_with(|| {
            self.told.push(Told {
                who: who.clone(),
                attempts: Vec::new(),
                blocked_by: None,
            });
            self.told.len() - 1
        });
        self.told[at].who = who.clone();
        &mut self.told[at]
    }

    pub(crate) fn end(self) -> Vec<Told> {
        self.told
    }
}

impl Told {
    /// In a word, and why in a line.
    pub(crate) fn end(&self) -> (&'static str, String) {
        if let Some(by) = &self.blocked_by {
            return ("blocked", format!("by {by}"));
        }
        match self.attempts.last().map(|last| &last.ended) {
            Some(Some(ended)) => (ended.outcome.as_str(), ended.why.clone().unwrap_or_default()),
            Some(None) => ("unfinished", "the record ends before it does".to_owned()),
            None => ("not run", String::new()),
        }
    }
}
