//! Every way a handshake ends without trust.

use std::fmt;

use super::MAX_HANDSHAKE_FRAME;
use crate::BuildId;
use crate::frame::{FrameError, Kind, Role};

/// Why a handshake failed. The text reads on after "handshake with worker 3 failed: ".
///
/// Nothing of it is told to the peer: the channel is closed, and each side reports what it saw itself.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The peer does not speak this protocol.
    WrongMagic,
    /// The peer speaks another version of it.
    WrongVersion {
        /// This side's version.
        ours: u16,
        /// The peer's.
        theirs: u16,
    },
    /// The peer does not have the role of the other side: this side's own hello came back, or two workers were
    /// connected to one another.
    WrongRole {
        /// The role it must have.
        wanted: Role,
    },
    /// The peer is another build of the program.
    OtherBuild {
        /// This side's build.
        ours: BuildId,
        /// The peer's.
        theirs: BuildId,
    },
    /// The peer encodes values in another way.
    OtherCodec {
        /// This side's codec.
        ours: u16,
        /// The peer's.
        theirs: u16,
    },
    /// The peer belongs to another slot.
    WrongSlot {
        /// This side's slot.
        ours: u32,
        /// The peer's.
        theirs: u32,
    },
    /// The peer belongs to an earlier or later worker of the slot.
    WrongGeneration {
        /// This side's generation.
        ours: u64,
        /// The peer's.
        theirs: u64,
    },
    /// The peer does not know the key, or its proof was made for another handshake.
    BadProof,
    /// The frame is not the one that is due.
    Unexpected {
        /// The kind that came.
        kind: Kind,
        /// What was due: "a hello", "a proof", "nothing".
        state: &'static str,
    },
    /// The frame is longer than anything before the proofs may be.
    Oversized {
        /// Its claimed length in bytes, header included.
        len: u64,
    },
    /// The frame's bytes are not laid out as its kind demands.
    Malformed,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::WrongMagic => f.write_str("the peer does not speak this protocol"),
            HandshakeError::WrongVersion { ours, theirs } => {
                write!(
                    f,
                    "the peer speaks protocol version {theirs}, this side version {ours}: run the same build"
                )
            }
            HandshakeError::WrongRole { wanted: Role::Worker } => f.write_str("the peer is no worker"),
            HandshakeError::WrongRole {
                wanted: Role::Supervisor,
            } => f.write_str("the peer is no supervisor"),
            HandshakeError::OtherBuild { ours, theirs } => {
                write!(
                    f,
                    "the peer is build {theirs} of the program, this side {ours}: was it replaced on disk?"
                )
            }
            HandshakeError::OtherCodec { ours, theirs } => {
                write!(
                    f,
                    "the peer encodes values with codec {theirs:#06x}, this side with {ours:#06x}"
                )
            }
            HandshakeError::WrongSlot { ours, theirs } => {
                write!(f, "the peer belongs to slot {theirs}, this side to slot {ours}")
            }
            HandshakeError::WrongGeneration { ours, theirs } => {
                write!(
                    f,
                    "the peer belongs to generation {theirs} of the slot, this side to {ours}"
                )
            }
            HandshakeError::BadProof => f.write_str("the peer did not prove that it knows the key"),
            HandshakeError::Unexpected { kind, state } => {
                write!(f, "a {kind:?} frame came where {state} was due")
            }
            HandshakeError::Oversized { len } => {
                write!(
                    f,
                    "a frame of {len} bytes came and the limit before the proof is {MAX_HANDSHAKE_FRAME}"
                )
            }
            HandshakeError::Malformed => f.write_str("a frame is not laid out as this protocol's"),
        }
    }
}

impl std::error::Error for HandshakeError {}

/// What a header that is no header means before the proofs.
impl From<FrameError> for HandshakeError {
    fn from(error: FrameError) -> HandshakeError {
        match error {
            FrameError::TooLong { len, .. } => HandshakeError::Oversized {
                len: u64::from(len) + crate::HEADER_LEN as u64,
            },
            FrameError::UnknownKind { .. } | FrameError::UnknownFlags { .. } => HandshakeError::Malformed,
        }
    }
}
