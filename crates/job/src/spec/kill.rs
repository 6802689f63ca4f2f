//! Durations, and the ladder of signals.

use std::str::FromStr;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::reader::{Reader, Value};
use crate::command::{KillStep, default_kill};
use crate::problem::nearest::nearest;
use crate::problem::{Problem, Span, quoted};

/// A duration that is longer than nothing.
pub(super) fn read_duration(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Duration> {
    if value.get_ref().is_integer() || value.get_ref().is_float() {
        reader.wrong(
            value,
            "a duration like \"1m30s\"",
            "write the unit too, as in \"30s\"",
        );
        return None;
    }
    let text = reader.string(value, "a duration like \"1m30s\"")?;
    let duration = duration(reader, &text, value.span())?;
    if duration.is_zero() {
        reader
            .findings
            .add(Problem::at(value.span(), "the duration is zero").label("expected more than nothing"));
        return None;
    }
    Some(duration)
}

fn duration(reader: &mut Reader<'_>, text: &str, span: Span) -> Option<Duration> {
    // What no clock can add up is as good as a mistake.
    const LONGEST: Duration = Duration::from_secs(1000 * 365 * 24 * 3600);
    match humantime::parse_duration(text.trim()) {
        Ok(duration) if duration <= LONGEST => Some(duration),
        Ok(_) => {
            let title = format!("{} is too long a duration", quoted(text));
            reader.findings.add(Problem::at(span, title));
            None
        }
        Err(error) => {
            let title = format!("{} is no duration: {error}", quoted(text));
            let help = "numbers with units make a duration, as in \"1m30s\", \"250ms\" or \"2h\"";
            reader.findings.add(Problem::at(span, title).help(help));
            None
        }
    }
}

/// Signals with waits between them; KILL is the last, written or not.
pub(super) fn read_ladder(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<KillStep>> {
    const EXAMPLE: &str = "[\"TERM 5s\", \"KILL\"]";
    let list = reader.array(value, "an array of signals", EXAMPLE)?;
    if list.is_empty() {
        reader.findings.add(
            Problem::at(value.span(), "`kill` names no signal").help(format!("write it as `{EXAMPLE}`")),
        );
        return None;
    }
    let kill = Signal::SIGKILL as i32;
    let mut steps: Vec<KillStep> = Vec::new();
    let mut right = true;
    for (n, value) in list.iter().enumerate() {
        let last = n + 1 == list.len();
        match read_step(reader, value, last) {
            Some(step) if step.signal == kill && !last => {
                reader
                    .findings
                    .add(Problem::at(value.span(), "nothing can come after KILL"));
                right = false;
            }
            Some(step) => steps.push(step),
            None => right = false,
        }
    }
    if steps.last().is_some_and(|step| step.signal != kill) {
        steps.push(KillStep {
            signal: kill,
            wait: Duration::ZERO,
        });
    }
    right.then_some(steps)
}

fn read_step(reader: &mut Reader<'_>, value: &Value<'_>, last: bool) -> Option<KillStep> {
    let text = reader.string(value, "a signal and a wait, like \"TERM 5s\"")?;
    let text = text.trim();
    let (name, wait) = match text.split_once(char::is_whitespace) {
        Some((name, wait)) => (name, Some(wait)),
        None => (text, None),
    };
    let full = format!("SIG{}", name.strip_prefix("SIG").unwrap_or(name));
    let signal = Signal::from_str(&full).map_err(|_| unknown(reader, name, value.span()));
    let wait = match wait {
        Some(wait) => duration(reader, wait, value.span())?,
        None if signal == Ok(Signal::SIGKILL) || signal.is_err() => Duration::ZERO,
        // As long as a task that says nothing has.
        None if last => default_kill()[0].wait,
        None => {
            let title = format!("{} says no wait before the next signal", quoted(name));
            reader
                .findings
                .add(Problem::at(value.span(), title).help(format!("write it as \"{name} 5s\"")));
            return None;
        }
    };
    Some(KillStep {
        signal: signal.ok()? as i32,
        wait,
    })
}

fn unknown(reader: &mut Reader<'_>, name: &str, span: Span) {
    let names: Vec<&str> = Signal::iterator()
        .map(|signal| signal.as_str().trim_start_matches("SIG"))
        .collect();
    let bare = name.strip_prefix("SIG").unwrap_or(name);
    let help = match nearest(bare, names) {
        Some(near) => format!("did you mean {}?", quoted(near)),
        None => "signals are named like TERM, INT, HUP, QUIT or KILL".to_owned(),
    };
    reader
        .findings
        .add(Problem::at(span, format!("unknown signal {}", quoted(name))).help(help));
}
