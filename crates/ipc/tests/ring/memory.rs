//! A segment, and the other side's hand on it: any word or byte, at any time, without asking anybody.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use pexec_ipc::ring::{CAPACITY, Direction};
use pexec_ipc::segment::Segment;

/// Where the marks of the two rings lie, and behind them the rings; a test of the segment holds them there.
const MARKS: [u64; 2] = [16_640, 17_152];
const RINGS: u64 = 20_480;

/// A word of a ring's marks, by its distance from their start.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Mark {
    Tail = 0,
    Head = 128,
    ReaderWaits = 256,
    WriterWaits = 384,
}

/// What the other side has: the file behind the segment.
pub(crate) struct Hand {
    file: File,
    ring: usize,
}

impl Hand {
    /// A fresh segment, and a hand on one of its rings.
    pub(crate) fn new(direction: Direction) -> (Arc<Segment>, Hand) {
        let (segment, memfd) = Segment::create().expect("a segment");
        let ring = match direction {
            Direction::Calls => 0,
            Direction::Answers => 1,
        };
        let file = File::from(memfd);
        (segment, Hand { file, ring })
    }

    /// Stores a whole mark, as an atomic store would.
    pub(crate) fn set(&self, mark: Mark, word: u64) {
        let at = MARKS[self.ring] + mark as u64;
        self.file
            .write_all_at(&word.to_ne_bytes(), at)
            .expect("the memory takes it");
    }

    /// A mark as the other side sees it.
    pub(crate) fn get(&self, mark: Mark) -> u64 {
        let mut bytes = [0; 8];
        self.file
            .read_exact_at(&mut bytes, MARKS[self.ring] + mark as u64)
            .expect("the memory gives it");
        u64::from_ne_bytes(bytes)
    }

    fn start(&self) -> u64 {
        RINGS + (self.ring * CAPACITY) as u64
    }

    /// Changes bytes of the ring, from this place on, as far as the ring goes.
    pub(crate) fn put(&self, place: usize, bytes: &[u8]) {
        let n = bytes.len().min(CAPACITY - place);
        self.file
            .write_all_at(&bytes[..n], self.start() + place as u64)
            .expect("the memory takes it");
    }

    /// The whole ring.
    pub(crate) fn ring(&self) -> Vec<u8> {
        let mut bytes = vec![0; CAPACITY];
        self.file
            .read_exact_at(&mut bytes, self.start())
            .expect("the memory gives it");
        bytes
    }
}

/// Marsaglia's xorshift: the same numbers from the same seed.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Numbers {
        // Spread, so that neighbouring seeds start apart; 0 would stay 0.
        let spread = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (seed >> 29);
        Numbers(spread | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn bytes(&mut self, n: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = Vec::with_capacity(n + 8);
        while bytes.len() < n {
            bytes.extend_from_slice(&self.next().to_ne_bytes());
        }
        bytes.truncate(n);
        bytes
    }

    /// A mark that may be right, nearly right, or wrong altogether, near the position `at`.
    pub(crate) fn mark(&mut self, at: u64) -> u64 {
        let capacity = CAPACITY as u64;
        match self.below(12) {
            0 => self.next(),
            1 => u64::MAX - self.next() % 4,
            2 => 0,
            3 => at.wrapping_sub(1 + self.next() % capacity),
            4 => at.wrapping_add(capacity + 1 + self.next() % 8),
            5 => at.wrapping_add(capacity),
            6 => at ^ (1 << self.below(64)),
            7 => at,
            _ => at.wrapping_add(self.next() % (capacity + 1)),
        }
    }
}
