//! Mostly short tasks and a few long ones: how far the whole is from the work divided by two.

use std::time::{Duration, Instant};

use pexec::Executor;

use crate::record::Records;
use crate::size::Size;
use crate::work::{compute, pool, steps_for};

pub(crate) fn run(records: &mut Records, size: Size) {
    let pool = pool(2);
    let (short, long) = (
        steps_for(Duration::from_micros(10)),
        steps_for(Duration::from_millis(50)),
    );
    let n = if size.is_quick() { 200 } else { 10_000 };
    let steps = |i: u64| if i % 100 == 37 { long } else { short };
    let start = Instant::now();
    (0..n).for_each(|i| {
        compute(i, steps(i));
    });
    let ideal = start.elapsed().as_secs_f64() / 2.0;
    let start = Instant::now();
    let all: Vec<_> = (0..n).map(|i| pool.submit(compute, (i, steps(i)))).collect();
    all.into_iter().for_each(|f| {
        f.result().expect("a number");
    });
    put(records, "pexec submit", start.elapsed().as_secs_f64(), ideal);
    let start = Instant::now();
    let map = pool.map(compute, (0..n).map(|i| (i, steps(i))));
    map.for_each(|r| assert!(r.is_ok()));
    put(records, "pexec map", start.elapsed().as_secs_f64(), ideal);
}

fn put(records: &mut Records, peer: &str, seconds: f64, ideal: f64) {
    records.put(peer, "makespan_s", seconds);
    records.put(peer, "over_ideal", seconds / ideal);
}
