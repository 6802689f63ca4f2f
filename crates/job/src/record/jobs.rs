//! The job files of a record: `job.toml` as the run began, and one more for each time it was gone on with under another
//! one (`job-2.toml`, ..). None is ever changed, since each speaks for the instances that ran by it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::PathBuf;

use super::{Error, JOB, Record, Storage, place};

/// How many are looked for: nobody edits a job so often between two attempts to finish it.
const MOST: u32 = 1000;

fn name(number: u32) -> String {
    match number {
        1 => JOB.to_owned(),
        n => format!("job-{n}.toml"),
    }
}

impl Record {
    /// Where its job files lie, as they were run, the latest first. What it does not say anything else about was run by
    /// one of them.
    pub fn job_paths(&self) -> Vec<PathBuf> {
        let Ok(dir) = self.open() else {
            return Vec::new();
        };
        let there = (1..=MOST).take_while(|n| place::file(&dir, &name(*n), false).is_ok());
        let mut paths: Vec<PathBuf> = there.map(|n| self.path().join(name(n))).collect();
        paths.reverse();
        paths
    }

    /// Keeps the job file that it is gone on with, unless it is the latest already. The file that was made, to be synced.
    pub(super) fn keep_job(&self, dir: impl AsFd, job: &[u8]) -> Result<Option<File>, Error> {
        let failed = |name: &str, error| self.failed(name, "write", error);
        let mut latest = None;
        for n in 1..=MOST {
            let name = name(n);
            match place::file(dir.as_fd(), &name, false) {
                Ok(file) => latest = Some((name, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if let Some((latest, file)) = &mut latest {
                        let mut text = Vec::new();
                        file.read_to_end(&mut text)
                            .map_err(|error| failed(latest, error))?;
                        if text == job {
                            return Ok(None);
                        }
                    }
                    let file = place::make_file(dir.as_fd(), &name).map_err(|error| failed(&name, error))?;
                    file.append(job).map_err(|error| failed(&name, error))?;
                    return Ok(Some(file));
                }
                Err(error) => return Err(failed(&name, error)),
            }
        }
        Ok(None)
    }
}
