//! Bytes that workers and supervisor share: the descriptor travels beside the argument or the result, whatever way
//! that goes, and again with each attempt.

use std::os::fd::OwnedFd;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pexec::sync::{COPIED_UP_TO, SharedBytes};
use pexec::{Executor, Retry, TaskError};
use pexec_tests::LeakSweep;
use pexec_tests::tasks::add;

use crate::pool;

const MIB: usize = 1 << 20;

fn pattern(len: usize, seed: u64) -> SharedBytes {
    SharedBytes::build(len, |bytes| {
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = (i as u64 ^ seed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .to_le_bytes()[7];
        }
    })
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&b| u64::from(b)).sum()
}

fn sum_of(bytes: SharedBytes) -> u64 {
    sum(&bytes)
}

fn make(len: u64, seed: u64) -> SharedBytes {
    pattern(len as usize, seed)
}

/// The file behind memory of this length that this process has mapped: which one it is tells whether two processes
/// have the same.
fn inode_of(bytes: &SharedBytes) -> String {
    let address = format!("{:x}", bytes.as_ptr() as usize);
    let maps = std::fs::read_to_string("/proc/self/maps").expect("a list of mappings");
    let line = maps.lines().find(|line| line.starts_with(&address));
    let line = line.unwrap_or_else(|| panic!("no mapping begins at {address}: {maps}"));
    line.split_whitespace().nth(4).expect("an inode").to_owned()
}

fn inode_there(bytes: SharedBytes) -> String {
    inode_of(&bytes)
}

#[test]
fn argument_and_result_are_the_same_memory_on_both_sides() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let bytes = pattern(MIB, 1);
    let there = pool.submit(inode_there, bytes.clone()).result().expect("it runs");
    assert_eq!(there, inode_of(&bytes));
    let echoed = pool
        .submit(|b: SharedBytes| b, bytes.clone())
        .result()
        .expect("it runs");
    assert_eq!(inode_of(&echoed), inode_of(&bytes));
    let (made, inode) = pool
        .submit(
            |seed: u64| {
                let bytes = make(3 * MIB as u64, seed);
                let inode = inode_of(&bytes);
                (bytes, inode)
            },
            9,
        )
        .result()
        .expect("it runs");
    assert_eq!((inode_of(&made), made), (inode, pattern(3 * MIB, 9)));
}

#[test]
fn any_length_and_any_part_arrives_as_it_was() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let whole = pattern(2 * MIB, 5);
    for len in [0, 1, COPIED_UP_TO - 1, COPIED_UP_TO, COPIED_UP_TO + 1, MIB + 3] {
        for start in [0, 1, 4096, MIB - 3] {
            let part = whole.slice(start..start + len);
            let back = pool
                .submit(|b: SharedBytes| b, part.clone())
                .result()
                .expect("it runs");
            assert_eq!(back, part);
        }
    }
    let several = vec![
        whole.slice(..MIB),
        whole,
        SharedBytes::from(&b"few"[..]),
        pattern(MIB, 6),
    ];
    let sums = pool.submit(
        |all: Vec<SharedBytes>| all.iter().map(|b| sum(b)).collect::<Vec<u64>>(),
        several.clone(),
    );
    let here: Vec<u64> = several.iter().map(|b| sum(b)).collect();
    assert_eq!(sums.result().expect("it runs"), here);
}

#[test]
fn thousands_on_their_way_arrive_each_at_its_own_task() {
    let _sweep = LeakSweep::new();
    let pool = pool(3);
    let all: Vec<SharedBytes> = (0..40).map(|seed| pattern(COPIED_UP_TO + 1, seed)).collect();
    let futures: Vec<_> = (0..3000)
        .map(|i| {
            // Plain ones in between take another way than what goes along with the others.
            let plain = pool.submit(add, (i, 1));
            (pool.submit(sum_of, all[i as usize % all.len()].clone()), plain)
        })
        .collect();
    let sums: Vec<u64> = all.iter().map(|b| sum(b)).collect();
    for (i, (future, plain)) in futures.into_iter().enumerate() {
        assert_eq!(future.result().expect("it runs"), sums[i % sums.len()]);
        assert_eq!(plain.result().expect("it runs"), i as u64 + 1);
    }
    let made: Vec<_> = (0..300)
        .map(|i| pool.submit(make, (COPIED_UP_TO as u64 + 1, i)))
        .collect();
    for (i, future) in made.into_iter().enumerate() {
        assert_eq!(
            future.result().expect("it runs"),
            pattern(COPIED_UP_TO + 1, i as u64)
        );
    }
}

