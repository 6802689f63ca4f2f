//! The line between a handle in another process and the actor's supervisor: frames over a socket pair that the handle
//! has made, calls one way, answers the other, in the same order.
//!
//! Both ends are the same program, and each got its end from the other beside an authenticated message. Lengths are
//! checked all the same before anything is allocated. A frame's descriptors are attached to its header, which is sent
//! and received in one piece.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use pexec_ipc::socket;
use pexec_proto::FunctionRef;
use pexec_proto::codec::{self, DecodeError};
use serde::{Deserialize, Serialize};

use crate::future::bytes::Descriptors;

/// What a handle asks for.
pub(super) const CALL: u8 = 1;
pub(super) const KILL: u8 = 2;
pub(super) const SHUT_DOWN: u8 = 3;
/// What it is answered; nothing to `KILL`.
pub(super) const VALUE: u8 = 4;
pub(super) const FAILURE: u8 = 5;

/// How much longer than an argument or a result a body may be.
const MARGIN: u64 = 64 << 10;
const HEADER: usize = 8;

pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) body: Vec<u8>,
    pub(super) descriptors: Descriptors,
}

/// What a call has beside its function and argument.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Details {
    pub(super) label: Option<String>,
    pub(super) timeout: Option<Duration>,
}

/// What stands in a call's body before the argument.
pub(super) fn call_head(function: FunctionRef, details: &Details) -> Vec<u8> {
    let mut head = function.encode().to_vec();
    // A label and a number always have a form; without one the call is made without them.
    let mut encoded = Vec::new();
    if codec::encode(details, &mut encoded).is_err() {
        encoded.clear();
    }
    head.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
    head.extend_from_slice(&encoded);
    head
}

/// A call's body in its parts; `None` for one that is cut off.
pub(super) fn split_call(body: &[u8]) -> Option<(FunctionRef, Result<Details, DecodeError>, &[u8])> {
    let (function, rest) = FunctionRef::split(body)?;
    let (len, rest) = rest.split_first_chunk()?;
    let (details, argument) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let details = if details.is_empty() {
        Ok(Details::default())
    } else {
        codec::decode(details)
    };
    Some((function, details, argument))
}

