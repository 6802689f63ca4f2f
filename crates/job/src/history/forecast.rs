//! A run beside earlier ones: how long it will still take, and what takes longer than it did. A fold of its events.

use std::sync::Arc;
use std::time::Duration;

use super::{History, Workload};
use crate::event::{Event, Kind, Outcome};
use crate::state::RunState;
use crate::text::Text;

/// How many slower instances are told of.
const TOLD: usize = 3;
/// Slower by less than this is noise, whatever the ratio.
const NOISE: Duration = Duration::from_millis(100);

/// What earlier runs make one expect of this one, and how it compares.
#[derive(Debug, Default)]
pub struct Forecast {
    history: Arc<History>,
    workload: Workload,
    jobs: usize,
    /// Of those that have ended: what was expected of them, what they took, and how many they are.
    expected: Duration,
    took: Duration,
    ended: u64,
    slower: Vec<Slower>,
    more: u64,
}

/// An instance that took much longer than last time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slower {
    /// What people call it.
    pub label: Text,
    /// How long it took.
    pub took: Duration,
    /// How long it took last time.
    pub was: Duration,
}

impl Forecast {
    /// For a run with `jobs` workers.
    pub fn new(history: Arc<History>, workload: Workload, jobs: usize) -> Forecast {
        Forecast {
            history,
            workload,
            jobs,
            ..Forecast::default()
        }
    }

    /// What it is made of.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Takes in the run's next event.
    pub fn event(&mut self, event: &Event) {
        if self.history.is_empty() {
            return;
        }
        let Kind::Finished { who, end, .. } = &event.kind else {
            return;
        };
        if end.retry || end.outcome != Outcome::Success {
            return;
        }
        let Some(expected) = self.history.expected(&who.task, who.item.as_ref()) else {
            return;
        };
        self.expected += expected;
        self.took += end.wall;
        self.ended += 1;
        if let Some(was) = self.history.last(&who.task, who.item.as_ref())
            && end.wall > was + was / 2 + NOISE
        {
            self.slower.push(Slower {
                label: who.label.clone(),
                took: end.wall,
                was,
            });
            self.slower
                .sort_by_key(|slower| std::cmp::Reverse(slower.took - slower.was));
            self.more += u64::from(self.slower.len() > TOLD);
            self.slower.truncate(TOLD);
        }
    }

    /// Those that lost most against last time, and how many more there are.
    pub fn slower(&self) -> (&[Slower], u64) {
        (&self.slower, self.more)
    }

    /// How long the rest of the run takes, at least and at most; `None`: not enough is known.
    pub fn left(&self, state: &RunState) -> Option<(Duration, Duration)> {
        let counts = state.counts();
        let known = self.workload.known;
        if known == 0 || !state.planned_complete() || counts.planned == 0 {
            return None;
        }
        let all = (known + self.workload.unknown) as f64;
        let unknown = self.workload.unknown as f64 / all;
        // What nothing is known of is taken to be like the rest, and what had nothing to do like what had.
        let work = self.workload.work.as_secs_f64() * all / known as f64;
        let skipped = (counts.kept + counts.up_to_date) as f64 / counts.planned as f64;
        let running: f64 = state
            .running()
            .filter_map(|running| {
                self.history
                    .expected(&running.who.task, running.who.item.as_ref())
            })
            .map(|expected| expected.as_secs_f64() / 2.0)
            .sum();
        let left = (work * (1.0 - skipped) - self.expected.as_secs_f64() - running).max(0.0);
        let pace = match self.expected.as_secs_f64() {
            expected if self.ended >= 3 && expected > 0.0 => {
                (self.took.as_secs_f64() / expected).clamp(0.2, 5.0)
            }
            _ => 1.0,
        };
        let waiting = counts.planned.saturating_sub(counts.done()).max(1);
        let middle = left * pace / (self.jobs.max(1) as f64).min(waiting as f64);
        // The more has been seen of this run, the surer its pace; what is unknown stays so.
        let spread = (0.1 + 0.4 / ((self.ended + 1) as f64).sqrt() + unknown / 2.0).min(0.9);
        let span = |seconds: f64| Duration::try_from_secs_f64(seconds).ok();
        Some((span(middle * (1.0 - spread))?, span(middle * (1.0 + spread))?))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{finished, history, who};
    use super::*;

    fn forecast(work: u64, known: u64, unknown: u64) -> Forecast {
        let history = history(&[("a", 1.0), ("b", 3.0)]);
        let workload = Workload {
            work: Duration::from_secs(work),
            known,
            unknown,
        };
        Forecast::new(Arc::new(history), workload, 2)
    }

    fn planned(total: u64) -> RunState {
        let mut state = RunState::new();
        let kind = Kind::Planned {
            task: "t".into(),
            total: Some(total),
        };
        state.apply(&Event::new(0, jiff::Timestamp::UNIX_EPOCH, kind));
        state
    }

    #[test]
    fn what_took_much_longer_than_last_time_is_told() {
        let mut forecast = forecast(4, 2, 0);
        forecast.event(&finished(who("t", 0, "a"), 1.4, Outcome::Success));
        assert_eq!(forecast.slower(), (&[][..], 0), "not by much");
        forecast.event(&finished(who("t", 1, "b"), 9.0, Outcome::Failed));
        assert_eq!(forecast.slower(), (&[][..], 0), "a failure says nothing of time");
        forecast.event(&finished(who("t", 1, "b"), 9.0, Outcome::Success));
        let slower = Slower {
            label: "t(b)".into(),
            took: Duration::from_secs(9),
            was: Duration::from_secs(3),
        };
        assert_eq!(forecast.slower(), (&[slower][..], 0));
        for _ in 0..3 {
            forecast.event(&finished(who("t", 1, "a"), 20.0, Outcome::Success));
        }
        let (told, more) = forecast.slower();
        assert_eq!((told.len(), more), (TOLD, 1));
        assert!(
            told.iter().all(|slower| slower.label == "t(a)".into()),
            "the worst"
        );
    }

    #[test]
    fn the_rest_is_what_is_expected_of_it_at_the_pace_of_this_run() {
        let mut forecast = forecast(400, 200, 0);
        let state = planned(200);
        let (least, most) = forecast.left(&state).expect("known");
        assert!(least < Duration::from_secs(200) && Duration::from_secs(200) < most);
        // Twice as slow as expected.
        for _ in 0..100 {
            forecast.event(&finished(who("t", 0, "a"), 2.0, Outcome::Success));
        }
        let (least, most) = forecast.left(&state).expect("known");
        let middle = Duration::from_secs(300);
        assert!(least < middle && middle < most, "{least:?} {most:?}");
        assert!(most - least < middle / 2, "{least:?} {most:?}");
    }

    #[test]
    fn without_a_history_nothing_is_forecast() {
        let mut none = Forecast::default();
        none.event(&finished(who("t", 0, "a"), 2.0, Outcome::Success));
        assert_eq!(none.left(&planned(3)), None);
        assert_eq!(none.slower(), (&[][..], 0));
        assert_eq!(forecast(0, 0, 4).left(&planned(4)), None);
    }
}
