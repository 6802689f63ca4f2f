//! Connected stream sockets: never SIGPIPE, never blocking unless asked, descriptors only where expected.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, Shutdown, SockFlag, SockType, recv, sendmsg, shutdown,
    socketpair,
};

/// Two connected ends, both close-on-exec from the start.
///
/// # Errors
///
/// When no descriptors are left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(
        AddressFamily::Unix,
        SockType::Stream,
        None,
        SockFlag::SOCK_CLOEXEC,
    )?)
}

/// Makes calls on the descriptor return `WouldBlock` instead of waiting.
///
/// # Errors
///
/// When the descriptor is not open.
pub fn set_nonblocking(fd: &impl AsFd, on: bool) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    let wanted = if on {
        flags | OFlag::O_NONBLOCK
    } else {
        flags & !OFlag::O_NONBLOCK
    };
    fcntl(fd, FcntlArg::F_SETFL(wanted))?;
    Ok(())
}

/// Sends as much of the slices as fits.
///
/// # Errors
///
/// `WouldBlock` when nothing fits; `BrokenPipe` when the other end is gone (no SIGPIPE is raised).
pub fn send(fd: &impl AsRawFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    retry(|| sendmsg::<()>(fd.as_raw_fd(), slices, &[], MsgFlags::MSG_NOSIGNAL, None))
}

/// Nothing more is sent from this end: the other one reads what is there, then the end of the stream. Our own reading
/// goes on.
pub fn end_sending(fd: &impl AsRawFd) {
    // One whose other end is gone has nothing to be told.
    let _ = shutdown(fd.as_raw_fd(), Shutdown::Write);
}

/// Neither end sends anything more.
pub fn end(fd: &impl AsRawFd) {
    // As above.
    let _ = shutdown(fd.as_raw_fd(), Shutdown::Both);
}

/// How many descriptors one send can carry (the kernel's `SCM_MAX_FD`).
pub const MAX_RIGHTS: usize = 253;

