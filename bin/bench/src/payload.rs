//! Large arguments and results: what the worker is given, or gives from a cached buffer.
//!
//! A type joins by implementing [`Payload`]. Memory that was given back a while ago may have left a virtual machine,
//! and costs many times more to touch again: enough is touched right before each measurement.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Instant;

use pexec::sync::SharedBytes;
use pexec::{Executor, ProcessPool, TaskFuture};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use crate::record::Records;
use crate::size::Size;
use crate::work::pool;

/// What every byte of a payload is.
const BYTE: u8 = 7;

/// Bytes that a task takes and gives.
pub(crate) trait Payload: Clone + Serialize + DeserializeOwned + Send + 'static {
    const NAME: &'static str;

    fn new(n: usize) -> Self;

    fn bytes(&self) -> &[u8];
}

impl Payload for Vec<u8> {
    const NAME: &'static str = "Vec<u8>";

    fn new(n: usize) -> Vec<u8> {
        vec![BYTE; n]
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Payload for SharedBytes {
    const NAME: &'static str = "SharedBytes";

    fn new(n: usize) -> SharedBytes {
        SharedBytes::build(n, |bytes| bytes.fill(BYTE))
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

impl Payload for ByteBuf {
    const NAME: &'static str = "ByteBuf";

    fn new(n: usize) -> ByteBuf {
        ByteBuf::from(vec![BYTE; n])
    }

    fn bytes(&self) -> &[u8] {
        self
    }
}

/// Length and a byte of each page in one number: whatever came has to be there.
fn measure_of(bytes: &[u8]) -> u64 {
    let ends = bytes.iter().step_by(4096).chain(bytes.last());
    bytes.len() as u64 + ends.map(|&byte| u64::from(byte)).sum::<u64>()
}

fn take<P: Payload>(payload: P) -> u64 {
    measure_of(payload.bytes())
}

fn give<P: Payload>(n: u64) -> P {
    // A static cannot have the type of its function's caller.
    thread_local!(static CACHED: RefCell<Option<Box<dyn std::any::Any>>> = const { RefCell::new(None) });
    CACHED.with_borrow_mut(|cached| {
        let known = cached.as_ref().and_then(|any| any.downcast_ref::<P>());
        if let Some(payload) = known.filter(|payload| payload.bytes().len() as u64 == n) {
            return payload.clone();
        }
        let payload = P::new(n as usize);
        *cached = Some(Box::new(payload.clone()));
        payload
    })
}

/// How much is sent: bytes of one payload, how many of them, how many under way.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) n: usize,
    pub(crate) rounds: u64,
    pub(crate) window: usize,
}

impl Load {
    fn gigabytes_per_s(self, start: Instant) -> f64 {
        (self.n as u64 * self.rounds) as f64 / start.elapsed().as_secs_f64() / 1e9
    }

    /// "1KiB".
    pub(crate) fn name(self) -> String {
        match self.n {
            n if n >= 1 << 20 => format!("{}MiB", n >> 20),
            n if n >= 1 << 10 => format!("{}KiB", n >> 10),
            n => format!("{n}B"),
        }
    }

    fn run<R: Serialize + DeserializeOwned + Send + 'static>(
        self,
        mut submit: impl FnMut() -> TaskFuture<R>,
        check: impl Fn(R),
    ) -> f64 {
        touch();
        let start = Instant::now();
        let mut under_way = VecDeque::new();
        for _ in 0..self.rounds {
            under_way.push_back(submit());
            if under_way.len() == self.window
                && let Some(future) = under_way.pop_front()
            {
                check(future.result().expect("a payload"));
            }
        }
        for future in under_way {
            check(future.result().expect("a payload"));
        }
        self.gigabytes_per_s(start)
    }
}

/// Makes the machine give this process memory, and gives it back: what is freed lately is cheap to touch again.
pub(crate) fn touch() {
    black_box(vec![1u8; 512 << 20]);
}

pub(crate) fn run(records: &mut Records, size: Size) {
    let pool = pool(2);
    for (n, rounds, window) in [(1 << 10, 50_000, 64), (1 << 20, 400, 4), (64 << 20, 12, 2)] {
        if size.is_quick() && n > 1 << 20 {
            continue;
        }
        let load = Load {
            n,
            rounds: size.of(rounds),
            window,
        };
        memcpy(records, load);
        both_ways::<Vec<u8>>(records, &pool, load);
        both_ways::<ByteBuf>(records, &pool, load);
        both_ways::<SharedBytes>(records, &pool, load);
        made_anew(records, &pool, load);
    }
}

/// The bound: a copy within one process, into a buffer that is touched already.
pub(crate) fn memcpy(records: &mut Records, load: Load) {
    let bytes = vec![BYTE; load.n];
    let mut copy = vec![0u8; load.n];
    touch();
    copy.copy_from_slice(black_box(&bytes));
    let start = Instant::now();
    for _ in 0..load.rounds {
        copy.copy_from_slice(black_box(&bytes));
        black_box(&mut copy);
    }
    records.put(
        &format!("memcpy {}", load.name()),
        "GBps",
        load.gigabytes_per_s(start),
    );
}

/// To a worker, and from one.
pub(crate) fn both_ways<P: Payload>(records: &mut Records, pool: &ProcessPool, load: Load) {
    let peer = format!("pexec {} {}", P::NAME, load.name());
    let payload = P::new(load.n);
    let wanted = measure_of(payload.bytes());
    // The clone stands for data that is the task's own.
    let rate = load.run(
        || pool.submit(take::<P>, payload.clone()),
        |r| assert_eq!(r, wanted),
    );
    records.put(&peer, "to_worker_GBps", rate);
    let rate = load.run(
        || pool.submit(give::<P>, load.n as u64),
        |p| assert_eq!(measure_of(p.bytes()), wanted),
    );
    records.put(&peer, "from_worker_GBps", rate);
}

/// The same with memory that is made, filled and freed for each task, on either side.
fn made_anew(records: &mut Records, pool: &ProcessPool, load: Load) {
    let peer = format!("pexec SharedBytes, made anew {}", load.name());
    let bytes = vec![BYTE; load.n];
    let wanted = measure_of(&bytes);
    let rate = load.run(
        || pool.submit(take::<SharedBytes>, SharedBytes::copy_from(&bytes)),
        |r| assert_eq!(r, wanted),
    );
    records.put(&peer, "to_worker_GBps", rate);
    let rate = load.run(
        || pool.submit(SharedBytes::new, load.n),
        |p| assert_eq!(measure_of(&p), wanted),
    );
    records.put(&peer, "from_worker_GBps", rate);
}

/// One at a time, argument to the worker, a number back: nanoseconds of each.
pub(crate) fn latencies(pool: &ProcessPool, load: Load) -> Vec<u64> {
    let payload = <Vec<u8> as Payload>::new(load.n);
    let wanted = measure_of(&payload);
    touch();
    let samples = 0..load.rounds;
    samples
        .map(|_| {
            let own = payload.clone();
            let start = Instant::now();
            let got = pool.submit(take::<Vec<u8>>, own).result().expect("a payload");
            let ns = start.elapsed().as_nanos() as u64;
            assert_eq!(got, wanted);
            ns
        })
        .collect()
}