/// Sends a frame, whose body these pieces are. Blocks while the other end does not read.
///
/// # Errors
///
/// When the other end is gone, or the kernel does not take the descriptors. The line is of no use then.
pub(super) fn send(
    socket: &OwnedFd,
    kind: u8,
    pieces: &[&[u8]],
    descriptors: &[Arc<OwnedFd>],
) -> io::Result<()> {
    let len: usize = pieces.iter().map(|piece| piece.len()).sum();
    let too_long = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let len = u32::try_from(len).map_err(too_long)?.to_le_bytes();
    let count = u8::try_from(descriptors.len()).map_err(too_long)?;
    let header = [len[0], len[1], len[2], len[3], kind, count, 0, 0];
    if !descriptors.is_empty() {
        let fds: Vec<BorrowedFd<'_>> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        if socket::send_with_fds(socket, &[IoSlice::new(&header)], &fds)? < HEADER {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    let header: &[u8] = if descriptors.is_empty() { &header } else { &[] };
    let mut slices: Vec<IoSlice<'_>> = [header]
        .iter()
        .chain(pieces)
        .map(|piece| IoSlice::new(piece))
        .collect();
    let mut left = &mut slices[..];
    IoSlice::advance_slices(&mut left, 0);
    while !left.is_empty() {
        let sent = socket::send(socket, left)?;
        IoSlice::advance_slices(&mut left, sent);
    }
    Ok(())
}

/// Receives the next frame; `None`: the end.
///
/// # Errors
///
/// `InvalidData` for a body that is longer than it may be, or too many descriptors; those of the kernel. Descriptors that
/// this process had no room for are missing: decoding the value says so.
pub(super) fn receive(socket: &OwnedFd, max_message: u64) -> io::Result<Option<Frame>> {
    let mut header = [0; HEADER];
    let mut got = 0;
    let mut descriptors = Descriptors::new();
    while got < HEADER {
        let (more, set) = socket::receive_with_fds(socket, &mut header[got..])?;
        if more == 0 {
            return if got == 0 { Ok(None) } else { Err(cut_off()) };
        }
        got += more;
        descriptors.extend(set.into_iter().flatten().map(Arc::new));
    }
    let [l0, l1, l2, l3, kind, count, ..] = header;
    let len = u32::from_le_bytes([l0, l1, l2, l3]);
    if u64::from(len) > max_message.saturating_add(MARGIN) || descriptors.len() > usize::from(count) {
        let why = "a frame between an actor and a handle is too long, or has more descriptors than it says";
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut body = vec![0; len as usize];
    let mut got = 0;
    while got < body.len() {
        match socket::receive(socket, &mut body[got..])? {
            0 => return Err(cut_off()),
            more => got += more,
        }
    }
    Ok(Some(Frame {
        kind,
        body,
        descriptors,
    }))
}

fn cut_off() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_as_they_were_sent_with_their_own_descriptors() {
        let (a, b) = socket::pair().unwrap();
        let file: Arc<OwnedFd> = Arc::new(std::fs::File::open("/dev/null").unwrap().into());
        let long = vec![7; 3 << 20];
        std::thread::scope(|scope| {
            scope.spawn(|| {
                send(&a, CALL, &[b"one", b"", b"two"], &[]).unwrap();
                send(&a, VALUE, &[&long], &[Arc::clone(&file), Arc::clone(&file)]).unwrap();
                send(&a, KILL, &[], std::slice::from_ref(&file)).unwrap();
                socket::end_sending(&a);
            });
            let mut seen = Vec::new();
            while let Some(frame) = receive(&b, long.len() as u64).unwrap() {
                seen.push((frame.kind, frame.body.len(), frame.descriptors.len()));
                assert!(frame.body == long || frame.body == b"onetwo" || frame.body.is_empty());
            }
            assert_eq!(seen, [(CALL, 6, 0), (VALUE, long.len(), 2), (KILL, 0, 1)]);
        });
    }

    #[test]
    fn a_length_that_may_not_be_is_refused_before_anything_is_allocated() {
        let (a, b) = socket::pair().unwrap();
        socket::send(&a, &[IoSlice::new(&[255, 255, 255, 255, CALL, 0, 0, 0])]).unwrap();
        let refused = receive(&b, 1 << 20).map(|_| ()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn more_descriptors_than_a_frame_says_are_refused_and_fewer_are_for_its_value_to_miss() {
        let (a, b) = socket::pair().unwrap();
        let file = std::fs::File::open("/dev/null").unwrap();
        let unasked = [0, 0, 0, 0, CALL, 0, 0, 0];
        socket::send_with_fds(&a, &[IoSlice::new(&unasked)], &[file.as_fd()]).unwrap();
        let refused = receive(&b, 0).map(|_| ()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
        socket::send(&a, &[IoSlice::new(&[0, 0, 0, 0, CALL, 3, 0, 0])]).unwrap();
        let frame = receive(&b, 0).unwrap().unwrap();
        assert_eq!((frame.kind, frame.descriptors.len()), (CALL, 0));
    }

    #[test]
    fn a_call_is_split_into_what_it_was_made_of() {
        let function = FunctionRef {
            offset: -8,
            type_hash: 9,
        };
        for details in [
            Details::default(),
            Details {
                label: Some("slow".to_owned()),
                timeout: Some(Duration::from_millis(7)),
            },
        ] {
            let mut body = call_head(function, &details);
            for cut in 0..body.len() {
                assert!(split_call(&body[..cut]).is_none());
            }
            body.extend_from_slice(b"argument");
            let (same, read, argument) = split_call(&body).unwrap();
            assert_eq!((same, read, argument), (function, Ok(details), &b"argument"[..]));
        }
    }
}
