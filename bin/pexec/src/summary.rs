//! The last word about a run, on standard error: what failed and why, then counts that add up.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::time::Duration;

use pexec_job::event::Counts;
use pexec_job::history::Forecast;
use pexec_job::state::{Failure, RunState};
use signal_hook::low_level::signal_name;

use crate::{speech, wording};

/// How many failures are told in detail.
const FAILURES: usize = 20;
/// How many causes are told by their numbers, and how many characters of each.
const CAUSES: usize = 5;
const CAUSE: usize = 80;
/// How many tasks without instances are named.
const EMPTY: usize = 5;
/// How many lines of each one's standard error.
const TAIL_LINES: usize = 3;
/// How many of the instances that blocked others are named.
const CULPRITS: usize = 5;
/// How many of the slowest instances are named, among how many at least, and where the slowest took so long.
const SLOWEST: usize = 3;
const NAMED_AMONG: u64 = 5;
const LONG: Duration = Duration::from_secs(5);

/// The summary, as whole lines; `tails`: with the ends of what failures wrote to standard error; `first`: there was no
/// earlier run to learn from.
pub(crate) fn render(state: &RunState, tails: bool, first: bool, colour: bool) -> String {
    let paint = Paint { colour };
    let me = speech::name();
    let mut text = String::new();
    let mut line = |l: &str| {
        text.push_str(l);
        text.push('\n');
    };
    for failure in chosen(state.failures()) {
        line(&explain(failure, tails, paint));
    }
    let more = (state.failures().len().saturating_sub(FAILURES)) as u64 + state.more_failures();
    if more > 0 {
        line(&format!(
            "{me}: and {}",
            paint.red(&wording::plural(more, "more failure"))
        ));
        line(&format!("{me}: {}", causes(state)));
    }
    let culprits = state.blocked_by();
    for (label, n) in culprits.iter().take(CULPRITS) {
        line(&format!(
            "{me}: {} {} blocked by {}",
            wording::count(*n),
            if *n == 1 { "was" } else { "were" },
            wording::label(label)
        ));
    }
    if culprits.len() > CULPRITS {
        line(&format!(
            "{me}: and others by {}",
            wording::plural((culprits.len() - CULPRITS) as u64, "more failure")
        ));
    }
    if let Some(slowest) = slowest(state) {
        line(&format!("{me}: {slowest}"));
    }
    if let Some(since) = wording::since(state.since()) {
        line(&format!("{me}: since the record: {since}"));
    }
    if let Some(signal) = state.signal() {
        line(&format!(
            "{me}: {}",
            paint.yellow(&format!("interrupted by {}", named(signal)))
        ));
    }
    if let Some(policy) = state.halted() {
        line(&format!("{me}: {}", paint.yellow(&format!("halted by {policy}"))));
    }
    let empty = state.without_instances();
    if state.counts().planned > 0 && !empty.is_empty() {
        let named = paint.yellow(&format!("no item for {}", several(&empty, EMPTY)));
        line(&format!("{me}: {named}: nothing of it was run"));
    }
    let learnt = if first && state.counts().planned > 0 {
        "; first recorded run: no times to go by"
    } else {
        ""
    };
    line(&format!("{me}: {}{learnt}", totals(state, paint)));
    text
}

/// How a recorded run is gone on with, where something is left to run.
pub(crate) fn again(state: &RunState) -> Option<&'static str> {
    let counts = state.counts();
    if counts.not_run() + counts.running + counts.killed > 0 {
        Some("to go on: the same command with --resume")
    } else if counts.failed > 0 {
        Some("to run only what failed again: the same command with --rerun-failed")
    } else {
        None
    }
}

/// Those that are told in detail, in the order in which they failed. Each cause has its turn, so that a thousand alike do
/// not hide the one that is different.
fn chosen(failures: &[Failure]) -> Vec<&Failure> {
    if failures.len() <= FAILURES {
        return failures.iter().collect();
    }
    let mut seen = HashSet::new();
    let (mut first, mut more) = (Vec::new(), Vec::new());
    for (at, failure) in failures.iter().enumerate() {
        match seen.insert(failure.cause()) {
            true => first.push(at),
            false => more.push(at),
        }
    }
    let mut told: Vec<usize> = first.into_iter().chain(more).take(FAILURES).collect();
    told.sort_unstable();
    told.into_iter().map(|at| &failures[at]).collect()
}

/// `why: exit 1 (600), timed out after 30s (12), and 3 of other causes`, the most frequent first.
fn causes(state: &RunState) -> String {
    let mut causes: Vec<&(String, u64)> = state.causes().iter().collect();
    causes.sort_by_key(|(_, n)| Reverse(*n));
    let mut parts: Vec<String> = Vec::new();
    let mut rest = state.counts().failed;
    for (cause, n) in causes.into_iter().take(CAUSES) {
        let cause: String = match cause.char_indices().nth(CAUSE) {
            Some((at, _)) => format!("{}..", &cause[..at]),
            None => cause.clone(),
        };
        parts.push(format!("{cause} ({})", wording::count(*n)));
        rest = rest.saturating_sub(*n);
    }
    if rest > 0 {
        parts.push(format!("and {} of other causes", wording::count(rest)));
    }
    format!("why: {}", parts.join(", "))
}

