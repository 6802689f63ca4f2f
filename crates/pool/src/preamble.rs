//! What lies in a worker's channel before its process exists: the key, who it is to be, the lifeline, the shared
//! memory, and where tasks travel through that memory the bell. It never leaves the two descriptors of one socket
//! pair, so nobody else can read it.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use pexec_ipc::wake::Wake;
use pexec_ipc::{process, socket};
use pexec_proto::{BuildId, Key};
use zeroize::Zeroize;

const MAGIC: [u8; 8] = *b"pexec\0w1";
const LEN: usize = 8 + 32 + 4 + 8;

pub(crate) struct Preamble {
    pub(crate) key: Key,
    pub(crate) build: BuildId,
    pub(crate) slot: u32,
    pub(crate) generation: u64,
    pub(crate) lifeline: OwnedFd,
    pub(crate) memory: OwnedFd,
    /// To wake the supervisor with; `None`: tasks travel through the socket.
    pub(crate) bell: Option<OwnedFd>,
}

/// Puts it into the channel; it is small enough to fit, so this never blocks.
pub(crate) fn send(
    socket: &OwnedFd,
    key: &Key,
    (slot, generation): (u32, u64),
    lifeline: &OwnedFd,
    memory: &OwnedFd,
    bell: Option<&Wake>,
) -> io::Result<()> {
    let mut bytes = [0; LEN];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..40].copy_from_slice(key.expose());
    bytes[40..44].copy_from_slice(&slot.to_le_bytes());
    bytes[44..].copy_from_slice(&generation.to_le_bytes());
    let mut fds = vec![lifeline.as_fd(), memory.as_fd()];
    fds.extend(bell.map(AsFd::as_fd));
    let sent = socket::send_with_fds(socket, &[IoSlice::new(&bytes)], &fds);
    bytes.zeroize();
    // The socket is empty, so all of it fits.
    if sent? == LEN {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Takes it out again, in the worker.
pub(crate) fn receive(socket: &OwnedFd) -> io::Result<Preamble> {
    let mut bytes = [0; LEN];
    let fds = socket::receive_exact_with_fds(socket, &mut bytes)?;
    let refuse = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    if bytes[..8] != MAGIC {
        return Err(refuse("standard input is not a channel of this version of pexec"));
    }
    let mut fds = fds.into_iter();
    let (Some(lifeline), Some(memory), bell, None) = (fds.next(), fds.next(), fds.next(), fds.next()) else {
        return Err(refuse(
            "the channel did not bring the two or three descriptors that a worker needs",
        ));
    };
    let mut key = *array(&bytes[8..40]);
    let preamble = Preamble {
        key: Key::from_bytes(key),
        build: build_id()?,
        slot: u32::from_le_bytes(*array(&bytes[40..44])),
        generation: u64::from_le_bytes(*array(&bytes[44..])),
        lifeline,
        memory,
        bell,
    };
    key.zeroize();
    bytes.zeroize();
    Ok(preamble)
}

/// What this process runs. A worker is started from the very image of its supervisor, and both read this off
/// that image; it is not a hash of the file, which may be hundreds of megabytes.
pub(crate) fn build_id() -> io::Result<BuildId> {
    let identity = process::image_identity()?;
    let bytes = identity.map(u64::to_le_bytes);
    Ok(BuildId::of(&[
        &bytes.concat(),
        env!("CARGO_PKG_VERSION").as_bytes(),
    ]))
}

/// Bytes from the system's random source.
pub(crate) fn random() -> io::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())?;
    }
    Ok(bytes)
}

/// A part of the fixed layout as an array of the length that its place has.
fn array<const N: usize>(bytes: &[u8]) -> &[u8; N] {
    bytes
        .first_chunk()
        .expect("the parts of the preamble have fixed lengths")
}
