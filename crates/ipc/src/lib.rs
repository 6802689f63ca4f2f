//! The kernel's side of pexec: connected sockets that carry descriptors, the memory that a worker and its supervisor
//! share (cells and rings) and how either waits for the other, bytes that any processes share, starting, watching,
//! signalling and reaping processes.
//!
//! Nothing here knows of tasks or pools. `unsafe` stands in named modules only: `segment` (the memory of one worker),
//! `shared_bytes::{draft, mapping, sealed}` (memory files), `memory`, `warm`, `reap`, `fork`, `launch`, `image`, `env`, `stdio`, and
//! a function or two of `socket` and `process` (calls for which no crate has a safe form).

pub mod carry;
pub mod cells;
pub mod cgroup;
pub mod clock;
pub mod confine;
pub mod env;
pub mod fork;
pub mod image;
pub mod launch;
pub mod limits;
pub mod memory;
pub mod notes;
pub mod process;
pub mod reap;
pub mod ring;
pub mod room;
pub mod segment;
pub mod shared_bytes;
pub mod socket;
pub mod spin;
pub mod stdio;
pub mod tree;
pub mod wake;
pub mod warm;
