//! How a run ended, in a sentence: what everybody asks first.

use super::{Report, State};

/// Good, bad, or cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Everything succeeded.
    Good,
    /// Something failed.
    Bad,
    /// It did not come to its end.
    Cut,
}

impl Tone {
    /// A word.
    pub fn as_str(self) -> &'static str {
        match self {
            Tone::Good => "good",
            Tone::Bad => "bad",
            Tone::Cut => "cut",
        }
    }
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Good, bad, or cut short.
    pub tone: Tone,
    /// In a sentence.
    pub text: String,
    /// More sentences, where there is more to say.
    pub more: Vec<String>,
}

impl Verdict {
    /// That of this run.
    pub fn of(report: &Report) -> Verdict {
        let planned = report.planned();
        let failed = report.instances.iter().filter(|i| i.state.is_failure()).count() as u64;
        let not_run = report.not_run();
        let mut more = Vec::new();
        let last = report.segments.last().and_then(|segment| segment.end.as_ref());
        let outcome = match (failed, planned) {
            (_, 0) => "There was nothing to run".to_owned(),
            (0, 1) => "The one instance succeeded".to_owned(),
            (0, n) => format!("All {} succeeded", count(n)),
            (failed, n) => format!("{} of {} failed", count(failed), count(n)),
        };
        let (tone, text) = match last {
            None => (
                Tone::Cut,
                "The record ends without a last word: pexec was killed, or it still runs".to_owned(),
            ),
            Some(end) => match (&end.broken, &end.halted, end.signal) {
                (Some(why), _, _) => (Tone::Cut, format!("The pool broke: {why}")),
                (_, _, Some(signal)) => (Tone::Cut, format!("Stopped by {}", signal_text(signal))),
                (_, Some(policy), _) => (Tone::Cut, format!("Halted by the policy {policy}")),
                _ if failed > 0 => (Tone::Bad, outcome.clone()),
                _ if not_run > 0 => (
                    Tone::Cut,
                    format!("{} of {} did not run", count(not_run), count(planned)),
                ),
                _ => (Tone::Good, outcome.clone()),
            },
        };
        if tone == Tone::Cut {
            if failed > 0 {
                more.push(outcome);
            }
            if not_run > 0 && !text.ends_with("did not run") {
                more.push(format!(
                    "{} of {} did not run or did not end",
                    count(not_run),
                    count(planned)
                ));
            }
        }
        let blocked = report.count(State::Blocked);
        if blocked > 0 {
            more.push(format!("{} blocked by a failure before", count(blocked)));
        }
        if report.segments.len() > 1 {
            let kept: u64 = report.segments.last().map_or(0, |segment| segment.kept);
            let times = match report.segments.len() - 1 {
                1 => "once".to_owned(),
                n => format!("{n} times"),
            };
            more.push(format!(
                "Resumed {times}; the last time {} were kept",
                count(kept)
            ));
        }
        Verdict { tone, text, more }
    }
}

fn signal_text(n: i32) -> String {
    let name = match n {
        1 => " (HUP)",
        2 => " (INT)",
        13 => " (PIPE)",
        15 => " (TERM)",
        _ => "",
    };
    format!("signal {n}{name}")
}

/// `12,345`.
fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
