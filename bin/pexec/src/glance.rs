//! What runs right now, for somebody who has asked: since when, and what it wrote last.

use std::collections::HashMap;

use pexec_job::run::Flying;
use pexec_job::state::RunState;

use crate::{speech, wording};

/// How many are listed.
const MOST: usize = 100;

/// The list, as whole lines.
pub(crate) fn render(state: &RunState, flying: &[Flying]) -> String {
    let now = jiff::Timestamp::now();
    let counts = state.counts();
    let mut text = format!(
        "{}: {} of {}{} done, {} running\n",
        speech::name(),
        wording::count(counts.done()),
        wording::count(counts.planned),
        if state.planned_complete() { "" } else { " or more" },
        wording::count(counts.running)
    );
    let last: HashMap<&str, &Flying> = flying.iter().map(|f| (f.who.id.as_str(), f)).collect();
    let mut listed = 0;
    for running in state.running().take(MOST) {
        let since = now.duration_since(running.since).try_into().unwrap_or_default();
        text += &format!(
            "  {:>6}  {}",
            wording::whole_span(since),
            wording::label(&running.who.label)
        );
        if let Some(pid) = running.pid {
            text += &format!("  [{pid}]");
        }
        if running.attempt > 1 {
            text += &format!("  attempt {}", running.attempt);
        }
        if let Some(line) = last.get(running.who.id.as_str()).and_then(|f| f.last.as_ref()) {
            text += &format!("  {}", wording::label(line));
        }
        text.push('\n');
        listed += 1;
    }
    if counts.running > listed {
        text += &format!("          and {} more\n", wording::count(counts.running - listed));
    }
    text
}
