//! How long tasks wait and run, for [`PoolStats`](crate::PoolStats).
//!
//! A small task costs less than reading the clock a few times does, so not every one is timed: while tasks take long all
//! are, and of quick ones one in 64, which counts for them all. Which one is decided before anybody knows how long it takes.
//! Always true: a task is in `open` from its submission until its first attempt is told of or another one is sent.

use std::collections::HashMap;

use crate::clock;
use crate::process::percentiles::{Histogram, Percentiles};

/// A task that takes less, in nanoseconds, is a quick one.
const QUICK: u64 = 20_000;
/// Of how many quick ones one is timed.
const MOST: u32 = 64;
/// From so many tasks that wait with their time of submission, only one in so many is added; and none beyond these.
const MANY: usize = 1 << 10;
const FULL: usize = 1 << 14;
/// Marks: enough for the tasks that are open at once to seldom share one.
const MARKS: usize = 1 << 17;

struct Submitted {
    /// On the clock that all processes share.
    at: u64,
    /// How many tasks it stands for.
    weight: u32,
}

pub(super) struct Timings {
    /// One in so many is timed.
    every: u32,
    /// The next one that is timed stands for so many, itself included.
    weight: u32,
    /// It is so many tasks away.
    left: u32,
    open: HashMap<u64, Submitted>,
    /// A bit for each open task: nearly all others are told from them without a look into the map.
    marks: Marks,
    wait: Histogram,
    run: Histogram,
}

/// Bits by the last digits of an id; whose is set is nobody else's.
#[derive(Default)]
struct Marks(Vec<u64>);

impl Marks {
    fn place(id: u64) -> (usize, u64) {
        let at = id as usize % MARKS;
        (at / 64, 1 << (at % 64))
    }

    /// False: another one has it.
    fn set(&mut self, id: u64) -> bool {
        if self.0.is_empty() {
            self.0 = vec![0; MARKS / 64];
        }
        let (word, bit) = Marks::place(id);
        let free = self.0[word] & bit == 0;
        self.0[word] |= bit;
        free
    }

    fn has(&self, id: u64) -> bool {
        let (word, bit) = Marks::place(id);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn clear(&mut self, id: u64) {
        let (word, bit) = Marks::place(id);
        if let Some(word) = self.0.get_mut(word) {
            *word &= !bit;
        }
    }
}

impl Default for Timings {
    fn default() -> Timings {
        Timings {
            every: 1,
            weight: 1,
            left: 1,
            open: HashMap::new(),
            marks: Marks::default(),
            wait: Histogram::default(),
            run: Histogram::default(),
        }
    }
}

impl Timings {
    /// A task was accepted that may start at once.
    #[inline]
    pub(super) fn submitted(&mut self, id: u64) {
        self.left -= 1;
        if self.left == 0 {
            self.note(id);
        }
    }

    #[cold]
    fn note(&mut self, id: u64) {
        if self.open.len() < FULL && self.marks.set(id) {
            let submitted = Submitted {
                at: clock::nanos(),
                weight: self.weight,
            };
            self.open.insert(id, submitted);
        }
        self.weight = if self.open.len() < MANY { self.every } else { MOST };
        self.left = self.weight;
    }

    /// Whether its worker is to tell how long it takes.
    #[inline]
    pub(super) fn wants(&mut self, id: u64, attempt: u32) -> bool {
        if !self.marks.has(id) {
            return false;
        }
        if attempt > 1 {
            self.forget(id);
        }
        self.open.contains_key(&id)
    }

    /// A worker has started the task at that instant, and taken so long for each of its items.
    pub(super) fn told(&mut self, id: u64, start: u64, each: u64, items: u64) {
        let Some(Submitted { at, weight }) = self.take(id) else {
            return;
        };
        let weight = u64::from(weight);
        self.wait.add(start.saturating_sub(at), weight);
        // A worker cannot have run more than its batch.
        self.run.add(each, weight * items.clamp(1, 1 << 20));
        self.every = if each < QUICK {
            (self.every * 2).min(MOST)
        } else {
            1
        };
        // One that is timed sooner stands for fewer.
        let sooner = self.left.saturating_sub(self.every);
        self.left -= sooner;
        self.weight -= sooner;
    }

    /// The task has ended without an answer.
    pub(super) fn forget(&mut self, id: u64) {
        self.take(id);
    }

    fn take(&mut self, id: u64) -> Option<Submitted> {
        if !self.marks.has(id) {
            return None;
        }
        let submitted = self.open.remove(&id)?;
        self.marks.clear(id);
        Some(submitted)
    }

    pub(super) fn wait(&self) -> Percentiles {
        self.wait.percentiles()
    }

    pub(super) fn run(&self) -> Percentiles {
        self.run.percentiles()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn run(timings: &mut Timings, tasks: std::ops::Range<u64>, each: u64) -> u64 {
        let mut timed = 0;
        for id in tasks {
            timings.submitted(id);
            if timings.wants(id, 1) {
                timed += 1;
                timings.told(id, clock::nanos(), each, 1);
            }
        }
        timed
    }

    #[test]
    fn every_slow_task_is_timed_and_few_of_the_quick_ones_which_count_for_all() {
        let mut timings = Timings::default();
        assert_eq!(run(&mut timings, 0..1000, QUICK), 1000);
        assert_eq!(timings.run().tasks, 1000);
        let mut timings = Timings::default();
        let timed = run(&mut timings, 0..64_000, 100);
        assert!((1000..1100).contains(&timed), "{timed}");
        assert!(timings.run().tasks.abs_diff(64_000) <= 64);
        assert_eq!(timings.run().max, Duration::from_nanos(100));
    }

    #[test]
    fn slow_tasks_among_quick_ones_have_their_share() {
        let mut timings = Timings::default();
        let mut chance = 1_u32;
        for id in 0..200_000 {
            chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let each = if (chance >> 16).is_multiple_of(10) {
                1_000_000
            } else {
                100
            };
            run(&mut timings, id..id + 1, each);
        }
        let run = timings.run();
        assert!(run.p50 < Duration::from_micros(1), "{run:?}");
        let share = timings.run.share_over(QUICK);
        assert!((0.08..0.12).contains(&share), "{share}");
        assert!(run.p99 >= Duration::from_millis(1), "{run:?}");
        assert!(run.tasks.abs_diff(200_000) <= 64, "{run:?}");
    }

    #[test]
    fn what_waits_in_millions_costs_memory_for_thousands() {
        let mut timings = Timings::default();
        (0..3_000_000).for_each(|id| timings.submitted(id));
        assert!(timings.open.len() <= FULL);
    }

    #[test]
    fn a_second_attempt_is_not_mistaken_for_a_long_wait() {
        let mut timings = Timings::default();
        timings.submitted(1);
        assert!(timings.wants(1, 1));
        assert!(!timings.wants(1, 2));
        timings.told(1, clock::nanos(), 5, 1);
        assert_eq!(timings.wait().tasks, 0);
    }
}
