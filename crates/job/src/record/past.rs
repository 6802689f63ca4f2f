//! What a record says of its instances, for a run that takes it up again: which need not run, and which are not asked
//! for. An instance is known by its [`Key`], wherever it stands now; where several have the same key, as many are kept
//! as have succeeded.
//!
//! Bounded by what it is about: 32 bytes for each instance, and an entry for each failure where those are asked for.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

use super::heard::{Heard, Met};
use super::recorder::held;
use super::{Error, Events, LOCK, OUTPUT, Record, Recorder, Torn, lock, place};
use crate::event::{Ended, Event, Kind, Since, Who};
use crate::key::Key;

/// What of a run is run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Everything that has not succeeded.
    Unfinished,
    /// Only what failed, or was blocked by what failed.
    Failed,
}

/// What is to become of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It runs.
    Run,
    /// It has succeeded, and is not run again.
    Kept,
    /// It is not among those that were asked for.
    Left,
}

/// The outcomes of a record, each of which is used up by the instance that it is found for.
#[derive(Clone, Debug, Default)]
pub struct Past {
    heard: Heard,
    failed: Option<Failed>,
}

/// The last words of instances that have not succeeded.
#[derive(Clone, Debug, Default)]
struct Failed {
    keys: HashMap<Key, Words>,
    /// Tasks that failed or were blocked as a whole: their instances were not even known.
    tasks: HashSet<String>,
}

/// How many instances of one key have failed for now: in earlier runs of the record, and in the latest.
#[derive(Clone, Copy, Debug, Default)]
struct Words {
    before: u32,
    now: u32,
}

/// A record that is taken up again.
#[derive(Debug)]
pub struct Resumed {
    /// Goes on with it.
    pub recorder: Recorder,
    /// What it says so far.
    pub past: Past,
    /// What was cut off at its end, and has been cut away.
    pub torn: Option<Torn>,
}

impl Record {
    /// Takes the record up again, under this job file: locks it, reads it, and cuts away a line that was not written to
    /// its end.
    ///
    /// # Errors
    ///
    /// When a living process writes it, when it is damaged, or cannot be read or written.
    pub fn resume(&self, again: Again, job: &[u8]) -> Result<Resumed, Error> {
        let dir = self.open()?;
        let failed = |error| self.failed(LOCK, "open", error);
        let lock = lock::take(self.open_or_make(&dir, LOCK)?).map_err(|taken| match taken {
            Ok(pid) => held(self.id(), pid),
            Err(error) => failed(error),
        })?;
        let (past, events) = self.past(again)?;
        // A kill may have come before it was there.
        self.open_or_make(&dir, OUTPUT)?;
        let mut new = Vec::new();
        if let Some(job) = self.keep_job(&dir, job)? {
            new.extend([job, File::from(dir)]);
        }
        let recorder = Recorder::append(self, lock, events.next_seq(), events.whole(), new)?;
        Ok(Resumed {
            recorder,
            past,
            torn: events.torn().cloned(),
        })
    }

    fn open_or_make(&self, dir: impl AsFd, name: &'static str) -> Result<File, Error> {
        let file = match place::file(dir.as_fd(), name, true) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => place::make_file(dir, name),
            file => file,
        };
        file.map_err(|error| self.failed(name, "open", error))
    }

    /// What the record says of its instances, without taking it up.
    ///
    /// # Errors
    ///
    /// When it is damaged or cannot be read.
    pub fn past(&self, again: Again) -> Result<(Past, Events), Error> {
        let output = match self.file(OUTPUT, false) {
            Ok(file) => file
                .metadata()
                .map_err(|error| self.failed(OUTPUT, "read", error))?
                .len(),
            Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let mut events = self.events()?.ends();
        let mut gather = Gather::new(again, output);
        for event in events.by_ref() {
            gather.event(&event?);
        }
        Ok((gather.past(), events))
    }
}

