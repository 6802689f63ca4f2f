//! Instances that a resumed run does not run again: they are taken from their sources like all others, and counted.

use pexec::Executor;

use super::Conductor;
use crate::event::{Kind, Since, Who};
use crate::record::{Fate, Past};

/// How many instances are passed over in one turn: the run must go on listening meanwhile.
const TURN: u64 = 4096;

/// What is left of the past, and what is still to be told of it.
pub(super) struct Kept {
    past: Option<Past>,
    /// By task.
    untold: Vec<u64>,
    passed: u64,
}

impl Kept {
    pub(super) fn new(past: Option<Past>, tasks: usize) -> Kept {
        Kept {
            past,
            untold: vec![0; tasks],
            passed: 0,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.past.is_some()
    }

    /// Enough of them were passed over for now.
    pub(super) fn is_tired(&self) -> bool {
        self.passed >= TURN
    }
}

impl<E: Executor> Conductor<'_, E> {
    /// What is to become of an instance that its source has just given, as far as the past goes. One that is not to run
    /// is done with.
    pub(super) fn fate(&mut self, task: usize, who: &Who) -> Fate {
        let (Some(past), Some(key)) = (&mut self.past.past, &who.key) else {
            return Fate::Run;
        };
        let fate = past.fate(&who.task, key);
        if fate != Fate::Kept {
            past.meet(who);
        }
        match fate {
            Fate::Run => return fate,
            Fate::Kept => self.past.untold[task] += 1,
            Fate::Left => {
                self.tasks.begin(task);
                self.tasks.abandon(task);
            }
        }
        self.past.passed += 1;
        fate
    }

    /// Tells how many instances of a task were kept, before anything is made of it.
    pub(super) fn tell_kept_of(&mut self, task: usize) {
        let count = std::mem::take(&mut self.past.untold[task]);
        if count > 0 {
            let task = self.sources[task].name.clone();
            let since = Since::default();
            self.teller.event(Kind::Kept { task, count, since });
        }
    }

    /// Tells how the instances of a task, all of which were met, compare with those of the record.
    pub(super) fn tell_since(&mut self, task: usize) {
        let Some(past) = &self.past.past else { return };
        let since = past.since(&self.sources[task].name);
        if !since.is_nothing() {
            let task = self.sources[task].name.clone();
            let count = 0;
            self.teller.event(Kind::Kept { task, count, since });
        }
    }

    /// Tells of the instances whose task the job does not have any more.
    pub(super) fn tell_gone_tasks(&mut self) {
        let Some(past) = &self.past.past else { return };
        for (task, gone) in past.gone_tasks(|name| self.sources.iter().any(|source| source.name == name)) {
            if gone > 0 {
                let since = Since {
                    gone,
                    ..Since::default()
                };
                let count = 0;
                self.teller.event(Kind::Kept { task, count, since });
            }
        }
    }

    /// The same of all tasks. True: it may be that there are more.
    pub(super) fn tell_kept(&mut self) -> bool {
        if self.past.passed == 0 {
            return false;
        }
        for task in 0..self.past.untold.len() {
            self.tell_kept_of(task);
        }
        let more = self.past.is_tired() && self.goes_on();
        self.past.passed = 0;
        more
    }
}