/// Sends as much of the slices as fits, with descriptors attached to the first byte.
///
/// # Errors
///
/// As [`send`]; nothing was sent then. `ETOOMANYREFS` when too many descriptors of this user are under way.
pub fn send_with_fds(fd: &impl AsRawFd, slices: &[IoSlice<'_>], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let fds: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let rights = [ControlMessage::ScmRights(&fds)];
    retry(|| sendmsg::<()>(fd.as_raw_fd(), slices, &rights, MsgFlags::MSG_NOSIGNAL, None))
}

/// Receives what is there, at most up to the first byte that descriptors are attached to and what was sent with that,
/// and these, close-on-exec, if there are any; 0 bytes at the end of the stream. Those that this process has no room
/// for are missing at the end.
///
/// # Errors
///
/// As [`receive`].
pub fn receive_with_fds(fd: &impl AsRawFd, bytes: &mut [u8]) -> io::Result<(usize, Option<Vec<OwnedFd>>)> {
    receive_rights(fd, bytes, MsgFlags::empty())
}

/// Receives exactly `bytes.len()` bytes in one piece and the descriptors that came with them, close-on-exec.
///
/// # Errors
///
/// `UnexpectedEof` when fewer bytes come.
pub fn receive_exact_with_fds(fd: &impl AsRawFd, bytes: &mut [u8]) -> io::Result<Vec<OwnedFd>> {
    let wanted = bytes.len();
    match receive_rights(fd, bytes, MsgFlags::MSG_WAITALL)? {
        (got, fds) if got == wanted => Ok(fds.unwrap_or_default()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// nix shows no control message where one was cut off, and what the kernel had handed over by then would never be
/// closed: so this reads them itself.
#[allow(unsafe_code)]
fn receive_rights(
    fd: &impl AsRawFd,
    bytes: &mut [u8],
    flags: MsgFlags,
) -> io::Result<(usize, Option<Vec<OwnedFd>>)> {
    /// Aligned as headers of control messages have to be.
    #[repr(C, align(8))]
    struct Space([u8; SPACE]);
    // SAFETY: this computes a length from a length.
    const SPACE: usize = unsafe { libc::CMSG_SPACE((MAX_RIGHTS * size_of::<RawFd>()) as u32) } as usize;
    // SAFETY: likewise.
    const BEFORE_DATA: usize = unsafe { libc::CMSG_LEN(0) } as usize;
    let mut space = Space([0; SPACE]);
    let mut slice = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all of its fields are numbers and pointers, and zeroes mean that there is none.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut slice;
    message.msg_iovlen = 1;
    message.msg_control = space.0.as_mut_ptr().cast();
    message.msg_controllen = SPACE;
    let flags = (flags | MsgFlags::MSG_CMSG_CLOEXEC).bits();
    let got = retry(|| {
        // SAFETY: the one slice and the space for control messages are writable for their lengths, borrowed by us
        // alone, and outlive the call. A failed call has changed neither.
        let got = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, flags) };
        nix::errno::Errno::result(got).map(|got| got as usize)
    })?;
    // Where there is room for none of them, only the flag tells that there were any.
    let mut fds = (message.msg_flags & libc::MSG_CTRUNC != 0).then(Vec::new);
    // SAFETY: the kernel has filled in the header and its messages just now; both are where they were.
    let mut control = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
    while !control.is_null() {
        // SAFETY: a header that `CMSG_FIRSTHDR` or `CMSG_NXTHDR` gives lies as a whole in `space`, aligned.
        let head = unsafe { control.read() };
        if (head.cmsg_level, head.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_RIGHTS) {
            // SAFETY: this computes where the data begins, behind the header.
            let data = unsafe { libc::CMSG_DATA(control) }.cast::<RawFd>();
            let count = head.cmsg_len.saturating_sub(BEFORE_DATA) / size_of::<RawFd>();
            let into = fds.get_or_insert_default();
            for i in 0..count {
                // SAFETY: the kernel wrote so many descriptors there, whole ones only, wherever they are aligned.
                into.push(own(unsafe { data.wrapping_add(i).read_unaligned() }));
            }
        }
        // SAFETY: as for the first; it gives none beyond what the kernel has filled.
        control = unsafe { libc::CMSG_NXTHDR(&raw const message, control) };
    }
    Ok((got, fds))
}

#[allow(unsafe_code)]
fn own(raw: RawFd) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for us out of a control message; nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

/// Receives what is there; 0 at the end of the stream. Descriptors that come along unasked are closed by the
/// kernel, because no room is offered for them.
///
/// # Errors
///
/// `WouldBlock` when nothing is there; `ConnectionReset` when the other end died with our bytes unread.
pub fn receive(fd: &impl AsRawFd, buffer: &mut [u8]) -> io::Result<usize> {
    retry(|| recv(fd.as_raw_fd(), buffer, MsgFlags::empty()))
}

/// Moves a descriptor out of the range that programs count on (0, 1, 2 and the first few), close-on-exec.
///
/// # Errors
///
/// When the descriptor is not open or no number is left.
pub fn move_high(fd: &impl AsFd) -> io::Result<OwnedFd> {
    let raw = match fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(100)) {
        Ok(raw) => raw,
        // A low limit of descriptors leaves no such number.
        Err(nix::errno::Errno::EINVAL) => fcntl(fd, FcntlArg::F_DUPFD_CLOEXEC(3))?,
        Err(error) => return Err(error.into()),
    };
    Ok(own(raw))
}

/// Whether the descriptor would be inherited by a program that is started.
pub fn is_close_on_exec(fd: &impl AsFd) -> bool {
    fcntl(fd, FcntlArg::F_GETFD).is_ok_and(|f| FdFlag::from_bits_retain(f).contains(FdFlag::FD_CLOEXEC))
}

fn retry(mut call: impl FnMut() -> nix::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(nix::errno::Errno::EINTR) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_peer_is_an_error_and_not_a_signal() {
        let (a, b) = pair().unwrap();
        drop(b);
        let error = send(&a, &[IoSlice::new(b"x")]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert_eq!(receive(&a, &mut [0; 4]).unwrap(), 0);
    }

    #[test]
    fn descriptors_travel_and_are_close_on_exec() {
        let (a, b) = pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let sent = send_with_fds(&a, &[IoSlice::new(b"key")], &[file.as_fd(), a.as_fd()]);
        assert_eq!(sent.unwrap(), 3);
        let mut bytes = [0; 3];
        let fds = receive_exact_with_fds(&b, &mut bytes).unwrap();
        assert_eq!((&bytes, fds.len()), (b"key", 2));
        assert!(fds.iter().all(is_close_on_exec));
        assert!(move_high(&fds[0]).unwrap().as_raw_fd() >= 100);
    }

    #[test]
    fn each_send_keeps_its_own_descriptors() {
        let (a, b) = pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        send(&a, &[IoSlice::new(b"before")]).unwrap();
        send_with_fds(&a, &[IoSlice::new(b"1")], &[file.as_fd()]).unwrap();
        send_with_fds(&a, &[IoSlice::new(b"22")], &[file.as_fd(), file.as_fd()]).unwrap();
        send(&a, &[IoSlice::new(b"after")]).unwrap();
        let mut seen = Vec::new();
        while seen.iter().map(|(n, _)| n).sum::<usize>() < 14 {
            let (bytes, fds) = receive_with_fds(&b, &mut [0; 64]).unwrap();
            seen.push((bytes, fds.map_or(0, |fds| fds.len())));
        }
        assert_eq!(seen, [(7, 1), (2, 2), (5, 0)]);
    }

    #[test]
    fn nothing_there_is_would_block() {
        let (a, b) = pair().unwrap();
        set_nonblocking(&a, true).unwrap();
        assert_eq!(
            receive(&a, &mut [0; 4]).unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
        send(&b, &[IoSlice::new(b"12"), IoSlice::new(b"3")]).unwrap();
        assert_eq!(receive(&a, &mut [0; 4]).unwrap(), 3);
        let full = vec![0; 16 << 20];
        assert!(send(&a, &[IoSlice::new(&full)]).unwrap() < full.len());
    }
}
