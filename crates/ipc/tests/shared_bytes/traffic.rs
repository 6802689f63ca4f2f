//! What the tests share: a socket to send through, bytes that tell where they belong, and an account of what this
//! process has open. One test at a time runs, because that account is the process's.

use std::fs::File;
use std::io::{IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pexec_ipc::{carry, socket};
use pexec_proto::codec;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub(crate) const MIB: usize = 1 << 20;

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many descriptors this process has open, and how many memory files it has mapped.
pub(crate) fn holdings() -> (usize, usize) {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count();
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    (
        open,
        maps.lines().filter(|l| l.contains("memfd:pexec-bytes")).count(),
    )
}

/// The value as its receiver gets it, who has nothing else of it: given by value, it is gone before it arrives.
pub(crate) fn travel<T: Serialize, U: DeserializeOwned>(value: T) -> Result<U, String> {
    let mut body = Vec::new();
    let (encoded, fds) = collect(|| codec::encode(&value, &mut body));
    encoded.map_err(|e| e.to_string())?;
    let (a, b) = socket::pair().unwrap();
    send(&a, &body, fds.iter().map(|fd| fd.as_fd()).collect());
    drop((value, fds));
    let (body, fds) = receive(&b);
    provide(fds, || codec::decode(&body)).map_err(|e| e.to_string())
}

/// Encodes, and gives what goes along.
pub(crate) fn collect<T>(encode: impl FnOnce() -> T) -> (T, Vec<Arc<OwnedFd>>) {
    let mut fds = Vec::new();
    (carry::collect(&mut fds, encode), fds)
}

/// Decodes with what came along.
pub(crate) fn provide<T>(mut fds: Vec<Arc<OwnedFd>>, decode: impl FnOnce() -> T) -> T {
    carry::provide(&mut fds, decode)
}

/// The length goes first, with the descriptors.
pub(crate) fn send(socket: &OwnedFd, body: &[u8], fds: Vec<BorrowedFd<'_>>) {
    let len = (body.len() as u32).to_le_bytes();
    socket::send_with_fds(socket, &[IoSlice::new(&len)], &fds).unwrap();
    let mut rest = File::from(socket.try_clone().unwrap());
    rest.write_all(body).unwrap();
}

pub(crate) fn receive(socket: &OwnedFd) -> (Vec<u8>, Vec<Arc<OwnedFd>>) {
    let mut len = [0; 4];
    let fds = socket::receive_exact_with_fds(socket, &mut len).unwrap();
    let mut body = vec![0; u32::from_le_bytes(len) as usize];
    let mut rest = File::from(socket.try_clone().unwrap());
    rest.read_exact(&mut body).unwrap();
    (body, fds.into_iter().map(Arc::new).collect())
}

pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect()
}
