//! The handshake as a pure state machine: frames in, frames out, and an error that ends it.
//!
//! ```text
//! supervisor                             worker
//! 1. Hello (may be sent at once)    -->
//!                                   <--  2. Hello   who am I, my nonce
//!                                   <--  3. Proof   HMAC(key, "worker" + both hellos)
//! 4. Proof                          -->     HMAC(key, "supervisor" + both hellos + the worker's proof)
//! ```
//!
//! The supervisor proves nothing before the worker has, so nobody can use it to learn what a proof looks like. Both
//! proofs bind their sender's role and both nonces: one from another session, from the other side or from another
//! slot does not fit. Nothing in here blocks or reads a clock; deadlines and the number of peers are the owner's.
//!
//! The key is dropped, and so wiped, with the step that no longer needs it: the last one, or the first error.

mod error;
mod hello;
mod proof;
mod steps;

pub use error::HandshakeError;
pub use hello::Hello;
pub use steps::{Handshake, Progress};

use crate::frame::HEADER_LEN;

/// The version of everything that crosses a channel. Both sides must have the same one.
pub const PROTOCOL_VERSION: u16 = 1;

/// The longest frame that either side takes before it knows who sends, in bytes, header included.
pub const MAX_HANDSHAKE_FRAME: usize = 256;

/// The same as a limit for [`Header::decode`](crate::Header::decode): bytes of body.
pub const MAX_HANDSHAKE_BODY: u32 = (MAX_HANDSHAKE_FRAME - HEADER_LEN) as u32;
