//! Writes a record. What is told is collected during one turn of the run and written at its end, output before the
//! events that point to it; a [thread](sync) of its own makes it safe, many turns at a time.
//!
//! After the first failure nothing more is written: a record ends with what was whole.

mod grow;
mod sync;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lock::{self, Lock};
use super::{EVENTS, Error, JOB, LOCK, OUTPUT, Record, Storage, Store, place};
use crate::exec::Captured;
use crate::run::Waker;
use grow::Grow;
use sync::Syncer;

/// What is to be written at most before it is.
const FULL: usize = 256 * 1024;

/// The writing end of a record.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    events: Grow,
    output: Grow,
    /// How many events were told, those of earlier runs included.
    told: u64,
    syncer: Syncer,
    failed: bool,
    _lock: Option<Lock>,
}

impl Recorder {
    /// Begins the record of a new run, of this job file.
    ///
    /// # Errors
    ///
    /// When there is one of this id, or something cannot be made. Nothing is left behind then.
    pub fn create(store: &Store, id: &str, job: &[u8]) -> Result<Recorder, Error> {
        let runs = store.make()?;
        let path = store.path().join(id);
        let failed = |name: &str, error| Error::Io {
            path: [path.as_path(), Path::new(name)].iter().collect(),
            doing: "make",
            error,
        };
        match place::make_dir(&runs, id) {
            Ok(true) => {}
            Ok(false) => return Err(failed("", io::ErrorKind::AlreadyExists.into())),
            Err(error) => return Err(failed("", error)),
        }
        let made = || -> Result<Recorder, Error> {
            let dir = place::dir(&runs, id).map_err(|error| failed("", error))?;
            let make = |name| place::make_file(&dir, name).map_err(|error| failed(name, error));
            let lock = match lock::take(make(LOCK)?) {
                Ok(lock) => lock,
                Err(Ok(pid)) => return Err(held(id, pid)),
                Err(Err(error)) => return Err(failed(LOCK, error)),
            };
            // First: from here on it is a record, whatever else a kill leaves it without.
            let events = make(EVENTS)?;
            let output = make(OUTPUT)?;
            let kept = make(JOB)?;
            kept.append(job).map_err(|error| failed(JOB, error))?;
            // A name is safe when the directory that holds it is.
            let runs = runs.try_clone().map_err(|error| failed("", error))?;
            let dirs = vec![kept, File::from(dir), File::from(runs)];
            Recorder::over(
                path.clone(),
                (Arc::new(events), 0),
                (Arc::new(output), 0),
                dirs,
                0,
            )
            .map(|recorder| Recorder {
                _lock: Some(lock),
                ..recorder
            })
            .map_err(|error| failed("", error))
        };
        made().inspect_err(|_| {
            // Ours, since this call made it: nobody else has had the name.
            let _ = std::fs::remove_dir_all(&path);
        })
    }

    /// Goes on with a record that has these many events in so many bytes; what is behind them is cut away. The lock is
    /// the proof that nobody else does.
    pub(super) fn append(
        record: &Record,
        lock: Lock,
        told: u64,
        whole: u64,
        dirs: Vec<File>,
    ) -> Result<Recorder, Error> {
        let events = record.file(EVENTS, true)?;
        let output = record.file(OUTPUT, true)?;
        let failed = |name: &'static str, error| record.failed(name, "write", error);
        events.set_len(whole).map_err(|error| failed(EVENTS, error))?;
        let at = output.metadata().map_err(|error| failed(OUTPUT, error))?.len();
        let (events, output) = ((Arc::new(events) as _, whole), (Arc::new(output) as _, at));
        Recorder::over(record.path(), events, output, dirs, told)
            .map(|recorder| Recorder {
                _lock: Some(lock),
                ..recorder
            })
            .map_err(|error| failed(EVENTS, error))
    }

    /// Writes to these, each with its length; `dirs`, and files that do not grow any more, are synced once.
    pub(super) fn over(
        path: PathBuf,
        events: (Arc<dyn Storage>, u64),
        output: (Arc<dyn Storage>, u64),
        dirs: Vec<File>,
        told: u64,
    ) -> io::Result<Recorder> {
        let syncer = Syncer::start(Arc::clone(&output.0), Arc::clone(&events.0), dirs, told)?;
        Ok(Recorder {
            path,
            events: Grow::new(events.0, events.1),
            output: Grow::new(output.0, output.1),
            told,
            syncer,
            failed: false,
            _lock: None,
        })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number that the next event is to have.
    pub fn next_seq(&self) -> u64 {
        self.told
    }

    /// Whom to wake when more has become safe.
    pub fn wakes(&self, waker: Waker) {
        self.syncer.wakes(waker);
    }

    /// Keeps what an attempt wrote; where it lies, if it is anything.
    ///
    /// # Errors
    ///
    /// When it cannot be written, or the spilled file cannot be read.
    pub fn keep(&mut self, stdout: &Captured, stderr: &Captured) -> io::Result<Option<u64>> {
        if stdout.is_empty() && stderr.is_empty() {
            return Ok(None);
        }
        self.writing(|recorder| {
            let at = recorder.output.end();
            recorder.output.take(stdout)?;
            recorder.output.take(stderr)?;
            Ok(Some(at))
        })
    }

    /// Takes the line of the next event.
    ///
    /// # Errors
    ///
    /// When it cannot be written, now or before.
    pub fn event(&mut self, line: &str) -> io::Result<()> {
        self.writing(|recorder| {
            recorder.events.line(line);
            recorder.told += 1;
            if recorder.events.waiting() >= FULL {
                recorder.write()?;
            }
            Ok(())
        })
    }

    /// Writes what has been told. From then on it survives the end of this process.
    ///
    /// # Errors
    ///
    /// When it cannot be written, now or before.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writing(Recorder::write)
    }

    fn write(&mut self) -> io::Result<()> {
        if self.events.waiting() + self.output.waiting() == 0 {
            return Ok(());
        }
        self.output.write()?;
        self.events.write()?;
        self.syncer.wrote(self.told, self.output.has_grown());
        Ok(())
    }

    /// How many events would survive a crash of the machine by now, of those that were flushed; `haste`: somebody waits
    /// for all of them.
    ///
    /// # Errors
    ///
    /// When something may not have reached the disk.
    pub fn durable(&self, haste: bool) -> io::Result<u64> {
        self.syncer.durable(haste).map_err(|error| self.named(error))
    }

    /// Writes and syncs the last of it.
    ///
    /// # Errors
    ///
    /// When it cannot be written, now or before.
    pub fn finish(mut self) -> io::Result<()> {
        let written = self.flush();
        let synced = self.syncer.finish();
        written.and(synced.map_err(|error| self.named(error)))
    }

    fn writing<T>(&mut self, write: impl FnOnce(&mut Recorder) -> io::Result<T>) -> io::Result<T> {
        if self.failed {
            return Err(io::Error::other(format!(
                "{}: nothing is written after a failure",
                self.path.display()
            )));
        }
        write(self).map_err(|error| {
            self.failed = true;
            self.named(error)
        })
    }

    fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }
}

pub(super) fn held(id: &str, pid: Option<u32>) -> Error {
    Error::Held {
        id: id.to_owned(),
        pid,
    }
}
