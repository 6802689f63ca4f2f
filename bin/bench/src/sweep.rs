//! Throughput and latency against the size of the payload, in steps of four: what the plots show.

use crate::payload::{self, Load};
use crate::record::Records;
use crate::size::Size;
use crate::work::pool;

pub(crate) fn run(records: &mut Records, size: Size) {
    let pool = pool(2);
    let most = if size.is_quick() { 1 << 16 } else { 64 << 20 };
    let sizes = std::iter::successors(Some(64), |n| Some(n * 4)).take_while(|&n| n <= most);
    for n in sizes {
        let window = match n {
            0..=0xffff => 64,
            0x1_0000..=0x3f_ffff => 4,
            _ => 2,
        };
        let load = |rounds| Load { n, rounds, window };
        let rounds = ((256u64 << 20) / n as u64).clamp(8, 20_000);
        payload::memcpy(records, load(size.of(rounds)));
        payload::both_ways::<Vec<u8>>(records, &pool, load(size.of(rounds)));
        let alone = load(size.of((rounds / 4).clamp(8, 2_000)));
        let peer = format!("pexec Vec<u8> {}", alone.name());
        records.put_latency(&peer, payload::latencies(&pool, alone));
    }
}
