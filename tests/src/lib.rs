//! Fixtures of the end-to-end tests: a sweep for leaks, a watchdog, the process table, gates, and programs that
//! embed pexec and misbehave.
//!
//! Nothing here decides whether pexec is right; the tests under `tests/` do.

pub mod gate;
pub mod processes;
pub mod program;
pub mod random;
pub mod sweep;
pub mod tasks;
pub mod until;
mod watchdog;
pub mod words;

pub use gate::Gate;
pub use program::Program;
pub use sweep::LeakSweep;
pub use until::wait_until;
