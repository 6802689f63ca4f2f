//! The kinds of frames, and who may send which of them when.

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Who a side is, and its nonce ([`Hello`](crate::Hello)).
    Hello = 1,
    /// That a side knows the key: 32 bytes of HMAC.
    Proof = 2,
    /// What the worker is to be ([`Setup`](crate::Setup)).
    Setup = 3,
    /// The worker has run its initializer and takes calls. No body.
    Ready = 4,
    /// The worker cannot become what `Setup` asks ([`Refused`](crate::Refused)).
    Refused = 5,
    /// Run this: a [`FunctionRef`](crate::FunctionRef), then the argument's codec bytes.
    Call = 6,
    /// The task returned: the result's codec bytes.
    Value = 7,
    /// The task did not return ([`WorkerFailure`](crate::WorkerFailure)).
    Failure = 8,
    /// The worker found the task's cell taken back before it started it, and did not run it. No body.
    Skipped = 9,
    /// Bytes that the running task sends out before its result.
    Emit = 10,
    /// Take no further call: finish what runs and leave. No body.
    Stop = 11,
    /// The last frame of a worker that leaves in order. No body.
    Leaving = 12,
    /// What the task of the `Call` that follows at once has beyond its number ([`Context`](crate::Context)).
    Context = 13,
    /// How far the running task says it is: a share as eight bytes of an f64, then a text. The last one counts.
    Progress = 14,
    /// Run this on each of several items: a [`FunctionRef`](crate::FunctionRef), then for each item its length (u32) and
    /// codec bytes. Answered item by item, in order, each with a `Value` or a `Failure`; a `Skipped` takes the place of
    /// those that were taken back.
    Batch = 15,
    /// Descriptors of the handles in the next `Call`, `Value` or `Setup`: how many, as a u16. They lie in the socket, attached
    /// to the frame itself, or, where frames go through shared memory, to a byte of their own.
    Descriptors = 16,
    /// What the code in the worker has told `tracing` ([`Trace`](crate::Trace)), with the task that ran or 0.
    Trace = 17,
    /// To a template: fork a worker whose channel and streams are the descriptors announced just before. No body.
    Fork = 18,
    /// A template has forked the worker, or could not ([`Forked`](crate::Forked)).
    Forked = 19,
    /// When the task was started and how long it took: the instant on the monotonic clock and the nanoseconds for each item,
    /// then the number of items, each as a u64. Sent for a task whose `Context` asks for it.
    Timing = 20,
}

impl Kind {
    /// Every kind, in the order of its byte.
    pub const ALL: [Kind; 20] = [
        Kind::Hello,
        Kind::Proof,
        Kind::Setup,
        Kind::Ready,
        Kind::Refused,
        Kind::Call,
        Kind::Value,
        Kind::Failure,
        Kind::Skipped,
        Kind::Emit,
        Kind::Stop,
        Kind::Leaving,
        Kind::Context,
        Kind::Progress,
        Kind::Batch,
        Kind::Descriptors,
        Kind::Trace,
        Kind::Fork,
        Kind::Forked,
        Kind::Timing,
    ];

    /// The kind with this byte.
    #[inline]
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Kind> {
        // 0 wraps to 255, which is out of range as well.
        let index = byte.wrapping_sub(1) as usize;
        if index < Kind::ALL.len() {
            Some(Kind::ALL[index])
        } else {
            None
        }
    }

    /// Who may send it.
    #[inline]
    #[must_use]
    pub const fn direction(self) -> Direction {
        match self {
            Kind::Hello | Kind::Proof | Kind::Descriptors => Direction::Both,
            Kind::Setup | Kind::Call | Kind::Context | Kind::Batch | Kind::Stop | Kind::Fork => {
                Direction::ToWorker
            }
            Kind::Ready
            | Kind::Refused
            | Kind::Value
            | Kind::Failure
            | Kind::Skipped
            | Kind::Emit
            | Kind::Progress
            | Kind::Trace
            | Kind::Timing
            | Kind::Leaving
            | Kind::Forked => Direction::ToSupervisor,
        }
    }

    /// Whether a side of this role may send it at this stage of the channel.
    ///
    /// ```
    /// use pexec_proto::{Kind, Role, Stage};
    /// assert!(Kind::Call.allowed(Role::Supervisor, Stage::Serving));
    /// assert!(!Kind::Call.allowed(Role::Supervisor, Stage::Setup)); // started is not ready
    /// assert!(!Kind::Call.allowed(Role::Worker, Stage::Serving));
    /// ```
    #[inline]
    #[must_use]
    pub const fn allowed(self, from: Role, stage: Stage) -> bool {
        let by_role = match self.direction() {
            Direction::Both => true,
            Direction::ToWorker => matches!(from, Role::Supervisor),
            Direction::ToSupervisor => matches!(from, Role::Worker),
        };
        let by_stage = match stage {
            Stage::Handshake => matches!(self, Kind::Hello | Kind::Proof),
            Stage::Setup if matches!(self, Kind::Descriptors) => matches!(from, Role::Supervisor),
            Stage::Setup => {
                matches!(
                    self,
                    Kind::Setup | Kind::Ready | Kind::Refused | Kind::Trace | Kind::Stop | Kind::Leaving
                )
            }
            Stage::Serving => matches!(
                self,
                Kind::Call
                    | Kind::Context
                    | Kind::Batch
                    | Kind::Descriptors
                    | Kind::Value
                    | Kind::Failure
                    | Kind::Skipped
                    | Kind::Emit
                    | Kind::Progress
                    | Kind::Trace
                    | Kind::Timing
                    | Kind::Stop
                    | Kind::Leaving
                    | Kind::Fork
                    | Kind::Forked
            ),
        };
        by_role && by_stage
    }
}

/// Which way a kind travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the supervisor to the worker.
    ToWorker,
    /// From the worker to the supervisor.
    ToSupervisor,
    /// Both ways.
    Both,
}

/// How far a channel has come; it only moves right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// Neither side has proved anything.
    Handshake,
    /// Both have proved themselves, and the worker is not ready.
    Setup,
    /// The worker is ready.
    Serving,
}

/// Which side of a channel a peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// It starts workers and gives them tasks.
    Supervisor = 1,
    /// It runs tasks.
    Worker = 2,
}

impl Role {
    /// The other side's role.
    #[must_use]
    pub const fn other(self) -> Role {
        match self {
            Role::Supervisor => Role::Worker,
            Role::Worker => Role::Supervisor,
        }
    }
}
