//! Which lane of the timeline an attempt is in: its worker's, or, in a stream that does not name workers, the lowest
//! one that is free.
//!
//! In a lane nothing overlaps. Stamps are cut to the millisecond, so an attempt may seem to begin before the one before
//! it has ended; it began no earlier than that, and so it is put there.

use std::collections::{BTreeMap, BTreeSet};

/// The lanes, and until when each is taken.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    until: Vec<u64>,
    of_worker: BTreeMap<u64, u32>,
    /// Lanes without a worker of their own that nobody is in.
    free: BTreeSet<u32>,
    /// Which lanes have a worker of their own.
    owned: Vec<bool>,
}

impl Lanes {
    /// Takes a lane. Gives it, and when the attempt that seems to begin at `now` began.
    pub(super) fn take(&mut self, worker: Option<u64>, now: u64) -> (u32, u64) {
        let lane = match worker {
            Some(worker) => match self.of_worker.get(&worker) {
                Some(lane) => *lane,
                None => {
                    let lane = self.add(true);
                    self.of_worker.insert(worker, lane);
                    lane
                }
            },
            None => self.free.pop_first().unwrap_or_else(|| self.add(false)),
        };
        (lane, now.max(self.until[lane as usize]))
    }

    /// The attempt in this lane ended.
    pub(super) fn leave(&mut self, lane: u32, at: u64) {
        self.until[lane as usize] = self.until[lane as usize].max(at);
        if !self.owned[lane as usize] {
            self.free.insert(lane);
        }
    }

    /// When the last attempt that ended did.
    pub(super) fn latest(&self) -> u64 {
        self.until.iter().copied().max().unwrap_or(0)
    }

    /// How many there are.
    pub(super) fn count(&self) -> u32 {
        self.until.len() as u32
    }

    /// For each lane its place when they are sorted by their workers' numbers.
    pub(super) fn places(&self) -> Vec<u32> {
        let mut places: Vec<u32> = (0..self.count()).collect();
        let mut sorted: Vec<u32> = self.of_worker.values().copied().collect();
        sorted.extend((0..self.count()).filter(|lane| !self.owned[*lane as usize]));
        for (place, lane) in sorted.into_iter().enumerate() {
            places[lane as usize] = place as u32;
        }
        places
    }

    fn add(&mut self, owned: bool) -> u32 {
        self.until.push(0);
        self.owned.push(owned);
        self.count() - 1
    }
}
