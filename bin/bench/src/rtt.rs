//! One task at a time, submit to result, beside a bare socket in the same run and placed alike: both processes on
//! one CPU, on two, or wherever the scheduler likes. Placement decides more than anything else here, because
//! waking a CPU that sleeps costs several times what a switch on the same one does.

use std::time::Instant;

use pexec::Executor;

use crate::place::{Place, pin};
use crate::raw::Echo;
use crate::record::Records;
use crate::size::Size;
use crate::work::{noop, pool};

const ROUNDS: u64 = 3;

pub(crate) fn run(records: &mut Records, size: Size) {
    for place in Place::ALL {
        measure(records, size, place);
    }
}

fn measure(records: &mut Records, size: Size, place: Place) {
    // Before this thread is pinned, so that the pool's own thread is not.
    // Two workers as the peers have, but where the worker is to be on a certain CPU.
    let workers = if matches!(place, Place::Free) { 2 } else { 1 };
    let pool = pool(workers);
    let mut echo = Echo::start(place.peer()).expect("a second process");
    if place.peer().is_some() {
        pool.submit(pin, place.peer()).result().expect("a pinned worker");
    }
    pin(place.caller());
    let n = size.of(5_000);
    let (mut pool_ns, mut raw_ns) = (Vec::new(), Vec::new());
    // In turns, so that a drift of the machine touches both.
    for _ in 0..ROUNDS {
        for i in 0..n / 10 {
            pool.submit(noop, i).result().expect("a no-op");
        }
        for i in 0..n {
            let start = Instant::now();
            let back = pool.submit(noop, i).result().expect("a no-op");
            pool_ns.push(start.elapsed().as_nanos() as u64);
            assert_eq!(back, i);
        }
        for _ in 0..n / 10 {
            echo.round_trip().expect("an echo");
        }
        for _ in 0..n {
            let start = Instant::now();
            echo.round_trip().expect("an echo");
            raw_ns.push(start.elapsed().as_nanos() as u64);
        }
    }
    let ours = records.put_latency(&format!("pexec [{}]", place.name()), pool_ns);
    let raw = records.put_latency(
        &format!("unix stream socket, 64 bytes [{}]", place.name()),
        raw_ns,
    );
    records.put(
        &format!("pexec over the socket [{}]", place.name()),
        "ratio_p50",
        ours / raw,
    );
    pin(None);
}
