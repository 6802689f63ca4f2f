//! Both sides of a handshake, and a wire between them that a test can listen to and change.

use pexec_proto::handshake::MAX_HANDSHAKE_BODY;
use pexec_proto::{
    BuildId, Frames, HEADER_LEN, Handshake, HandshakeError, Header, Hello, Key, Kind, Progress,
};

pub(crate) fn key() -> Key {
    Key::from_bytes(std::array::from_fn(|i| i as u8))
}

pub(crate) fn other_key() -> Key {
    Key::from_bytes([9; 32])
}

pub(crate) fn supervisor_hello() -> Hello {
    Hello {
        build: BuildId(std::array::from_fn(|i| 0xb0 + i as u8)),
        max_message: 1 << 30,
        slot: 3,
        generation: 5,
        pid: 0x1234,
        nonce: [0xa5; 32],
    }
}

pub(crate) fn worker_hello() -> Hello {
    Hello {
        max_message: 1 << 28,
        pid: 0x5678,
        nonce: [0x5a; 32],
        ..supervisor_hello()
    }
}

/// Gives `side` every complete frame of `bytes`; the last frame's outcome, with the bytes of all that lead to it.
pub(crate) fn feed(side: &mut Handshake, bytes: &[u8]) -> Result<Progress, HandshakeError> {
    let mut sent = Vec::new();
    for frame in Frames::new(bytes, MAX_HANDSHAKE_BODY) {
        let frame = frame?;
        match side.receive(&frame.header, frame.body)? {
            Progress::Continue(bytes) => sent.extend(bytes),
            Progress::Done { peer, send } => {
                sent.extend(send);
                return Ok(Progress::Done { peer, send: sent });
            }
        }
    }
    Ok(Progress::Continue(sent))
}

/// The bytes of one whole handshake: the supervisor's hello, the worker's answer, the supervisor's proof.
pub(crate) struct Session {
    pub(crate) hello: Vec<u8>,
    pub(crate) answer: Vec<u8>,
    pub(crate) proof: Vec<u8>,
}

pub(crate) fn session(key: &Key, supervisor: Hello, worker: Hello) -> Session {
    let (mut supervisor, hello) = Handshake::supervisor(key, supervisor);
    let (mut worker, _) = Handshake::worker(key, worker);
    let Ok(Progress::Continue(answer)) = feed(&mut worker, &hello) else {
        panic!("the worker refused")
    };
    let Ok(Progress::Done { send: proof, .. }) = feed(&mut supervisor, &answer) else {
        panic!("the supervisor refused")
    };
    assert!(matches!(feed(&mut worker, &proof), Ok(Progress::Done { .. })));
    Session { hello, answer, proof }
}

/// A frame of this kind about no task.
pub(crate) fn frame(kind: Kind, body: &[u8]) -> Vec<u8> {
    [&Header::control(kind, body.len() as u32).encode(), body].concat()
}

/// Where a field of the hello's body stands in a frame.
pub(crate) const fn in_hello(offset: usize) -> usize {
    HEADER_LEN + offset
}
