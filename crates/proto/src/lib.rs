//! pexec's wire protocol as pure bytes: frames, messages, codec and handshake.
//!
//! Nothing in here does I/O, reads a clock, starts a thread or draws a random number: nonces and keys are
//! passed in, bytes go in and come out. The protocol is specified in `docs/protocol.md`.
#![forbid(unsafe_code)]

pub mod codec;
pub mod frame;
pub mod handshake;
pub mod ids;
pub mod key;
pub mod mark;
pub mod message;
pub mod trace;

pub use frame::{Direction, Frame, FrameError, Frames, HEADER_LEN, Header, Kind, Role, Stage};
pub use handshake::{Handshake, HandshakeError, Hello, PROTOCOL_VERSION, Progress};
pub use ids::{BuildId, TaskId};
pub use key::Key;
pub use message::{Context, Forked, FunctionRef, Limits, PanicInfo, Refused, Setup, WorkerFailure};
pub use trace::Trace;
