//! The bodies of frames that have structure, and the reference to a function that starts a call's body.
//!
//! `Setup`, `Context`, `Refused` and `WorkerFailure` travel in the codec's bytes, after the handshake only; a reference is
//! 16 fixed bytes.

use serde::{Deserialize, Serialize};

/// What a worker is to be: the first frame behind the supervisor's proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// The worker's place in its pool; its replacement has the same.
    pub slot: u32,
    /// How many workers this slot has had before.
    pub generation: u64,
    /// The pool's name, for thread names and messages.
    pub pool: String,
    /// The longest argument or result, in bytes; a call's body may have [`FunctionRef::LEN`] more.
    pub max_message: u64,
    /// How many pools this worker is inside: 1 for a worker of the first program's pool.
    pub depth: u32,
    /// The initializer as the body of a call (function reference, argument), where there is one.
    pub initializer: Option<Vec<u8>>,
    /// The finalizer, likewise: called when the worker has been told to leave.
    pub finalizer: Option<Vec<u8>>,
    /// What the worker may use, where that is bounded.
    pub limits: Option<Limits>,
    /// Its niceness, where it is not to have its parent's.
    pub nice: Option<i32>,
    /// The CPUs that it may run on, where that is not what it has inherited.
    pub cpus: Option<Vec<u32>>,
    /// What the marks begin with that it is to leave in its standard output and standard error around each task, where
    /// those are captured.
    pub capture: Option<[u8; 16]>,
    /// Up to which level the supervisor wants to hear what its code tells `tracing`: 1 (errors) to 5 (everything).
    pub trace: Option<u8>,
    /// What it has resident counts, between tasks too: it keeps no memory that no task uses.
    pub frugal: bool,
    /// It runs no tasks: once its initializer is done it forks workers, on request.
    pub template: bool,
}

/// What a process or a task may use. `None`: what it may use anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of address space of the process.
    pub address_space: Option<u64>,
    /// CPU time of one task, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Descriptors that are open at a time.
    pub open_files: Option<u64>,
    /// Bytes of a core file.
    pub core: Option<u64>,
}

/// What a task can learn of itself; sent before its call, for tasks that have any of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// What people call the task.
    pub label: Option<String>,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// How long the task may run, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// What the task may use, instead of what the worker's tasks may.
    pub limits: Option<Limits>,
    /// The worker is to tell how long it takes ([`Kind::Timing`](crate::Kind::Timing)).
    pub timed: bool,
}

/// Why a worker cannot become what it was asked to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// In a worker's words: the initializer's error or panic, for the most part.
    pub reason: String,
}

/// What a template has made of a request to fork. The worker's process id is in the memory that both share, where the
/// kernel has put it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forked {
    /// Why there is no worker, where there is none.
    pub refused: Option<String>,
}

/// Why a task did not return, as its living worker tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerFailure {
    /// It panicked.
    Panicked(PanicInfo),
    /// Its result could not be encoded.
    Encode(String),
    /// Its argument could not be decoded.
    Decode(String),
    /// Its result is longer than a message may be.
    TooLarge {
        /// The result's length in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The worker found no such function.
    UnknownFunction(String),
    /// An earlier call has left the actor's state in doubt; this one did not start.
    Poisoned(String),
}

/// What the panic hook saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicInfo {
    /// The panic's message; `Box<dyn Any>` where the payload was no text.
    pub message: String,
    /// `file:line:col` of the panic.
    pub location: String,
    /// The backtrace, where `RUST_BACKTRACE` asks for one.
    pub backtrace: Option<String>,
    /// The name of the thread that panicked.
    pub thread: String,
}

/// A function of the same build: its distance from that build's anchor, and a hash of its type that must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionRef {
    /// Distance of the function's descriptor from the anchor, in bytes.
    pub offset: i64,
    /// A hash of the type that the descriptor must have.
    pub type_hash: u64,
}

impl FunctionRef {
    /// Length of a reference in bytes.
    pub const LEN: usize = 16;

    /// Its bytes: `offset`, then `type_hash`, both little endian.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> [u8; FunctionRef::LEN] {
        let mut bytes = [0; FunctionRef::LEN];
        bytes[..8].copy_from_slice(&self.offset.to_le_bytes());
        bytes[8..].copy_from_slice(&self.type_hash.to_le_bytes());
        bytes
    }

    /// The reference of these bytes. Any bytes are one; only a worker can say whether it leads anywhere.
    #[inline]
    #[must_use]
    pub fn decode(bytes: &[u8; FunctionRef::LEN]) -> FunctionRef {
        let [o0, o1, o2, o3, o4, o5, o6, o7, t0, t1, t2, t3, t4, t5, t6, t7] = *bytes;
        FunctionRef {
            offset: i64::from_le_bytes([o0, o1, o2, o3, o4, o5, o6, o7]),
            type_hash: u64::from_le_bytes([t0, t1, t2, t3, t4, t5, t6, t7]),
        }
    }

    /// A call's body in its two parts, reference and argument; `None` for a body too short to hold a reference.
    ///
    /// ```
    /// use pexec_proto::FunctionRef;
    ///
    /// let function = FunctionRef { offset: -64, type_hash: 7 };
    /// let mut body = function.encode().to_vec();
    /// body.push(42);
    /// assert_eq!(FunctionRef::split(&body), Some((function, &[42][..])));
    /// assert_eq!(FunctionRef::split(&body[..15]), None);
    /// ```
    #[inline]
    #[must_use]
    pub fn split(body: &[u8]) -> Option<(FunctionRef, &[u8])> {
        let (bytes, argument) = body.split_first_chunk::<{ FunctionRef::LEN }>()?;
        Some((FunctionRef::decode(bytes), argument))
    }
}
