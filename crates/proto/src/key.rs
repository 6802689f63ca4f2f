//! The secret that one supervisor and one worker share for the length of one handshake.
//!
//! Its bytes are wiped when it is dropped, and no formatting shows them. A copy that a caller keeps of the array
//! it passed in is the caller's to wipe.

use std::fmt;

use zeroize::{Zeroize, ZeroizeOnDrop};

/// 32 random bytes, made for one spawn and used for one handshake.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Key([u8; Key::LEN]);

impl Key {
    /// Length of a key in bytes.
    pub const LEN: usize = 32;

    /// The key of these bytes, which must come from the system's random source.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Key::LEN]) -> Key {
        Key(bytes)
    }

    /// The bytes, for handing the key to the worker it was made for.
    #[must_use]
    pub fn expose(&self) -> &[u8; Key::LEN] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}
