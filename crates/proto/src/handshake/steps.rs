//! The steps of either side, one state for each frame that can be due.

use std::mem;

use super::proof::{PROOF_LEN, Transcript};
use super::{HandshakeError, Hello, MAX_HANDSHAKE_BODY};
use crate::Key;
use crate::frame::{HEADER_LEN, Header, Kind, Role};

/// One side of one handshake.
///
/// Its owner reads frames (with [`MAX_HANDSHAKE_BODY`] as limit), passes each to [`receive`](Handshake::receive),
/// sends what comes back, and gives the peer up after an error or when its time is over. It is used once.
///
/// ```
/// use pexec_proto::{BuildId, Frames, Handshake, HandshakeError, Hello, Key, Progress};
/// use pexec_proto::handshake::MAX_HANDSHAKE_BODY;
///
/// let key = Key::from_bytes([7; 32]); // from the system's random source, as both nonces
/// let hello = |nonce| Hello {
///     build: BuildId::of(&[b"example"]), max_message: 1 << 20, slot: 3, generation: 0, pid: 1, nonce: [nonce; 32],
/// };
/// let (mut supervisor, to_worker) = Handshake::supervisor(&key, hello(1));
/// let (mut worker, _) = Handshake::worker(&key, hello(2));
///
/// let mut take = |side: &mut Handshake, bytes: &[u8]| -> Result<_, HandshakeError> {
///     let mut last = None;
///     for frame in Frames::new(bytes, MAX_HANDSHAKE_BODY) {
///         let frame = frame?;
///         last = Some(side.receive(&frame.header, frame.body)?);
///     }
///     Ok(last)
/// };
/// let Some(Progress::Continue(to_supervisor)) = take(&mut worker, &to_worker)? else { panic!() };
/// let Some(Progress::Done { peer, send }) = take(&mut supervisor, &to_supervisor)? else { panic!() };
/// assert_eq!(peer.nonce, [2; 32]);
/// let Some(Progress::Done { peer, send }) = take(&mut worker, &send)? else { panic!() };
/// assert_eq!(peer.nonce, [1; 32]);
/// assert!(send.is_empty());
/// # Ok::<(), HandshakeError>(())
/// ```
#[derive(Debug)]
pub struct Handshake {
    hello: Hello,
    state: State,
}

/// What a frame led to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Send these bytes, if there are any, and wait for the next frame.
    Continue(Vec<u8>),
    /// The peer is who it says it is.
    Done {
        /// What it said of itself.
        peer: Hello,
        /// Send these bytes, if there are any, before anything else.
        send: Vec<u8>,
    },
}

enum State {
    /// The supervisor has said hello.
    SupervisorAwaitsHello { key: Key },
    /// The worker has said hello as well.
    SupervisorAwaitsProof {
        key: Key,
        peer: Hello,
        transcript: Transcript,
    },
    /// The worker has said nothing.
    WorkerAwaitsHello { key: Key },
    /// The worker has said hello and proved itself.
    WorkerAwaitsProof {
        key: Key,
        peer: Hello,
        transcript: Transcript,
        proof: [u8; PROOF_LEN],
    },
    /// Done or failed.
    Over,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.due())
    }
}

impl State {
    fn due(&self) -> &'static str {
        match self {
            State::SupervisorAwaitsHello { .. } | State::WorkerAwaitsHello { .. } => "a hello",
            State::SupervisorAwaitsProof { .. } | State::WorkerAwaitsProof { .. } => "a proof",
            State::Over => "nothing",
        }
    }
}

impl Handshake {
    /// The supervisor's side, and its hello frame, which may be sent before anything is received.
    #[must_use]
    pub fn supervisor(key: &Key, hello: Hello) -> (Handshake, Vec<u8>) {
        let mut send = Vec::with_capacity(HEADER_LEN + Hello::LEN);
        append(&mut send, Kind::Hello, &hello.encode(Role::Supervisor));
        (
            Handshake {
                hello,
                state: State::SupervisorAwaitsHello { key: key.clone() },
            },
            send,
        )
    }

