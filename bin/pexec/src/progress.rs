//! Progress on standard error while a run lasts. Fed by the fold of the run's events and by nothing else, so
//! it cannot tell another story than the summary and the events file.

mod bar;
mod plain;
mod rate;

use std::time::{Duration, Instant};

use indicatif::MultiProgress;
use pexec_job::event;

use crate::cli::ProgressKind;
use crate::terminal::Terminal;
use crate::wording;

/// Progress, as asked for.
pub(crate) struct Progress(Shown);

enum Shown {
    Nothing,
    Lines(plain::Plain),
    Bar(Box<bar::Bar>),
}

/// The numbers that progress tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// So far.
    pub(crate) instances: event::Counts,
    /// No more will become known.
    pub(crate) complete: bool,
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
    pub(crate) fn start(kind: ProgressKind, terminal: Terminal, logging: bool) -> Progress {
        let now = Instant::now();
        let bar = match kind {
            ProgressKind::None => return Progress(Shown::Nothing),
            ProgressKind::Plain => false,
            ProgressKind::Auto => terminal.stderr && !logging,
            ProgressKind::Bar => terminal.stderr,
        };
        Progress(if bar {
            Shown::Bar(Box::new(bar::Bar::new(now)))
        } else {
            Shown::Lines(plain::Plain::new(now))
        })
    }

    /// Shows the state of things if it is time to. `running` gives up to so many instances, longest first.
    pub(crate) fn tick(&mut self, counts: &Counts, running: &mut dyn FnMut(usize) -> Vec<Running>) {
        match &mut self.0 {
            Shown::Nothing => {}
            Shown::Lines(plain) => plain.tick(Instant::now(), counts),
            Shown::Bar(bar) => bar.tick(Instant::now(), counts, running),
        }
    }

    /// What keeps it out of the way of other output.
    pub(crate) fn pause(&self) -> Pause {
        match &self.0 {
            Shown::Bar(bar) => Pause(Some(bar.handle())),
            Shown::Nothing | Shown::Lines(_) => Pause(None),
        }
    }

    /// Leaves the screen.
    pub(crate) fn finish(&mut self) {
        if let Shown::Bar(bar) = &mut self.0 {
            bar.clear();
        }
    }
}

/// Hides the bar, if there is one, while something else is printed.
#[derive(Clone)]
pub(crate) struct Pause(Option<MultiProgress>);

impl Pause {
    /// There is a bar.
    pub(crate) fn has_bar(&self) -> bool {
        self.0.is_some()
    }

    /// Runs `print` with the bar out of the way.
    pub(crate) fn during<R>(&self, print: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }
}

/// `1,203/5,000 done, 3 failed, 512/s, 7s left`.
fn status(counts: &Counts, per_second: Option<f64>) -> String {
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
        let left = planned.saturating_sub(done);
        if let Some(left) = rate::time_left(per_second, left).filter(|_| counts.complete) {
            text += &format!(", {} left", wording::whole_span(left));
        }
    }
    text
}
