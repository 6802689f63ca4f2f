//! The pexec command as a library: a program of your own gets all of it, and its job files call your functions.
//!
//! ```no_run
//! use std::path::PathBuf;
//! use std::process::ExitCode;
//!
//! /// How many lines a file has.
//! #[pexec::task(name = "lines")]
//! fn lines(path: PathBuf) -> Result<usize, pexec::Failure> {
//!     Ok(std::fs::read_to_string(path)?.lines().count())
//! }
//!
//! fn main() -> ExitCode {
//!     pexec_cli::main()
//! }
//! ```
//!
//! With this job file, `myprogram run job.toml` counts in all of its workers at once:
//!
//! ```toml
//! [tasks.count]
//! foreach = { glob = "src/**/*.rs" }
//! call = "lines"
//! args = { path = "{item}" }
//! ```
//!
//! A command line, a terminal, colours and exit codes are nowhere else in the workspace.

mod answer;
mod cli;
mod doctor;
mod entry;
mod events_file;
mod exit;
mod glance;
mod keys;
mod logging;
mod output;
mod past;
mod pause;
mod pool;
mod progress;
mod records;
mod reports;
mod room;
mod signals;
mod sink;
mod speech;
mod summary;
mod terminal;
mod typed;
mod verb;
mod wording;
mod writer;

pub use entry::{main, run};
