//! Large arguments and results: what the worker is given, or gives from a cached buffer.
//!
//! Memory that was given back a while ago may have left a virtual machine, and costs many times more to touch
//! again: enough is touched right before each measurement.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Instant;

use pexec::{Executor, ProcessPool, TaskFuture};
use serde_bytes::ByteBuf;

use crate::Size;
use crate::record::Records;
use crate::work::pool;

fn length(bytes: Vec<u8>) -> u64 {
    bytes.len() as u64 + u64::from(bytes[0]) + u64::from(bytes[bytes.len() - 1])
}

fn length_of_buf(bytes: ByteBuf) -> u64 {
    length(bytes.into_vec())
}

fn give(n: u64) -> Vec<u8> {
    thread_local!(static CACHED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    CACHED.with_borrow_mut(|cached| {
        if cached.len() as u64 != n {
            *cached = vec![7; n as usize];
        }
        cached.clone()
    })
}

fn give_buf(n: u64) -> ByteBuf {
    ByteBuf::from(give(n))
}

/// Submits `rounds` tasks, `window` of them under way; gives gigabytes a second.
fn windowed<R: serde::Serialize + serde::de::DeserializeOwned + Send + 'static>(
    (n, rounds, window): (usize, u64, usize),
    mut submit: impl FnMut() -> TaskFuture<R>,
    check: impl Fn(R),
) -> f64 {
    touch(256 << 20);
    let start = Instant::now();
    let mut under_way = VecDeque::new();
    for _ in 0..rounds {
        under_way.push_back(submit());
        if under_way.len() == window
            && let Some(future) = under_way.pop_front()
        {
            check(future.result().expect("a payload"));
        }
    }
    for future in under_way {
        check(future.result().expect("a payload"));
    }
    (n as u64 * rounds) as f64 / start.elapsed().as_secs_f64() / 1e9
}

fn touch(bytes: usize) {
    std::hint::black_box(vec![1u8; bytes]);
}

pub(crate) fn run(records: &mut Records, size: Size) {
    let pool = pool(2);
    for (name, n, rounds, window) in [
        ("1KiB", 1 << 10, 50_000, 64),
        ("1MiB", 1 << 20, 400, 4),
        ("64MiB", 64 << 20, 12, 2),
    ] {
        if size.is_quick() && n > 1 << 20 {
            continue;
        }
        measure(records, &pool, name, (n, size.of(rounds), window));
    }
}

fn measure(records: &mut Records, pool: &ProcessPool, name: &str, run: (usize, u64, usize)) {
    let n = run.0;
    let bytes = vec![7u8; n];
    let wanted = n as u64 + 14;
    let mut copy = vec![0u8; n];
    touch(256 << 20);
    let start = Instant::now();
    for _ in 0..run.1 {
        copy.copy_from_slice(std::hint::black_box(&bytes));
        std::hint::black_box(&mut copy);
    }
    let rate = (n as u64 * run.1) as f64 / start.elapsed().as_secs_f64() / 1e9;
    records.put(&format!("memcpy {name}"), "GBps", rate);
    let full = |got: &[u8]| assert_eq!((got.len(), got[0], got[n - 1]), (n, 7, 7));

    let peer = format!("pexec Vec<u8> {name}");
    let rate = windowed(
        run,
        || pool.submit(length, bytes.clone()),
        |r| assert_eq!(r, wanted),
    );
    records.put(&peer, "to_worker_GBps", rate);
    let rate = windowed(run, || pool.submit(give, n as u64), |r| full(&r));
    records.put(&peer, "from_worker_GBps", rate);

    let peer = format!("pexec ByteBuf {name}");
    let rate = windowed(
        run,
        || pool.submit(length_of_buf, ByteBuf::from(bytes.clone())),
        |r| assert_eq!(r, wanted),
    );
    records.put(&peer, "to_worker_GBps", rate);
    let rate = windowed(run, || pool.submit(give_buf, n as u64), |r| full(&r));
    records.put(&peer, "from_worker_GBps", rate);
}