impl Past {
    /// What is to become of this instance of `task`; what speaks for it is used up.
    pub fn fate(&mut self, task: &str, key: &Key) -> Fate {
        if self.heard.take(key) {
            return Fate::Kept;
        }
        match &mut self.failed {
            None => Fate::Run,
            Some(failed) => match failed.take(key) || failed.tasks.contains(task) {
                true => Fate::Run,
                false => Fate::Left,
            },
        }
    }
}

impl Past {
    /// A run that takes the record up has this instance: what the record knows of it. To be asked once for each that is
    /// not [kept](Fate::Kept).
    pub fn meet(&mut self, who: &Who) -> Met {
        self.heard.meet(who)
    }

    /// How the instances of a task compare with those of the record, once all of them were met.
    pub fn since(&self, task: &str) -> Since {
        self.heard.since(task)
    }

    /// The tasks of the record that a job does not have any more, with the number of their instances.
    pub fn gone_tasks(&self, has: impl Fn(&str) -> bool) -> Vec<(String, u64)> {
        self.heard.gone_tasks(has)
    }
}

impl Failed {
    fn take(&mut self, key: &Key) -> bool {
        let Some(words) = self.keys.get_mut(key) else {
            return false;
        };
        let left = if words.before > 0 {
            &mut words.before
        } else {
            &mut words.now
        };
        let any = *left > 0;
        *left = left.saturating_sub(1);
        any
    }

    /// The latest run has a new word on an instance: the first one takes the place of what earlier runs said, a
    /// later attempt's that of the one before it.
    fn word(&mut self, key: Key, attempt: u32, failed: bool) {
        if !failed && !self.keys.contains_key(&key) {
            return;
        }
        let words = self.keys.entry(key).or_default();
        let earlier = if attempt > 1 {
            &mut words.now
        } else {
            &mut words.before
        };
        *earlier = earlier.saturating_sub(1);
        words.now += u32::from(failed);
    }
}

/// Reads a record's events.
struct Gather {
    heard: Heard,
    failed: Option<Failed>,
    /// How much captured output there is.
    output: u64,
}

impl Gather {
    fn new(again: Again, output: u64) -> Gather {
        Gather {
            heard: Heard::default(),
            failed: (again == Again::Failed).then(Failed::default),
            output,
        }
    }

    fn event(&mut self, event: &Event) {
        match &event.kind {
            Kind::RunStarted { .. } => {
                self.heard.begin();
                for words in self.failed.iter_mut().flat_map(|failed| failed.keys.values_mut()) {
                    words.before += std::mem::take(&mut words.now);
                }
            }
            Kind::Finished { who, attempt, end } => {
                let succeeded = end.outcome.is_success() && self.is_there(end);
                self.heard.ended(who, u32::from(succeeded), !end.retry);
                // That one was stopped says nothing of it.
                if end.outcome != crate::event::Outcome::Killed {
                    self.word(who, *attempt, !succeeded);
                }
            }
            Kind::Blocked { who, .. } => {
                self.heard.ended(who, 0, true);
                self.word(who, 1, true);
            }
            Kind::Planned { task, total } => self.heard.planned(task, *total),
            Kind::Kept { task, count, .. } => self.heard.kept(task, *count),
            _ => {}
        }
    }

    fn word(&mut self, who: &Who, attempt: u32, bad: bool) {
        let Some(failed) = &mut self.failed else { return };
        match who.key {
            Some(key) => failed.word(key, attempt, bad),
            None if bad => {
                failed.tasks.insert(who.task.clone());
            }
            None => {}
        }
    }

    /// Its output has survived what ended the run; a machine that lost its power may have kept the event alone.
    fn is_there(&self, end: &Ended) -> bool {
        end.output_at
            .is_none_or(|at| at.saturating_add(end.stdout).saturating_add(end.stderr) <= self.output)
    }

    fn past(mut self) -> Past {
        self.heard.settle();
        Past {
            heard: self.heard,
            failed: self.failed,
        }
    }
}
