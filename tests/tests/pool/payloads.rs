//! Large arguments and results: what they are made of comes through whole, whatever way it takes, and their memory is used
//! again for a while, and then given back.

use pexec::{Executor, ProcessPool, Transport};
use pexec_tests::{LeakSweep, wait_until};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{pids, pool};

const MIB: usize = 1 << 20;

/// Bytes of which no 64 KiB look like others.
fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i ^ i >> 8 ^ i >> 16) as u8).collect()
}

fn turned(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

fn turned_buf(bytes: ByteBuf) -> ByteBuf {
    ByteBuf::from(turned(bytes.into_vec()))
}

/// Not known to be a string of bytes and nothing else.
#[derive(Serialize, Deserialize)]
struct Record {
    before: u32,
    bytes: ByteBuf,
    behind: String,
}

fn turned_record(record: Record) -> Record {
    Record {
        before: record.before + 1,
        bytes: turned_buf(record.bytes),
        behind: record.behind + ".",
    }
}

fn shouted(text: String) -> String {
    text.to_uppercase()
}

#[test]
fn strings_of_bytes_and_texts_of_any_type_come_back_whole_by_either_transport() {
    let _sweep = LeakSweep::new();
    for transport in [Transport::Memory, Transport::Socket] {
        let pool = ProcessPool::builder().workers(2).transport(transport).build();
        let pool = pool.expect("a pool");
        for len in [0, 1, 16 << 10, MIB - 1, 5 * MIB + 7] {
            let there = bytes(len);
            let back = turned(there.clone());
            let vec = pool.submit(turned, there.clone());
            let buf = pool.submit(turned_buf, ByteBuf::from(there.clone()));
            let text = pool.submit(shouted, "aß".repeat(len / 3));
            let record = Record {
                before: 1,
                bytes: ByteBuf::from(there),
                behind: "end".to_owned(),
            };
            let record = pool.submit(turned_record, record).result().expect("runs");
            assert!(record.bytes == back && (record.before, &record.behind[..]) == (2, "end."));
            assert!(vec.result().expect("runs") == back, "{len} bytes");
            assert!(buf.result().expect("runs") == back, "{len} bytes");
            assert!(text.result().expect("runs") == "ASS".repeat(len / 3));
        }
    }
}

/// A column of `/proc/PID/stat`, counted from 1.
fn stat(pid: u32, column: usize) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is there");
    let behind_name = text.rsplit(')').next().expect("a name in brackets");
    let field = behind_name.split_whitespace().nth(column - 3);
    field.and_then(|field| field.parse().ok()).expect("a number")
}

fn page() -> usize {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    size.ok().flatten().expect("known") as usize
}

const RESULT: usize = 40 * MIB;

fn fresh(byte: u8) -> Vec<u8> {
    vec![byte; RESULT]
}

#[test]
#[cfg(target_env = "gnu")]
fn a_worker_uses_the_memory_of_large_results_again_and_gives_it_back_when_nothing_comes() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let worker = pids(&pool)[0];
    // The next one is there before the worker has time to give memory back, however slowly this one is taken.
    let give = |count: u8| {
        let mut ahead = pool.submit(fresh, 0);
        for n in 1..=count {
            let next = pool.submit(fresh, n);
            let result = std::mem::replace(&mut ahead, next).result().expect("runs");
            assert!(result.len() == RESULT && result[RESULT - 1] == n - 1);
        }
        ahead.result().expect("runs");
    };
    give(1);
    let faults = stat(worker, 10);
    give(15);
    let faults = stat(worker, 10) - faults;
    // Were each of the 16 results fresh memory, there would be a fault for each of its pages.
    assert!((faults as usize) < 8 * RESULT / page(), "{faults} faults");
    wait_until_given_back(worker);
    assert_eq!(pids(&pool), [worker]);
}

fn wait_until_given_back(worker: u32) {
    wait_until("the worker has given its memory back", || {
        (stat(worker, 24) as usize) * page() < RESULT / 2
    });
}

#[test]
fn a_worker_that_gave_its_memory_back_serves_on() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let worker = pids(&pool)[0];
    for round in 0..3 {
        assert!(pool.submit(fresh, round).result().expect("runs")[RESULT / 2] == round);
        wait_until_given_back(worker);
    }
}

#[test]
fn a_worker_whose_memory_is_looked_at_keeps_none_of_large_results() {
    let _sweep = LeakSweep::new();
    let huge = std::fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled");
    if huge.is_ok_and(|huge| huge.contains("[always]")) {
        eprintln!("skipped: a fault for each page tells fresh memory, and here huge pages are always used");
        return;
    }
    let pool = ProcessPool::builder()
        .workers(1)
        .max_worker_memory(1 << 40)
        .build()
        .expect("a pool");
    let worker = pids(&pool)[0];
    let faults = stat(worker, 10);
    for round in 0..4 {
        assert!(pool.submit(fresh, round).result().expect("runs")[0] == round);
    }
    // Each result was fresh memory.
    assert!((stat(worker, 10) - faults) as usize >= 4 * RESULT / page());
}
