//! Tasks that do nothing, a million of them: what the pool itself costs.

use std::time::Instant;

use pexec::{Executor, ProcessPool};

use crate::record::{Records, median};
use crate::size::Size;
use crate::work::{noop, pool, sum_below};

/// The median of them is the figure.
const ROUNDS: usize = 3;

/// Sends so many tasks through the pool; gives the seconds.
type Way = fn(&ProcessPool, u64) -> f64;

pub(crate) fn run(records: &mut Records, size: Size) {
    let pool = pool(2);
    let n = size.tasks();
    let ways: [(&str, Way); 3] = [
        ("pexec submit", submit_each),
        ("pexec map", map),
        ("pexec map_unordered", map_unordered),
    ];
    let mut seconds = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for ((_, way), seconds) in ways.iter().zip(&mut seconds) {
            seconds.push(way(&pool, n));
        }
    }
    for ((peer, _), seconds) in ways.iter().zip(&seconds) {
        records.put(peer, "tasks_per_s", n as f64 / median(seconds));
    }
}

/// One submit each, all futures kept and awaited. Gives the seconds.
pub(crate) fn submit_each(pool: &ProcessPool, n: u64) -> f64 {
    let start = Instant::now();
    let futures: Vec<_> = (0..n).map(|i| pool.submit(noop, i)).collect();
    let sum: u64 = futures.into_iter().map(|f| f.result().expect("a no-op")).sum();
    assert_eq!(sum, sum_below(n));
    start.elapsed().as_secs_f64()
}

fn map(pool: &ProcessPool, n: u64) -> f64 {
    let start = Instant::now();
    let sum: u64 = pool.map(noop, 0..n).map(|r| r.expect("a no-op")).sum();
    assert_eq!(sum, sum_below(n));
    start.elapsed().as_secs_f64()
}

fn map_unordered(pool: &ProcessPool, n: u64) -> f64 {
    let start = Instant::now();
    let sum: u64 = pool
        .map_unordered(noop, 0..n)
        .map(|(_, r)| r.expect("a no-op"))
        .sum();
    assert_eq!(sum, sum_below(n));
    start.elapsed().as_secs_f64()
}
