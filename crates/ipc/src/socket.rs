//! Connected stream sockets: never SIGPIPE, never blocking unless asked, descriptors only where expected.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recv, recvmsg, sendmsg,
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

/// Sends bytes with descriptors attached to the first of them.
///
/// # Errors
///
/// As [`send`]; also when the bytes do not fit as a whole.
pub fn send_with_fds(fd: &impl AsRawFd, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let fds: Vec<RawFd> = fds.iter().map(AsRawFd::as_raw_fd).collect();
    let slices = [IoSlice::new(bytes)];
    let rights = [ControlMessage::ScmRights(&fds)];
    let sent = retry(|| sendmsg::<()>(fd.as_raw_fd(), &slices, &rights, MsgFlags::MSG_NOSIGNAL, None))?;
    if sent == bytes.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Receives exactly `bytes.len()` bytes in one piece and the descriptors that came with them, close-on-exec.
///
/// # Errors
///
/// `UnexpectedEof` when fewer bytes come.
pub fn receive_with_fds(fd: &impl AsRawFd, bytes: &mut [u8]) -> io::Result<Vec<OwnedFd>> {
    let wanted = bytes.len();
    let mut space = nix::cmsg_space!([RawFd; 8]);
    let mut slices = [IoSliceMut::new(bytes)];
    let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_WAITALL;
    let message = recvmsg::<()>(fd.as_raw_fd(), &mut slices, Some(&mut space), flags)?;
    let mut received = Vec::new();
    for control in message.cmsgs()? {
        if let ControlMessageOwned::ScmRights(raw) = control {
            received.extend(raw.into_iter().map(own));
        }
    }
    if message.bytes == wanted {
        Ok(received)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
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
        send_with_fds(&a, b"key", &[file.as_fd(), a.as_fd()]).unwrap();
        let mut bytes = [0; 3];
        let fds = receive_with_fds(&b, &mut bytes).unwrap();
        assert_eq!((&bytes, fds.len()), (b"key", 2));
        assert!(fds.iter().all(is_close_on_exec));
        assert!(move_high(&fds[0]).unwrap().as_raw_fd() >= 100);
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
