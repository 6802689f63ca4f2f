//! What is sent arrives, once, whole and unchanged, and leaves nothing behind.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use pexec_ipc::carry;
use pexec_ipc::shared_bytes::{COPIED_UP_TO, SharedBytes};
use pexec_proto::codec;

use crate::traffic::{MIB, alone, collect, holdings, pattern, travel};

#[test]
fn bytes_of_every_size_arrive_as_they_were_and_leave_nothing_behind() {
    let _alone = alone();
    every_size_there_and_back();
}

/// In a process of its own, since the setting is the process's.
#[test]
fn so_they_do_where_there_are_no_huge_pages() {
    const MARK: &str = "WITHOUT_HUGE_PAGES";
    let _alone = alone();
    if std::env::var_os(MARK).is_some() {
        nix::sys::prctl::set_thp_disable(true).unwrap();
        every_size_there_and_back();
        return;
    }
    let mut command = Command::new("/proc/self/exe");
    command.args([
        "--exact",
        "so_they_do_where_there_are_no_huge_pages",
        "--nocapture",
    ]);
    let output = command.env(MARK, "1").stdin(Stdio::null()).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

fn every_size_there_and_back() {
    let before = holdings();
    for len in [
        0,
        1,
        COPIED_UP_TO,
        COPIED_UP_TO + 1,
        MIB - 1,
        MIB,
        2 * MIB,
        3 * MIB + 5,
        6 * MIB - 5,
        64 * MIB,
    ] {
        let original = pattern(len);
        for sent in [
            SharedBytes::from(original.clone()),
            SharedBytes::build(len, |place| place.copy_from_slice(&original)),
        ] {
            let got: SharedBytes = travel(sent).unwrap();
            assert!(got == original[..], "{len} bytes there");
            let back: SharedBytes = travel(got).unwrap();
            assert!(back == original[..], "{len} bytes and back");
        }
        assert_eq!(holdings(), before, "after {len} bytes");
    }
}

#[test]
fn what_is_built_in_place_begins_as_zeros() {
    let _alone = alone();
    for len in [10, 100_000, 2 * MIB, 2 * MIB + 100_000] {
        let bytes = SharedBytes::build(len, |place| {
            assert_eq!(place.len(), len);
            assert!(place.iter().all(|&b| b == 0));
            place[len - 1] = 1;
        });
        assert_eq!(bytes[len - 1], 1);
    }
}

#[test]
fn a_panic_while_building_leaves_nothing_behind() {
    let _alone = alone();
    let before = holdings();
    let unwound =
        std::panic::catch_unwind(|| SharedBytes::build(3 * MIB, |_| std::panic::resume_unwind(Box::new(()))));
    assert!(unwound.is_err());
    assert_eq!(holdings(), before);
}

#[test]
fn many_parts_of_one_block_travel_with_one_descriptor_and_arrive_in_one_mapping() {
    let _alone = alone();
    let before = holdings();
    let original = pattern(4 * MIB);
    let whole = SharedBytes::from(original.clone());
    let parts: Vec<SharedBytes> = (0..1000)
        .map(|i| whole.slice(i..=i + 3 * MIB))
        .chain([whole.slice(MIB..MIB + 5), whole.slice(7..7), whole.clone()])
        .collect();
    let got: Vec<SharedBytes> = travel(&parts).unwrap();
    assert_eq!(got.len(), parts.len());
    assert!(got.iter().zip(&parts).all(|(a, b)| a.len() == b.len()));
    assert!(got[999] == original[999..=999 + 3 * MIB]);
    assert!(got[1000] == original[MIB..MIB + 5]);
    // This process has the block already, so what came is the same memory.
    assert_eq!(holdings(), (before.0 + 1, before.1 + 1));
    assert_eq!(got[1002].as_ptr(), whole.as_ptr());
    drop((whole, parts));
    assert!(got[1] == original[1..=1 + 3 * MIB]);
    drop(got);
    assert_eq!(holdings(), before);
}

#[test]
fn handles_can_be_dropped_in_any_order_and_from_any_thread() {
    let _alone = alone();
    let before = holdings();
    let original = pattern(MIB);
    for round in 0..50 {
        let first = SharedBytes::from(original.clone());
        let part = first.slice(5..);
        let clone = first.clone();
        let got: SharedBytes = travel(&clone).unwrap();
        std::thread::scope(|s| {
            s.spawn(|| assert!(part == original[5..]));
            s.spawn(|| drop((first, clone)));
            s.spawn(|| travel::<_, SharedBytes>(&part).unwrap());
        });
        let last = if round % 2 == 0 { part } else { got.slice(5..) };
        assert!(last == original[5..]);
        drop(got);
        assert!(last.ends_with(&original[MIB - 9..]));
    }
    assert_eq!(holdings(), before);
}

#[test]
fn sending_a_thousand_times_takes_no_more_descriptors_than_once() {
    let _alone = alone();
    let before = holdings();
    let bytes = SharedBytes::from(pattern(MIB));
    for _ in 0..1000 {
        let got: SharedBytes = travel(&bytes).unwrap();
        assert_eq!(got.as_ptr(), bytes.as_ptr());
    }
    assert_eq!(holdings(), (before.0 + 1, before.1 + 1));
}

#[test]
fn more_blocks_than_one_message_holds_are_an_error_that_says_so() {
    let _alone = alone();
    let before = holdings();
    let blocks: Vec<SharedBytes> = (0..=carry::MAX_DESCRIPTORS)
        .map(|_| SharedBytes::from(pattern(COPIED_UP_TO + 1)))
        .collect();
    let why = travel::<_, Vec<SharedBytes>>(&blocks).unwrap_err();
    assert!(why.contains("no place in this message"), "{why}");
    drop(blocks);
    assert_eq!(holdings(), before);
}

#[test]
fn outside_of_a_message_neither_short_nor_long_bytes_have_a_form() {
    let _alone = alone();
    for len in [3, MIB] {
        let bytes = SharedBytes::from(pattern(len));
        let mut out = Vec::new();
        let why = codec::encode(&bytes, &mut out).unwrap_err().to_string();
        assert!(why.contains("only inside a task's argument or result"), "{why}");
        let (encoded, _fds) = collect(|| codec::encode(&bytes, &mut out));
        encoded.unwrap();
        let why = codec::decode::<SharedBytes>(&out).unwrap_err().to_string();
        assert!(why.contains("only inside a task's argument or result"), "{why}");
    }
}

#[test]
fn without_descriptors_left_the_bytes_stay_here_and_sending_says_why() {
    let _alone = alone();
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    let limit = |soft| setrlimit(Resource::RLIMIT_NOFILE, soft, hard);
    let next = File::open("/dev/null").unwrap().as_raw_fd() as u64;
    let original = pattern(3 * MIB);
    limit(next).unwrap();
    let copied = SharedBytes::from(original.clone());
    let built = SharedBytes::build(original.len(), |place| place.copy_from_slice(&original));
    let mut out = Vec::new();
    let (encoded, fds) = collect(|| codec::encode(&copied, &mut out));
    limit(soft).unwrap();
    let why = encoded.unwrap_err().to_string();
    assert!(why.contains("no shared memory for a SharedBytes"), "{why}");
    assert!(fds.is_empty());
    assert!(copied == original[..] && built == original[..]);
    let later: SharedBytes = travel(&built).unwrap();
    assert!(later == original[..]);
}
