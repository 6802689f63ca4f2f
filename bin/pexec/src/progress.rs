//! Progress on standard error while a run lasts. Fed by the fold of the run's events and by nothing else, so
//! it cannot tell another story than the summary and the events file.
//!
//! It decides when there is something to show and what; it writes nothing itself, for only the writer knows what else
//! stands on the screen. An event costs it no more than a look at the clock.

mod bar;
mod plain;
mod rate;

use std::time::{Duration, Instant};

use pexec_job::event;

use crate::cli::ProgressKind;
use crate::terminal::{Size, Terminal};
use crate::wording;

/// Progress, as asked for.
pub(crate) struct Progress(Shown);

enum Shown {
    Nothing,
    Lines(plain::Plain),
    Bar(bar::Bar),
}

/// Something to show.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Show {
    /// A line, for good.
    Line(String),
    /// These lines at the bottom of the screen, instead of the ones that were there.
    Block(Vec<String>),
}

/// What progress tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// So far.
    pub(crate) instances: event::Counts,
    /// No more will become known.
    pub(crate) complete: bool,
}

/// Asked only when something is to be shown.
pub(crate) trait Facts {
    /// The numbers.
    fn counts(&self) -> Counts;
    /// Up to so many of the instances that run, longest first.
    fn running(&self, most: usize) -> Vec<Running>;
    /// How long the rest takes, at least and at most, as far as earlier runs tell.
    fn left(&self) -> Option<(Duration, Duration)>;
}

/// A running instance.
pub(crate) struct Running {
    /// Its label, on one line.
    pub(crate) label: String,
    /// For how long.
    pub(crate) since: Duration,
}

impl Progress {
    /// As asked for; `logging`: log lines go to standard error too, which a bar would garble.
    pub(crate) fn new(kind: ProgressKind, terminal: Terminal, logging: bool, now: Instant) -> Progress {
        let bar = match kind {
            ProgressKind::None => return Progress(Shown::Nothing),
            ProgressKind::Plain => false,
            ProgressKind::Auto => terminal.stderr && !logging,
            ProgressKind::Bar => terminal.stderr,
        };
        Progress(if bar {
            Shown::Bar(bar::Bar::new(now))
        } else {
            Shown::Lines(plain::Plain::new(now))
        })
    }

    /// There is a block at the bottom of the screen.
    pub(crate) fn has_bar(&self) -> bool {
        matches!(self.0, Shown::Bar(_))
    }

    /// What to show now, if it is time to; `size`: of the terminal.
    pub(crate) fn tick(&mut self, now: Instant, facts: &dyn Facts, size: fn() -> Size) -> Option<Show> {
        match &mut self.0 {
            Shown::Nothing => None,
            Shown::Lines(plain) => plain.tick(now, facts).map(Show::Line),
            Shown::Bar(bar) => bar.tick(now, facts, size).map(Show::Block),
        }
    }
}

/// `1,203/5,000 done, 3 failed, 512/s, 7s left`; with a history the time left is `5s..9s left`.
fn status(counts: &Counts, per_second: Option<f64>, left: Option<(Duration, Duration)>) -> String {
    let event::Counts {
        planned,
        failed,
        blocked,
        ..
    } = counts.instances;
    let done = counts.instances.done();
    let mut text = wording::count(done);
    if counts.complete {
        text += &format!("/{}", wording::count(planned));
    }
    text += " done";
    for (n, what) in [(failed, "failed"), (blocked, "blocked")] {
        if n > 0 {
            text += &format!(", {} {what}", wording::count(n));
        }
    }
    if let Some(per_second) = per_second {
        text += &format!(", {}", wording::rate(per_second));
    }
    let by_rate = per_second
        .filter(|_| counts.complete)
        .and_then(|rate| rate::time_left(rate, planned.saturating_sub(done)));
    match (
        left.map(|(least, most)| (wording::whole_span(least), wording::whole_span(most))),
        by_rate,
    ) {
        (Some((least, most)), _) if least == most => text += &format!(", {least} left"),
        (Some((least, most)), _) => text += &format!(", {least}..{most} left"),
        (None, Some(left)) => text += &format!(", {} left", wording::whole_span(left)),
        (None, None) => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_gives_the_time_left_as_an_interval() {
        let counts = Counts {
            instances: event::Counts {
                planned: 9,
                succeeded: 3,
                ..event::Counts::default()
            },
            complete: true,
        };
        let seconds = Duration::from_secs;
        assert_eq!(status(&counts, Some(2.0), None), "3/9 done, 2.0/s, 3s left");
        assert_eq!(
            status(&counts, Some(2.0), Some((seconds(5), seconds(70)))),
            "3/9 done, 2.0/s, 5s..1m 10s left"
        );
        assert_eq!(
            status(&counts, None, Some((seconds(5), seconds(5)))),
            "3/9 done, 5s left"
        );
    }
}
