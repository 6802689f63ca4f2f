//! What each side says of itself: 88 fixed bytes, laid out by hand so that any version can read another's start.

use super::{HandshakeError, PROTOCOL_VERSION};
use crate::codec::CODEC_ID;
use crate::{BuildId, Role};

/// Who a side is. The protocol's version, the codec and the role are added when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// The build of the sender's program; both sides must have the same one.
    pub build: BuildId,
    /// The longest body that the sender takes after the handshake, in bytes; 0 where it takes what the other side
    /// says. A supervisor's is not 0.
    pub max_message: u64,
    /// The worker's place in the pool; both sides must name the same one.
    pub slot: u32,
    /// How many workers the slot has had before; both sides must name the same number.
    pub generation: u64,
    /// The sender's process id, as it sees it itself (another pid namespace may number it otherwise).
    pub pid: u32,
    /// 32 random bytes, fresh for this handshake.
    pub nonce: [u8; 32],
}

impl Hello {
    /// Length of a hello's body in bytes.
    pub const LEN: usize = 88;

    /// The first bytes of every hello. The first of them is no ASCII and the line ends show a channel that rewrites
    /// text, as in PNG's signature.
    pub const MAGIC: [u8; 8] = *b"\x89pexec\r\n";

    /// The body of a hello frame.
    ///
    /// ```text
    /// 0       8         10     11    12      14    16            24      40     44    48           56      88
    /// | magic | version | role | 0 | codec | 0 0 | max_message | build | slot | pid | generation | nonce |
    /// ```
    pub(super) fn encode(&self, role: Role) -> [u8; Hello::LEN] {
        let mut body = [0; Hello::LEN];
        body[0..8].copy_from_slice(&Hello::MAGIC);
        body[8..10].copy_from_slice(&PROTOCOL_VERSION.to_le_bytes());
        body[10] = role as u8;
        body[12..14].copy_from_slice(&CODEC_ID.to_le_bytes());
        body[16..24].copy_from_slice(&self.max_message.to_le_bytes());
        body[24..40].copy_from_slice(&self.build.0);
        body[40..44].copy_from_slice(&self.slot.to_le_bytes());
        body[44..48].copy_from_slice(&self.pid.to_le_bytes());
        body[48..56].copy_from_slice(&self.generation.to_le_bytes());
        body[56..88].copy_from_slice(&self.nonce);
        body
    }

    /// The hello of a peer that must have this role. Magic and version come first: everything behind them may mean
    /// something else in another version, the length included.
    pub(super) fn decode(body: &[u8], role: Role) -> Result<(Hello, &[u8; Hello::LEN]), HandshakeError> {
        if body.first_chunk() != Some(&Hello::MAGIC) {
            return Err(HandshakeError::WrongMagic);
        }
        let version = body.get(8..10).ok_or(HandshakeError::Malformed)?;
        let version = u16::from_le_bytes(array(version));
        if version != PROTOCOL_VERSION {
            return Err(HandshakeError::WrongVersion {
                ours: PROTOCOL_VERSION,
                theirs: version,
            });
        }
        let body: &[u8; Hello::LEN] = body.try_into().map_err(|_| HandshakeError::Malformed)?;
        if body[11] != 0 || body[14..16] != [0, 0] {
            return Err(HandshakeError::Malformed);
        }
        if body[10] != role as u8 {
            return Err(HandshakeError::WrongRole { wanted: role });
        }
        let codec = u16::from_le_bytes(array(&body[12..14]));
        if codec != CODEC_ID {
            return Err(HandshakeError::OtherCodec {
                ours: CODEC_ID,
                theirs: codec,
            });
        }
        let hello = Hello {
            max_message: u64::from_le_bytes(array(&body[16..24])),
            build: BuildId(array(&body[24..40])),
            slot: u32::from_le_bytes(array(&body[40..44])),
            pid: u32::from_le_bytes(array(&body[44..48])),
            generation: u64::from_le_bytes(array(&body[48..56])),
            nonce: array(&body[56..88]),
        };
        Ok((hello, body))
    }

    /// Whether `peer` may be the other end of this side's channel.
    pub(super) fn check(&self, peer: &Hello) -> Result<(), HandshakeError> {
        if peer.build != self.build {
            return Err(HandshakeError::OtherBuild {
                ours: self.build,
                theirs: peer.build,
            });
        }
        if peer.slot != self.slot {
            return Err(HandshakeError::WrongSlot {
                ours: self.slot,
                theirs: peer.slot,
            });
        }
        if peer.generation != self.generation {
            return Err(HandshakeError::WrongGeneration {
                ours: self.generation,
                theirs: peer.generation,
            });
        }
        Ok(())
    }
}

/// The bytes as an array; the caller's range gives the length.
fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(bytes);
    array
}
