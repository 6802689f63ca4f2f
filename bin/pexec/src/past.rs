//! Past runs, read from their records: what came of them, and which of their instances somebody means.

mod chosen;
mod head;
mod told;

use std::path::{Path, PathBuf};

use pexec_job::event::Event;
use pexec_job::plan::Plan;
use pexec_job::planner::Unknown;
use pexec_job::record::{Record, Store};

pub(crate) use chosen::{Chosen, Search};
pub(crate) use head::{Head, stamp};
pub(crate) use told::{Attempt, Collector, Told};

use crate::exit::Exit;
use crate::records::unusable;
use crate::speech::complain;
use crate::wording;

/// The records of a directory that was named, or of the current one.
pub(crate) fn store(run_dir: Option<&Path>) -> Store {
    match run_dir {
        Some(dir) => Store::at(dir),
        None => Store::beside(PathBuf::from(".")),
    }
}

/// The record that is meant.
pub(crate) fn find(store: &Store, run: &str) -> Result<Record, Exit> {
    store.find(run).map_err(|error| unusable(&error))
}

/// The job file of a record that an instance ran by, as `recall` says, with what that gave. Of several the latest.
pub(crate) fn job_file_of(
    record: &Record,
    recall: impl Fn(&Path) -> Result<Plan, Unknown>,
) -> Result<(PathBuf, Plan), Unknown> {
    let mut first = None;
    for path in record.job_paths() {
        match recall(&path) {
            Ok(plan) => return Ok((path, plan)),
            Err(error) => {
                first.get_or_insert(error);
            }
        }
    }
    Err(first.unwrap_or_else(|| Unknown::Gone("the record has no job file".to_owned())))
}

/// Shows every event of a record to `look`. What is damaged is told, and what was cut off at the end.
pub(crate) fn read(record: &Record, mut look: impl FnMut(&Event)) -> Result<(), Exit> {
    let mut events = record.events().map_err(|error| unusable(&error))?;
    for event in &mut events {
        look(&event.map_err(|error| unusable(&error))?);
    }
    if let Some(torn) = events.torn() {
        complain(&format!(
            "line {} of its events was not written to its end ({}) and is left out",
            torn.line,
            wording::plural(torn.bytes, "byte")
        ));
    }
    Ok(())
}