    /// The worker's side. The bytes to send first are none: a worker speaks when it is spoken to.
    #[must_use]
    pub fn worker(key: &Key, hello: Hello) -> (Handshake, Vec<u8>) {
        (
            Handshake {
                hello,
                state: State::WorkerAwaitsHello { key: key.clone() },
            },
            Vec::new(),
        )
    }

    /// Takes the next frame.
    ///
    /// # Errors
    ///
    /// Whatever makes the peer untrusted. After an error, and after [`Progress::Done`], no frame is taken any more.
    pub fn receive(&mut self, header: &Header, body: &[u8]) -> Result<Progress, HandshakeError> {
        // The key goes with the state: a handshake that fails has forgotten it before the caller hears of it.
        let state = mem::replace(&mut self.state, State::Over);
        check_layout(header, body)?;
        match (state, header.kind) {
            (State::SupervisorAwaitsHello { key }, Kind::Hello) => {
                let (peer, worker) = Hello::decode(body, Role::Worker)?;
                self.hello.check(&peer)?;
                let transcript = Transcript {
                    supervisor: self.hello.encode(Role::Supervisor),
                    worker: *worker,
                };
                self.state = State::SupervisorAwaitsProof {
                    key,
                    peer,
                    transcript,
                };
                Ok(Progress::Continue(Vec::new()))
            }
            (
                State::SupervisorAwaitsProof {
                    key,
                    peer,
                    transcript,
                },
                Kind::Proof,
            ) => {
                let proof = proof_of(body)?;
                transcript.check_worker(&key, proof)?;
                let mut send = Vec::with_capacity(HEADER_LEN + PROOF_LEN);
                append(&mut send, Kind::Proof, &transcript.supervisor_proof(&key, proof));
                Ok(Progress::Done { peer, send })
            }
            (State::WorkerAwaitsHello { key }, Kind::Hello) => {
                let (peer, supervisor) = Hello::decode(body, Role::Supervisor)?;
                self.hello.check(&peer)?;
                let transcript = Transcript {
                    supervisor: *supervisor,
                    worker: self.hello.encode(Role::Worker),
                };
                let proof = transcript.worker_proof(&key);
                let mut send = Vec::with_capacity(2 * HEADER_LEN + Hello::LEN + PROOF_LEN);
                append(&mut send, Kind::Hello, &transcript.worker);
                append(&mut send, Kind::Proof, &proof);
                self.state = State::WorkerAwaitsProof {
                    key,
                    peer,
                    transcript,
                    proof,
                };
                Ok(Progress::Continue(send))
            }
            (
                State::WorkerAwaitsProof {
                    key,
                    peer,
                    transcript,
                    proof,
                },
                Kind::Proof,
            ) => {
                transcript.check_supervisor(&key, &proof, proof_of(body)?)?;
                Ok(Progress::Done {
                    peer,
                    send: Vec::new(),
                })
            }
            (state, kind) => Err(HandshakeError::Unexpected {
                kind,
                state: state.due(),
            }),
        }
    }
}

/// What every frame of a handshake has in common; it holds in any state, so it is checked before the state is.
fn check_layout(header: &Header, body: &[u8]) -> Result<(), HandshakeError> {
    if header.len > MAX_HANDSHAKE_BODY || body.len() > MAX_HANDSHAKE_BODY as usize {
        let len = u64::from(header.len).max(body.len() as u64) + HEADER_LEN as u64;
        return Err(HandshakeError::Oversized { len });
    }
    // Proofs cover bodies only: a header has to be the one that its body implies, or it would be unauthenticated.
    if body.len() != header.len as usize || *header != Header::control(header.kind, header.len) {
        return Err(HandshakeError::Malformed);
    }
    Ok(())
}

fn proof_of(body: &[u8]) -> Result<&[u8; PROOF_LEN], HandshakeError> {
    body.try_into().map_err(|_| HandshakeError::Malformed)
}

fn append(out: &mut Vec<u8>, kind: Kind, body: &[u8]) {
    out.extend_from_slice(&Header::control(kind, body.len() as u32).encode());
    out.extend_from_slice(body);
}