/// The first names, and how many more there are.
fn several(names: &[&str], most: usize) -> String {
    let mut text: Vec<String> = names
        .iter()
        .take(most)
        .map(|name| format!("`{}`", wording::label(&(*name).into())))
        .collect();
    if names.len() > most {
        text.push(wording::plural((names.len() - most) as u64, "more task"));
    }
    text.join(", ")
}

/// What can be said beside earlier runs, a line each.
pub(crate) fn compared(forecast: &Forecast) -> Vec<String> {
    let (slower, more) = forecast.slower();
    let mut lines: Vec<String> = slower
        .iter()
        .map(|slower| {
            format!(
                "{} took {}, last time {}",
                wording::label(&slower.label),
                wording::span(slower.took),
                wording::span(slower.was)
            )
        })
        .collect();
    if more > 0 {
        lines.push(format!(
            "and {} slower than last time",
            wording::plural(more, "more instance")
        ));
    }
    lines
}

/// `slowest: sum(a) 1m 05s, sum(b) 12.3s`; nothing where nobody had to wait for long or where it would name all.
fn slowest(state: &RunState) -> Option<String> {
    let slowest = state.slowest();
    if state.counts().done() < NAMED_AMONG || slowest.first()?.1 < LONG {
        return None;
    }
    let named: Vec<String> = slowest
        .iter()
        .take(SLOWEST)
        .map(|(label, wall)| format!("{} {}", wording::label(label), wording::span(*wall)))
        .collect();
    Some(format!("slowest: {}", named.join(", ")))
}

fn explain(failure: &Failure, tails: bool, paint: Paint) -> String {
    let mut text = format!(
        "{}: {} {}: {}",
        speech::name(),
        paint.red("failed"),
        wording::label(&failure.who.label),
        failure.why
    );
    if failure.attempts > 1 {
        text += &format!(" (after {} attempts)", failure.attempts);
    }
    if !tails {
        return text;
    }
    let tail = String::from_utf8_lossy(failure.tail.as_bytes());
    let lines: Vec<&str> = tail.lines().filter(|line| !line.trim().is_empty()).collect();
    for line in &lines[lines.len().saturating_sub(TAIL_LINES)..] {
        // Escaped: what a failing command printed must not move the cursor in the summary.
        text += &format!("\n    {}", pexec_job::text::Text::from(*line));
    }
    text
}

/// `3 of 8 succeeded, 2 failed, 1 stopped, 1 blocked, 1 not run in 2.50s (commands used 4.1s of CPU)`.
fn totals(state: &RunState, paint: Paint) -> String {
    let counts = state.counts();
    let Counts {
        planned,
        succeeded,
        failed,
        killed,
        blocked,
        retried,
        leaky,
        ..
    } = counts;
    if planned == 0 {
        return "nothing to run: there is no item".to_owned();
    }
    let all = succeeded == planned;
    let done = format!(
        "{} of {} succeeded",
        wording::count(succeeded),
        wording::count(planned)
    );
    let mut text = if all { paint.green(&done) } else { done };
    for (n, what) in [
        (counts.kept, "kept from before"),
        (counts.up_to_date, "up to date"),
    ] {
        if n > 0 {
            text += &format!(" ({} {what})", wording::count(n));
        }
    }
    for (n, what) in [
        (failed, "failed"),
        (killed, "stopped"),
        (blocked, "blocked"),
        (counts.not_run() + counts.running, "not run"),
    ] {
        if n > 0 {
            let part = format!("{} {what}", wording::count(n));
            text += &format!(
                ", {}",
                if what == "failed" {
                    paint.red(&part)
                } else {
                    paint.yellow(&part)
                }
            );
        }
    }
    let cost = state.cost();
    text += &format!(
        " in {} (commands used {} of CPU)",
        wording::span(state.elapsed()),
        wording::span(cost.user + cost.system)
    );
    if retried > 0 {
        let saved = match state.flaky() {
            0 => String::new(),
            n => format!(", which saved {}", wording::count(n)),
        };
        text += &format!("; retried {}{saved}", wording::plural(retried, "time"));
    }
    if leaky > 0 {
        text += &format!(
            "; {} leaky (left processes behind, which were ended)",
            wording::count(leaky)
        );
    }
    text
}

fn named(signal: i32) -> String {
    signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned)
}

/// Colours, or none.
#[derive(Clone, Copy)]
struct Paint {
    colour: bool,
}

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    fn red(self, text: &str) -> String {
        self.with("1;31", text)
    }

    fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }
}

#[cfg(test)]
mod tests;
