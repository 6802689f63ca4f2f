//! Progress as a bar on a terminal, with what is running under it, redrawn in place.

use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Counts, Running, rate::Rate, status};
use crate::wording;

/// How often it is redrawn at most.
const REDRAW: Duration = Duration::from_millis(100);
/// How many running tasks are shown at most.
const SHOWN: usize = 8;

/// The bar and the lines under it.
pub(super) struct Bar {
    all: MultiProgress,
    main: ProgressBar,
    lines: Vec<ProgressBar>,
    rate: Rate,
    /// When it was drawn last; a run that is over before the first time never shows it.
    drawn: Instant,
    shown: bool,
    /// The style in use: a bar, or a counter while nobody knows how many there will be.
    complete: Option<bool>,
}

impl Bar {
    pub(super) fn new(now: Instant) -> Bar {
        // It limits itself to REDRAW; indicatif's own limit must only not get in the way of that.
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(30));
        let main = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        Bar {
            all,
            main,
            lines: Vec::new(),
            rate: Rate::new(now),
            drawn: now,
            shown: false,
            complete: None,
        }
    }

    /// What hides the bar while something else is printed.
    pub(super) fn handle(&self) -> MultiProgress {
        self.all.clone()
    }

    /// Redraws, if that is not too soon.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        counts: &Counts,
        running: &mut dyn FnMut(usize) -> Vec<Running>,
    ) {
        let per_second = self.rate.update(now, counts.instances.done());
        if now.saturating_duration_since(self.drawn) < REDRAW {
            return;
        }
        self.drawn = now;
        if self.complete != Some(counts.complete) {
            self.complete = Some(counts.complete);
            self.main.set_style(style(if counts.complete {
                "[{bar:30}] {wide_msg}"
            } else {
                "{spinner} {wide_msg}"
            }));
        }
        self.main.set_length(counts.instances.planned.max(1));
        self.main.set_position(counts.instances.done());
        self.main.set_message(status(counts, per_second));
        if !self.shown {
            // Only now, so that it is never seen empty.
            self.shown = true;
            self.main = self.all.add(self.main.clone());
        }
        self.main.tick();
        self.show(&lines(counts.instances.running, running(SHOWN)));
    }

    fn show(&mut self, texts: &[String]) {
        while self.lines.len() > texts.len() {
            if let Some(line) = self.lines.pop() {
                line.finish_and_clear();
                self.all.remove(&line);
            }
        }
        while self.lines.len() < texts.len() {
            let line = self.all.add(ProgressBar::no_length());
            line.set_style(style("  {wide_msg}"));
            self.lines.push(line);
        }
        for (line, text) in self.lines.iter().zip(texts) {
            line.set_message(text.clone());
        }
    }

    /// Takes it off the screen.
    pub(super) fn clear(&mut self) {
        self.show(&[]);
        self.main.finish_and_clear();
        let _ = self.all.clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    // The templates are the two above; one that does not parse would only look plainer.
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}

fn lines(running: u64, shown: Vec<Running>) -> Vec<String> {
    let more = running.saturating_sub(shown.len() as u64);
    let mut lines: Vec<String> = shown
        .into_iter()
        .map(|r| format!("{:>6}  {}", wording::whole_span(r.since), r.label))
        .collect();
    if more > 0 {
        lines.push(format!("        and {} more", wording::count(more)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_tasks_beyond_the_shown_ones_are_counted() {
        let shown = vec![Running {
            label: "sum(a)".to_owned(),
            since: Duration::from_secs(3),
        }];
        assert_eq!(lines(4, shown), ["    3s  sum(a)", "        and 3 more"]);
        assert!(lines(0, Vec::new()).is_empty());
    }

    #[test]
    fn every_template_parses() {
        for template in ["[{bar:30}] {wide_msg}", "{spinner} {wide_msg}", "  {wide_msg}"] {
            ProgressStyle::with_template(template).expect(template);
        }
    }
}
