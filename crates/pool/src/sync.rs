//! What processes share: handles that travel inside a task's argument or result.

pub use pexec_ipc::shared_bytes::{COPIED_UP_TO, SharedBytes};
