//! The record of a run: `.pexec/runs/<id>/` beside the job file, made by pexec and safe to delete.
//!
//! It holds `job.toml` (as run; `job-2.toml` .. where it was edited meanwhile), `events.ndjson` (what happened, the one source of everything that is told later),
//! `output` (what was captured; events say where) and `lock`. A [`Store`] is the directory of records, a [`Record`] is
//! one to read, a [`Recorder`] writes one.
//!
//! What always holds: one writer at a time, which has the lock; what was written is only ever appended to; a line that
//! was cut off at the end is cut away before anything is appended; no link is followed on the way into a record.

mod events;
mod fault;
mod heard;
mod jobs;
mod lock;
mod past;
mod place;
mod reading;
mod recorder;
mod storage;
mod store;

pub use events::{Events, Torn};
pub use fault::Error;
pub use heard::Met;
pub use past::{Again, Fate, Past, Resumed};
pub use reading::Record;
pub use recorder::Recorder;
pub use storage::Storage;
pub use store::Store;

/// The events, a line each.
const EVENTS: &str = "events.ndjson";
/// What the attempts wrote.
const OUTPUT: &str = "output";
/// The job file as run.
const JOB: &str = "job.toml";
/// Held by who writes; tells its process id.
const LOCK: &str = "lock";
