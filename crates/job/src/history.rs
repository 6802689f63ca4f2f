//! What earlier runs of a job took, as far as their records tell: by task and item, so that it holds when the command has
//! changed.
//!
//! It decides nothing that matters: an order, a forecast, a remark. So whatever cannot be read is passed over, and how
//! much is read and kept is bounded, however many records there are.

mod forecast;
mod order;

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use crate::event::{Ended, Event, Kind, Outcome, Who};
use crate::record::{Record, Store};
use crate::text::Text;

pub use forecast::{Forecast, Slower};
pub use order::{Workload, arrange};

/// How many earlier runs are read, the latest ones.
const RUNS: usize = 5;
/// How many of their events.
const EVENTS: usize = 200_000;
/// How many instances are kept.
const ENTRIES: usize = 100_000;

/// The successes of earlier runs.
#[derive(Debug, Default)]
pub struct History {
    runs: usize,
    events: usize,
    seen: HashMap<u64, Seen>,
    tasks: HashMap<String, Tally>,
}

/// The latest success of an instance.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Seen {
    seconds: f32,
    /// The run that it is from, counted backwards.
    run: u8,
}

/// All successes of a task.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    count: u64,
    seconds: f64,
}

impl History {
    /// Reads what `store` has of the job of this name in `dir`, but for the run `except`.
    pub fn gather(store: &Store, job: &str, dir: &Path, except: &str) -> History {
        let mut history = History::default();
        let Ok(records) = store.of_job(job, dir) else {
            return history;
        };
        for record in records.filter(|record| record.id() != except).take(RUNS) {
            history.read(&record);
            if history.events >= EVENTS {
                break;
            }
        }
        history
    }

    /// A damaged record is worth what stands before the damage.
    fn read(&mut self, record: &Record) {
        let Ok(events) = record.events() else { return };
        let before = self.seen.len();
        for event in events.ends().map_while(Result::ok).take(EVENTS - self.events) {
            self.events += 1;
            self.event(&event);
        }
        self.runs += usize::from(self.seen.len() > before);
    }

    /// Takes in an event of the run that is read just now.
    fn event(&mut self, event: &Event) {
        if let Kind::Finished { who, end, .. } = &event.kind
            && end.outcome == Outcome::Success
        {
            self.success(who, end);
        }
    }

    fn success(&mut self, who: &Who, end: &Ended) {
        let seconds = end.wall.as_secs_f32();
        let run = u8::try_from(self.runs).unwrap_or(u8::MAX);
        let room = self.seen.len() < ENTRIES;
        let place = place(&who.task, who.item.as_ref());
        match self.seen.get_mut(&place) {
            // In a matrix several instances have the same item: the longest one stands for them.
            Some(seen) if seen.run == run => seen.seconds = seen.seconds.max(seconds),
            Some(_) => {}
            None if room => drop(self.seen.insert(place, Seen { seconds, run })),
            None => {}
        }
        let tally = self.tasks.entry(who.task.clone()).or_default();
        tally.count += 1;
        tally.seconds += end.wall.as_secs_f64();
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// From how many runs it is.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// It has heard of this task.
    pub fn knows(&self, task: &str) -> bool {
        self.tasks.contains_key(task)
    }

    /// How long this instance took when it last succeeded.
    pub fn last(&self, task: &str, item: Option<&Text>) -> Option<Duration> {
        let seen = self.seen.get(&place(task, item))?;
        Some(Duration::from_secs_f32(seen.seconds))
    }

    /// The same, or else what instances of the task take on average.
    pub fn expected(&self, task: &str, item: Option<&Text>) -> Option<Duration> {
        self.last(task, item).or_else(|| {
            let tally = self.tasks.get(task)?;
            Some(Duration::from_secs_f64(tally.seconds / tally.count as f64))
        })
    }
}

fn place(task: &str, item: Option<&Text>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (task, item).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn who(task: &str, index: u64, item: &str) -> Who {
        Who {
            id: format!("{task}/{index}"),
            task: task.into(),
            index,
            label: format!("{task}({item})").into(),
            item: Some(item.into()),
            key: None,
        }
    }

    pub(crate) fn finished(who: Who, seconds: f64, outcome: Outcome) -> Event {
        let end = Ended {
            wall: Duration::from_secs_f64(seconds),
            ..Ended::new(outcome)
        };
        let kind = Kind::Finished {
            who,
            attempt: 1,
            end: Box::new(end),
        };
        Event::new(0, jiff::Timestamp::UNIX_EPOCH, kind)
    }

    /// A history of one run with these successes of `t`.
    pub(crate) fn history(successes: &[(&str, f64)]) -> History {
        let mut history = History::default();
        for (index, (item, seconds)) in (0..).zip(successes) {
            history.event(&finished(who("t", index, item), *seconds, Outcome::Success));
        }
        history.runs = 1;
        history
    }

    #[test]
    fn what_succeeded_is_remembered_and_what_is_new_is_expected_to_be_average() {
        let mut history = history(&[("a", 1.0), ("b", 3.0)]);
        history.event(&finished(who("t", 2, "c"), 50.0, Outcome::Failed));
        assert_eq!(history.last("t", Some(&"b".into())), Some(Duration::from_secs(3)));
        assert_eq!(history.last("t", Some(&"c".into())), None);
        assert_eq!(
            history.expected("t", Some(&"c".into())),
            Some(Duration::from_secs(2))
        );
        assert_eq!(history.expected("u", Some(&"b".into())), None);
    }

    #[test]
    fn the_latest_run_counts() {
        let mut history = history(&[("a", 1.0)]);
        // Read later, so it is an earlier run.
        history.event(&finished(who("t", 0, "a"), 9.0, Outcome::Success));
        assert_eq!(history.last("t", Some(&"a".into())), Some(Duration::from_secs(1)));
    }
}