#[test]
fn the_items_of_a_map_may_have_handles_or_not() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let inputs = || (0..400u64).map(|i| pattern(if i.is_multiple_of(7) { COPIED_UP_TO + 1 } else { 10 }, i));
    let got: Vec<_> = pool
        .map(sum_of, inputs())
        .collect::<Result<_, _>>()
        .expect("all run");
    assert_eq!(got, inputs().map(|b| sum(&b)).collect::<Vec<u64>>());
    // Small inputs travel together, and some of their results have handles.
    let len_of = |i: u64| {
        if i.is_multiple_of(5) {
            COPIED_UP_TO as u64 + 1
        } else {
            7
        }
    };
    let got = pool.map(make, (0..400u64).map(|i| (len_of(i), i)));
    for (i, bytes) in (0..400u64).zip(got) {
        assert_eq!(bytes.expect("it runs"), pattern(len_of(i) as usize, i));
    }
}

fn crash_first(bytes: SharedBytes) -> u64 {
    if pexec::task::current().is_some_and(|task| task.attempt == 1) {
        std::process::abort();
    }
    sum(&bytes)
}

#[test]
fn a_second_attempt_gets_the_bytes_again() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let bytes = pattern(MIB, 3);
    let futures: Vec<_> = (0..6)
        .map(|_| {
            pool.task(crash_first, bytes.clone())
                .retry(Retry::times(1))
                .submit()
        })
        .collect();
    for future in futures {
        assert_eq!(future.result().expect("the second attempt runs"), sum(&bytes));
    }
}

fn keep(bytes: SharedBytes) -> SharedBytes {
    bytes
}

fn sum_of_state() -> u64 {
    sum(pexec::worker::state::<SharedBytes>().expect("the initializer's"))
}

#[test]
fn an_initializer_gets_them_in_every_worker_and_in_replacements() {
    let _sweep = LeakSweep::new();
    let bytes = pattern(MIB, 4);
    let pool = crate::builder()
        .workers(2)
        .initializer(keep, bytes.clone())
        .build()
        .expect("a pool");
    let check = || {
        let sums: Vec<_> = (0..20).map(|_| pool.submit(sum_of_state, ())).collect();
        for future in sums {
            assert_eq!(future.result().expect("it runs"), sum(&bytes));
        }
    };
    check();
    let crashed = pool.submit(pexec_tests::tasks::die_by, 9).result();
    assert!(matches!(crashed, Err(TaskError::Crashed(_))), "{crashed:?}");
    check();
}

#[test]
fn more_than_one_message_holds_is_an_error_of_that_task_alone() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let many: Vec<SharedBytes> = (0..260).map(|i| pattern(COPIED_UP_TO + 1, i)).collect();
    let refused = pool
        .submit(|all: Vec<SharedBytes>| all.len(), many.clone())
        .result();
    assert!(
        matches!(&refused, Err(TaskError::Encode(why)) if why.contains("250")),
        "{refused:?}"
    );
    let fits = pool.submit(|all: Vec<SharedBytes>| all.len(), many[..250].to_vec());
    assert_eq!(fits.result().expect("it runs"), 250);
}

/// Leaves this process room for so many more descriptors.
fn leave_room(for_so_many: u64) {
    let lowest: OwnedFd = std::fs::File::open("/dev/null").expect("a descriptor").into();
    let used = std::os::fd::AsRawFd::as_raw_fd(&lowest) as u64;
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("a limit");
    setrlimit(Resource::RLIMIT_NOFILE, used + for_so_many, hard).expect("a lower limit");
}

#[test]
fn a_worker_without_room_for_descriptors_says_so_and_serves_on() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let bytes = pattern(MIB, 8);
    pool.submit(leave_room, 2).result().expect("it runs");
    let many: Vec<SharedBytes> = (0..5).map(|i| pattern(MIB, i)).collect();
    let refused = pool.submit(|all: Vec<SharedBytes>| all.len(), many).result();
    let says = |why: &str| why.contains("too many files open");
    assert!(
        matches!(&refused, Err(TaskError::Decode(why)) if says(why)),
        "{refused:?}"
    );
    assert_eq!(
        pool.submit(sum_of, bytes.clone()).result().expect("it runs"),
        sum(&bytes)
    );
}

#[test]
fn within_one_process_they_are_passed_on_as_they_are() {
    let bytes = pattern(MIB, 2);
    let threads = pexec::ThreadPool::builder().workers(2).build().expect("threads");
    let back = threads
        .submit(|b: SharedBytes| b, bytes.clone())
        .result()
        .expect("it runs");
    assert_eq!(back.as_ptr(), bytes.as_ptr());
}
