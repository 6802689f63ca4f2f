//! The kernel's side of pexec: connected sockets that carry descriptors, the cells that a worker and its
//! supervisor share, starting, watching, signalling and reaping processes.
//!
//! Nothing here knows of tasks or pools. `unsafe` stands in named modules only: `cells` (shared memory),
//! `reap`, `image`, `env`, and one function each of `socket` and `process` (calls for which no crate has a safe form).

pub mod cells;
pub mod env;
pub mod image;
pub mod process;
pub mod reap;
pub mod socket;
pub mod wake;
