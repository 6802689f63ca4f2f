//! Large arguments and results.

use std::time::Instant;

use pexec::{Executor, ProcessPool};
use serde_bytes::ByteBuf;

use crate::record::Records;

fn length(bytes: ByteBuf) -> u64 {
    bytes.len() as u64
}

fn give(n: u64) -> ByteBuf {
    ByteBuf::from(vec![7; n as usize])
}

pub(crate) fn run(records: &mut Records) {
    let pool = ProcessPool::builder()
        .workers(2)
        .build()
        .expect("a pool of two workers");
    for (name, n, rounds, window) in [
        ("1KiB", 1 << 10, 20_000, 64),
        ("1MiB", 1 << 20, 200, 4),
        ("64MiB", 64 << 20, 6, 2),
    ] {
        let peer = format!("pexec ByteBuf {name}");
        let bytes = vec![7u8; n];
        let start = Instant::now();
        let sent = pool
            .map(length, (0..rounds).map(|_| ByteBuf::from(bytes.clone())))
            .look_ahead(window);
        let total: u64 = sent.map(|r| r.expect("a length")).sum();
        records.put(
            &peer,
            "to_worker_GBps",
            total as f64 / start.elapsed().as_secs_f64() / 1e9,
        );
        let start = Instant::now();
        let received = pool.map(give, (0..rounds).map(|_| n as u64)).look_ahead(window);
        let total: u64 = received.map(|r| r.expect("bytes").len() as u64).sum();
        records.put(
            &peer,
            "from_worker_GBps",
            total as f64 / start.elapsed().as_secs_f64() / 1e9,
        );
    }
}
