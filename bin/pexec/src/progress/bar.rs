//! Progress as a bar on a terminal, with what is running under it: the lines of it. Pure.

use std::time::{Duration, Instant};

use super::{Facts, Running, rate::Rate, status};
use crate::terminal::Size;
use crate::wording;

/// How often it is redrawn at most.
const REDRAW: Duration = Duration::from_millis(100);
/// How many running tasks are shown at most.
const SHOWN: usize = 8;
/// How wide the bar itself is at most, and the narrowest one that says anything.
const WIDEST: usize = 30;
const NARROWEST: usize = 8;

/// The bar and the lines under it.
pub(super) struct Bar {
    rate: Rate,
    /// When it was drawn last; a run that is over before the first time never shows it.
    drawn: Instant,
    turns: usize,
}

impl Bar {
    pub(super) fn new(now: Instant) -> Bar {
        Bar {
            rate: Rate::new(now),
            drawn: now,
            turns: 0,
        }
    }

    /// Its lines, if it is not too soon for others.
    pub(super) fn tick(
        &mut self,
        now: Instant,
        facts: &dyn Facts,
        size: fn() -> Size,
    ) -> Option<Vec<String>> {
        if now.saturating_duration_since(self.drawn) < REDRAW {
            return None;
        }
        self.drawn = now;
        self.turns += 1;
        let counts = facts.counts();
        let done = counts.instances.done();
        let text = status(
            &counts,
            self.rate.update(now, done - counts.instances.kept),
            facts.left(),
        );
        let Size { columns, rows } = size();
        let mut lines = vec![if counts.complete {
            meter(done, counts.instances.planned, &text, columns)
        } else {
            // Nobody knows how many there will be.
            format!("{} {text}", ["|", "/", "-", "\\"][self.turns % 4])
        }];
        // One line less than the screen has, so that what was written before it stays in sight.
        let room = rows.saturating_sub(2);
        if room > 0 {
            let running = counts.instances.running;
            let most = SHOWN.min(room);
            let most = if running > most as u64 {
                most.min(room - 1)
            } else {
                most
            };
            lines.extend(under(running, facts.running(most)));
        }
        Some(lines)
    }
}

/// `[=======>      ] text`, without the bar where there is no room for both.
fn meter(done: u64, planned: u64, text: &str, columns: usize) -> String {
    let room = columns.saturating_sub(text.chars().count() + 4).min(WIDEST);
    if room < NARROWEST {
        return text.to_owned();
    }
    let share = done as f64 / planned.max(1) as f64;
    let full = ((share * room as f64) as usize).min(room);
    let tip = usize::from(full < room);
    format!(
        "[{}{}{}] {text}",
        "=".repeat(full),
        &">"[..tip],
        " ".repeat(room - full - tip)
    )
}

fn under(running: u64, shown: Vec<Running>) -> Vec<String> {
    let more = running.saturating_sub(shown.len() as u64);
    let mut lines: Vec<String> = shown
        .into_iter()
        .map(|r| format!("  {:>6}  {}", wording::whole_span(r.since), r.label))
        .collect();
    if more > 0 {
        lines.push(format!("          and {} more", wording::count(more)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Counts;
    use pexec_job::event;

    struct Fixed(u64);

    impl Facts for Fixed {
        fn counts(&self) -> Counts {
            Counts {
                instances: event::Counts {
                    planned: 20,
                    succeeded: 5,
                    running: self.0,
                    ..event::Counts::default()
                },
                complete: true,
            }
        }
        fn running(&self, most: usize) -> Vec<Running> {
            let all = (0..self.0).map(|n| Running {
                label: format!("t({n})"),
                since: Duration::from_secs(3),
            });
            all.take(most).collect()
        }
        fn left(&self) -> Option<(Duration, Duration)> {
            None
        }
    }

    fn lines(running: u64, size: fn() -> Size) -> Vec<String> {
        let start = Instant::now();
        let mut bar = Bar::new(start);
        assert_eq!(bar.tick(start, &Fixed(running), size), None, "not at once");
        bar.tick(start + REDRAW, &Fixed(running), size)
            .expect("it is time")
    }

    #[test]
    fn running_tasks_beyond_the_shown_ones_are_counted() {
        let lines = lines(12, || Size {
            columns: 80,
            rows: 24,
        });
        assert_eq!(lines.len(), 10, "{lines:?}");
        assert_eq!(lines[1], "      3s  t(0)");
        assert_eq!(lines[9], "          and 4 more");
    }

    #[test]
    fn no_more_lines_than_the_screen_has() {
        for (rows, expected) in [(1, 1), (2, 1), (3, 2), (4, 3), (6, 5)] {
            let size: fn() -> Size = match rows {
                1 => || Size { columns: 80, rows: 1 },
                2 => || Size { columns: 80, rows: 2 },
                3 => || Size { columns: 80, rows: 3 },
                4 => || Size { columns: 80, rows: 4 },
                _ => || Size { columns: 80, rows: 6 },
            };
            assert_eq!(lines(5, size).len(), expected, "{rows} rows");
        }
    }

    #[test]
    fn the_bar_gives_way_to_the_numbers() {
        assert_eq!(
            meter(5, 20, "5/20 done", 80),
            format!("[{}>{}] 5/20 done", "=".repeat(7), " ".repeat(22))
        );
        assert_eq!(meter(20, 20, "x", 13), "[========] x");
        assert_eq!(meter(5, 20, "5/20 done", 20), "5/20 done");
        assert_eq!(meter(0, 0, "x", 80).len(), 34);
    }
}
