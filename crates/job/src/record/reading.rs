//! A record to be read: by `runs`, `show`, the report, and by a run that resumes it. Reading takes no lock: what a
//! living pexec is just appending is seen up to its last whole line.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::{EVENTS, Error, Events, LOCK, OUTPUT, Store, lock, place};
use crate::event::Kind;
use crate::text::Text;

/// The record of one run.
#[derive(Clone, Debug)]
pub struct Record {
    store: Store,
    id: String,
}

/// What the first event tells of the job.
pub(super) struct Began {
    pub(super) job: String,
    pub(super) dir: Text,
}

impl Record {
    pub(super) fn new(store: Store, id: String) -> Record {
        Record { store, id }
    }

    /// The run's id, which is the name of its directory.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its directory.
    pub fn path(&self) -> PathBuf {
        self.store.path().join(&self.id)
    }

    /// What happened, from the beginning.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened; the iterator tells what is wrong with its content.
    pub fn events(&self) -> Result<Events, Error> {
        Ok(Events::new(
            self.file(EVENTS, false)?,
            self.path().join(EVENTS),
            self.id.clone(),
        ))
    }

    /// Captured output: `len` bytes from `at`, as a `finished` tells them.
    ///
    /// # Errors
    ///
    /// When there is not so much, or the file cannot be read.
    pub fn output(&self, at: u64, len: u64) -> Result<io::Take<File>, Error> {
        let mut file = self.file(OUTPUT, false)?;
        let failed = |error| self.failed(OUTPUT, "read", error);
        let there = file.metadata().map_err(failed)?.len();
        if at.checked_add(len).is_none_or(|end| end > there) {
            let why = format!(
                "bytes {at} to {} were told, and it has {there}",
                at.saturating_add(len)
            );
            return Err(failed(io::Error::new(io::ErrorKind::UnexpectedEof, why)));
        }
        file.seek(SeekFrom::Start(at)).map_err(failed)?;
        Ok(file.take(len))
    }

    /// The process that is writing this record now: `Some(None)` if it has not said which.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    pub fn holder(&self) -> Result<Option<Option<u32>>, Error> {
        match self.file(LOCK, false) {
            Ok(file) => lock::holder(file).map_err(|error| self.failed(LOCK, "look at", error)),
            Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn began(&self) -> Option<Began> {
        match self.events().ok()?.next()?.ok()?.kind {
            Kind::RunStarted { job, dir, .. } => Some(Began { job, dir }),
            _ => None,
        }
    }

    pub(super) fn open(&self) -> Result<OwnedFd, Error> {
        place::dir(self.store.open()?, &self.id).map_err(|error| Error::Io {
            path: self.path(),
            doing: "open",
            error,
        })
    }

    pub(super) fn file(&self, name: &'static str, write: bool) -> Result<File, Error> {
        place::file(self.open()?, name, write).map_err(|error| self.failed(name, "open", error))
    }

    pub(super) fn failed(&self, name: &str, doing: &'static str, error: io::Error) -> Error {
        Error::Io {
            path: self.path().join(name),
            doing,
            error,
        }
    }
}
