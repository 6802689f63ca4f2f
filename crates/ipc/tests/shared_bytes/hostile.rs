//! A sender is believed nothing: neither that its memory will stay as it is, nor that it is memory, nor where in it the
//! bytes are.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use nix::fcntl::{FallocateFlags, FcntlArg, OFlag, SealFlag, fallocate, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use pexec_ipc::shared_bytes::SharedBytes;
use pexec_proto::codec;
use serde::Serialize;

use crate::traffic::{MIB, alone, collect, holdings, pattern, provide};

/// What a message about shared bytes says, as a sender could write it.
#[derive(Serialize)]
enum Forged {
    #[allow(dead_code, reason = "stands for the first of the two variants")]
    Copied(()),
    Sealed {
        index: u32,
        start: u64,
        len: u64,
    },
}

/// What the receiver of this message says, which comes with this descriptor.
fn receive_forged(file: impl Into<OwnedFd>, index: u32, start: u64, len: u64) -> Result<SharedBytes, String> {
    let mut body = Vec::new();
    codec::encode(&Forged::Sealed { index, start, len }, &mut body).unwrap();
    provide(vec![Arc::new(file.into())], || codec::decode(&body)).map_err(|e| e.to_string())
}

const ALL: SealFlag = SealFlag::F_SEAL_SHRINK
    .union(SealFlag::F_SEAL_GROW)
    .union(SealFlag::F_SEAL_WRITE);

fn memfd(len: usize, seals: SealFlag) -> File {
    let fd = memfd_create("hostile", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING).unwrap();
    let file = File::from(fd);
    file.write_all_at(&pattern(len), 0).unwrap();
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).unwrap();
    file
}

#[test]
fn nobody_can_change_what_was_sent() {
    let _alone = alone();
    let bytes = SharedBytes::from(pattern(3 * MIB));
    let mut body = Vec::new();
    let (encoded, fds) = collect(|| codec::encode(&bytes, &mut body));
    encoded.unwrap();
    let file = File::from(fds[0].try_clone().unwrap());
    let denied = |result: io::Result<()>| assert_eq!(result.unwrap_err().raw_os_error(), Some(1));
    denied(file.write_all_at(&[1], 5));
    denied(file.set_len(1));
    denied(file.set_len(8 << 20));
    let hole = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
    denied(fallocate(&file, hole, 0, 4096).map_err(io::Error::from));
    denied(
        fcntl(&file, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_FUTURE_WRITE))
            .map(drop)
            .map_err(io::Error::from),
    );
    assert!(bytes == pattern(3 * MIB)[..]);
}

#[test]
fn what_its_sender_could_still_change_is_refused() {
    let _alone = alone();
    let before = holdings();
    let len = 100_000;
    let writable = "can still be written by its sender";
    let resizable = "can still change its size";
    for (seals, word) in [
        (SealFlag::empty(), writable),
        (SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW, writable),
        (
            ALL.difference(SealFlag::F_SEAL_WRITE) | SealFlag::F_SEAL_FUTURE_WRITE,
            writable,
        ),
        (ALL.difference(SealFlag::F_SEAL_SHRINK), resizable),
        (ALL.difference(SealFlag::F_SEAL_GROW), resizable),
    ] {
        let why = receive_forged(memfd(len, seals), 0, 0, 10).unwrap_err();
        assert!(why.contains(word), "{seals:?}: {why}");
    }
    let good = receive_forged(memfd(len, ALL), 0, 0, len as u64).unwrap();
    assert!(good == pattern(len)[..]);
    drop(good);
    assert_eq!(holdings(), before);
}

#[test]
fn what_is_no_memory_is_refused() {
    let _alone = alone();
    let before = holdings();
    let (pipe, _write) = nix::unistd::pipe().unwrap();
    let (end, _other) = UnixStream::pair().unwrap();
    let in_tmpfs = || {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(OFlag::O_TMPFILE.bits());
        options
            .open("/dev/shm")
            .or_else(|_| File::open("/dev/null"))
            .unwrap()
    };
    for file in [
        File::open("/dev/null").unwrap().into(),
        File::open("/dev/zero").unwrap().into(),
        File::open("/proc/self/exe").unwrap().into(),
        in_tmpfs().into(),
        pipe,
        end.into(),
    ] {
        let why = receive_forged(file, 0, 0, 10).unwrap_err();
        assert!(
            why.starts_with("a SharedBytes is refused: the descriptor"),
            "{why}"
        );
    }
    drop(_write);
    drop(_other);
    assert_eq!(holdings(), before);
}

#[test]
fn memory_that_reading_would_first_have_to_allocate_is_refused() {
    let _alone = alone();
    let sparse = memfd(0, SealFlag::empty());
    sparse.set_len(1 << 40).unwrap();
    fcntl(&sparse, FcntlArg::F_ADD_SEALS(ALL)).unwrap();
    let why = receive_forged(sparse, 0, 0, 10).unwrap_err();
    assert!(why.contains("has holes"), "{why}");
    let why = receive_forged(memfd(0, ALL), 0, 0, 0).unwrap_err();
    assert!(why.contains("is empty"), "{why}");
}

#[test]
fn a_part_that_is_not_within_the_memory_is_refused() {
    let _alone = alone();
    let before = holdings();
    let len = 100_000_u64;
    for (start, part) in [
        (0, len + 1),
        (len, 1),
        (1, len),
        (u64::MAX, 1),
        (1, u64::MAX),
        (u64::MAX, u64::MAX),
        (0, -1_i64 as u64),
        (i64::MAX as u64, i64::MAX as u64),
    ] {
        let why = receive_forged(memfd(len as usize, ALL), 0, start, part).unwrap_err();
        assert!(why.contains("are not within the 100000"), "{why}");
    }
    for index in [1, 7, u32::MAX] {
        let why = receive_forged(memfd(len as usize, ALL), index, 0, 1).unwrap_err();
        assert!(why.contains("came without its descriptor"), "{why}");
    }
    let end = receive_forged(memfd(len as usize, ALL), 0, len, 0).unwrap();
    assert!(end.is_empty());
    drop(end);
    assert_eq!(holdings(), before);
}

#[test]
fn a_message_garbled_anywhere_is_an_error_or_a_part_of_what_came() {
    let _alone = alone();
    let before = holdings();
    let len = 100_000;
    let bytes = pattern(len);
    let file = memfd(len, ALL);
    let mut body = Vec::new();
    let (index, start, part) = (0, 300, 70_000);
    codec::encode(
        &Forged::Sealed {
            index,
            start,
            len: part,
        },
        &mut body,
    )
    .unwrap();
    for at in 0..body.len() {
        for value in 0..=u8::MAX {
            let mut garbled = body.clone();
            garbled[at] = value;
            let fds = vec![Arc::new(file.try_clone().unwrap().into())];
            if let Ok(got) = provide(fds, || codec::decode::<SharedBytes>(&garbled)) {
                assert!(got.is_empty() || bytes.windows(got.len()).any(|w| *w == *got));
            }
        }
        let fds = vec![Arc::new(file.try_clone().unwrap().into())];
        assert!(provide(fds, || codec::decode::<SharedBytes>(&body[..at])).is_err());
    }
    drop(file);
    assert_eq!(holdings(), before);
}
