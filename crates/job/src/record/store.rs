//! The directory of records: which runs there are, by which names.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use super::{EVENTS, Error, Record, place};

/// How many candidates an ambiguous name is told with.
const CANDIDATES: usize = 5;
const PARTS: [&str; 2] = [".pexec", "runs"];
const IGNORE: &str = ".gitignore";

/// A directory of records.
#[derive(Clone, Debug)]
pub struct Store {
    base: PathBuf,
    /// It lies in `.pexec/runs` of the base, and not in the base itself.
    beside: bool,
}

impl Store {
    /// The store of the job files in this directory: `.pexec/runs` in it.
    pub fn beside(dir: impl Into<PathBuf>) -> Store {
        Store {
            base: dir.into(),
            beside: true,
        }
    }

    /// This directory itself.
    pub fn at(dir: impl Into<PathBuf>) -> Store {
        Store {
            base: dir.into(),
            beside: false,
        }
    }

    /// Where the records lie.
    pub fn path(&self) -> PathBuf {
        match self.beside {
            true => PARTS.iter().fold(self.base.clone(), |path, part| path.join(part)),
            false => self.base.clone(),
        }
    }

    /// Every record, in the order of their ids, which is that of their beginnings. A store that is not there has none.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read, or a link is in its place.
    pub fn list(&self) -> Result<Vec<Record>, Error> {
        let dir = match self.open() {
            Ok(dir) => dir,
            Err(Error::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let failed = |error| self.failed("read", error);
        let mut ids = Vec::new();
        for entry in std::fs::read_dir(self.path()).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if let Some(id) = name.to_str()
                && place::dir(&dir, id).is_ok_and(|run| place::file(run, EVENTS, false).is_ok())
            {
                ids.push(id.to_owned());
            }
        }
        ids.sort_unstable();
        Ok(ids.into_iter().map(|id| Record::new(self.clone(), id)).collect())
    }

    /// The record of this id, of the only id that begins so, or the `last` one.
    ///
    /// # Errors
    ///
    /// When there is none or more than one, or the directory cannot be read.
    pub fn find(&self, name: &str) -> Result<Record, Error> {
        let mut all = self.list()?;
        if name == "last" {
            return all.pop().ok_or_else(|| self.missing(name));
        }
        if let Some(at) = all.iter().position(|record| record.id() == name) {
            return Ok(all.swap_remove(at));
        }
        all.retain(|record| !name.is_empty() && record.id().starts_with(name));
        match all.len() {
            0 => Err(self.missing(name)),
            1 => Ok(all.swap_remove(0)),
            _ => Err(Error::Ambiguous {
                name: name.to_owned(),
                among: all
                    .iter()
                    .take(CANDIDATES)
                    .map(|record| record.id().to_owned())
                    .collect(),
            }),
        }
    }

    /// The latest record of the job of this name; in a store that several directories share, of the one in `dir`.
    /// Records whose beginning cannot be read are nobody's.
    ///
    /// # Errors
    ///
    /// When there is none, or the directory cannot be read.
    pub fn last_of(&self, job: &str, dir: &Path) -> Result<Record, Error> {
        self.of_job(job, dir)?.next().ok_or_else(|| self.missing("last"))
    }

    /// All of its records, the latest first.
    ///
    /// # Errors
    ///
    /// When the directory cannot be read.
    pub fn of_job(&self, job: &str, dir: &Path) -> Result<impl Iterator<Item = Record>, Error> {
        use std::os::unix::ffi::OsStrExt;
        let same = move |record: &Record| {
            record.began().is_some_and(|began| {
                began.job == job && (self.beside || began.dir.as_bytes() == dir.as_os_str().as_bytes())
            })
        };
        Ok(self.list()?.into_iter().rev().filter(same))
    }

    /// Makes the directory, as far as it is missing, and opens it.
    pub(super) fn make(&self) -> Result<OwnedFd, Error> {
        let mut path = self.base.clone();
        if !self.beside {
            std::fs::create_dir_all(&path).map_err(|error| failed(&path, "make", error))?;
        }
        let mut dir = place::base(&path).map_err(|error| failed(&path, "open", error))?;
        for part in PARTS.into_iter().filter(|_| self.beside) {
            path.push(part);
            let made = |error| failed(&path, "make", error);
            let new = place::make_dir(&dir, part).map_err(made)?;
            dir = place::dir(&dir, part).map_err(made)?;
            if new && part == PARTS[0] {
                // Whoever commits the directory does not want its records.
                let mut ignore = place::make_file(&dir, IGNORE).map_err(made)?;
                if let Err(error) = ignore.write_all(b"*\n") {
                    // The next run would take an empty one for whole; what cannot be removed costs no more than that.
                    let _ = std::fs::remove_file(path.join(IGNORE));
                    let _ = std::fs::remove_dir(&path);
                    return Err(made(error));
                }
            }
        }
        Ok(dir)
    }

    /// There is something of this name.
    pub fn has(&self, id: &str) -> bool {
        self.path().join(id).symlink_metadata().is_ok()
    }

    /// Opens the directory.
    pub(super) fn open(&self) -> Result<OwnedFd, Error> {
        let mut path = self.base.clone();
        let mut dir = place::base(&path).map_err(|error| failed(&path, "read", error))?;
        if self.beside {
            for part in PARTS {
                path.push(part);
                dir = place::dir(&dir, part).map_err(|error| failed(&path, "read", error))?;
            }
        }
        Ok(dir)
    }

    fn failed(&self, doing: &'static str, error: io::Error) -> Error {
        failed(&self.path(), doing, error)
    }

    fn missing(&self, name: &str) -> Error {
        Error::NotFound {
            name: name.to_owned(),
            store: self.path(),
        }
    }
}

fn failed(path: &Path, doing: &'static str, error: io::Error) -> Error {
    Error::Io {
        path: path.to_owned(),
        doing,
        error,
    }
}
