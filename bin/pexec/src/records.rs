//! Which record a run gets: a new one, that of an earlier run, or none.

use std::path::Path;

use pexec_job::files::Successes;
use pexec_job::history::History;
use pexec_job::plan::Plan;
use pexec_job::planner::{JobFile, Overrides};
use pexec_job::record::{Again, Error, Past, Record, Recorder, Resumed, Store};

use crate::cli::{LAST, RecordFlags};
use crate::exit::Exit;
use crate::speech::{complain, refuse};
use crate::wording;

/// A run's place among the records, known before it is planned: its commands may name it.
pub(crate) struct Place {
    /// The run's id.
    pub(crate) id: String,
    /// None: it leaves no record.
    store: Option<Store>,
    /// The earlier run that it goes on with, and how.
    resume: Option<(Record, Again)>,
}

/// A record, open and locked, if there is to be one.
#[derive(Default)]
pub(crate) struct Opened {
    /// Writes it.
    pub(crate) recorder: Option<Recorder>,
    /// What it says already.
    pub(crate) past: Option<Past>,
}

impl Place {
    /// The place of a run of this job file: beside it, unless the flags say so.
    pub(crate) fn of(flags: &RecordFlags, file: &JobFile, overrides: &Overrides) -> Result<Place, Exit> {
        let identity = file.identity(overrides);
        let job = identity
            .as_ref()
            .map(|(name, dir)| (name.as_str(), dir.as_path()));
        Place::find(flags, job, Some(Store::beside(file.beside())))
    }

    /// The place of a run of this job. `default`: where it is recorded unless the flags say so.
    pub(crate) fn find(
        flags: &RecordFlags,
        job: Option<(&str, &Path)>,
        default: Option<Store>,
    ) -> Result<Place, Exit> {
        let store = match &flags.run_dir {
            _ if flags.no_record => None,
            Some(dir) => Some(Store::at(dir)),
            None => default,
        };
        let again = match (&flags.resume, flags.rerun_failed) {
            (None, false) => None,
            (Some(_), false) => Some(Again::Unfinished),
            (_, true) => Some(Again::Failed),
        };
        let resume = match (again, &store) {
            (None, _) => None,
            (Some(_), None) => {
                return Err(refuse(
                    "there is no record to go on with; say where it is with --run-dir DIR",
                ));
            }
            (Some(again), Some(store)) => {
                let name = flags.resume.as_deref().unwrap_or(LAST);
                earlier(store, name, job)?.map(|record| (record, again))
            }
        };
        let id = match (&resume, &store) {
            (Some((record, _)), _) => record.id().to_owned(),
            (None, store) => new_id(store.as_ref()),
        };
        Ok(Place { id, store, resume })
    }

    /// The run gets a record of its own.
    pub(crate) fn is_new(&self) -> bool {
        self.store.is_some() && self.resume.is_none()
    }

    /// What the record says that a run would take up, without taking it up.
    pub(crate) fn past(&self) -> Result<Option<Past>, Exit> {
        match &self.resume {
            None => Ok(None),
            Some((record, again)) => match record.past(*again) {
                Ok((past, _)) => Ok(Some(past)),
                Err(error) => Err(unusable(&error)),
            },
        }
    }

    /// What earlier runs have made. Read only where the plan asks for it: there may be many of them.
    pub(crate) fn successes(&self, plan: &Plan) -> Successes {
        match (&self.store, plan.makes()) {
            (Some(store), Some(wanted)) => Successes::read(store, wanted),
            _ => Successes::default(),
        }
    }

    /// What earlier runs of the same job took.
    pub(crate) fn history(&self, plan: &Plan) -> History {
        match &self.store {
            Some(store) => History::gather(store, &plan.name, &plan.dir, &self.id),
            None => History::default(),
        }
    }

    /// What to type to see more of the run; `None`: it leaves no record.
    pub(crate) fn show(&self) -> Option<String> {
        let path = self.store.as_ref()?.path();
        let here = Path::new(".").join(".pexec/runs");
        Some(match path == here {
            true => format!("show {}", self.id),
            false => format!("show --run-dir {} {}", path.display(), self.id),
        })
    }

    /// Makes the record, or opens that of the earlier run; `job`: the job file. A run that is to leave no record has
    /// one in the `shelter`, if there is one.
    pub(crate) fn open(self, job: &[u8], shelter: Option<Store>) -> Result<Opened, Exit> {
        let Some(store) = self.store.or(shelter) else {
            return Ok(Opened::default());
        };
        let Some((record, again)) = self.resume else {
            return match Recorder::create(&store, &self.id, job) {
                Ok(recorder) => Ok(Opened {
                    recorder: Some(recorder),
                    past: None,
                }),
                Err(error) => {
                    complain(&format!(
                        "{error}; nothing was started; --no-record runs without a record, --run-dir DIR puts it elsewhere"
                    ));
                    Err(Exit::Record)
                }
            };
        };
        match record.resume(again, job) {
            Ok(Resumed { recorder, past, torn }) => {
                let empty = match recorder.next_seq() {
                    0 => ", which was ended before anything of it was recorded",
                    _ => "",
                };
                complain(&format!("going on with run {}{empty}", record.id()));
                if let Some(torn) = torn {
                    complain(&format!(
                        "line {} of its events was not written to its end ({}) and is cut off",
                        torn.line,
                        wording::plural(torn.bytes, "byte")
                    ));
                }
                Ok(Opened {
                    recorder: Some(recorder),
                    past: Some(past),
                })
            }
            Err(error) => Err(unusable(&error)),
        }
    }
}

/// The record to go on with; none is no error where only the latest was asked for.
fn earlier(store: &Store, name: &str, job: Option<(&str, &Path)>) -> Result<Option<Record>, Exit> {
    let found = match (name, job) {
        (LAST, Some((job, dir))) => store.last_of(job, dir),
        (LAST, None) => return Ok(None),
        (name, _) => store.find(name),
    };
    match found {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.is_usage() && name == LAST => {
            complain(&format!(
                "there is no earlier run of this job in {}: everything is run",
                store.path().display()
            ));
            Ok(None)
        }
        Err(error) => Err(unusable(&error)),
    }
}

/// Says why a record cannot be used.
pub(crate) fn unusable(error: &Error) -> Exit {
    if error.is_usage() {
        return refuse(&error.to_string());
    }
    complain(&error.to_string());
    Exit::Record
}

/// A name for a run: the second it begins in, and which of the 65,536 parts of it, so that names sort by time.
fn new_id(store: Option<&Store>) -> String {
    loop {
        let now = jiff::Timestamp::now();
        let part = u64::from(now.subsec_nanosecond().unsigned_abs()) * 0x1_0000 / 1_000_000_000;
        let id = format!("{}-{part:04x}", now.strftime("%Y%m%d-%H%M%S"));
        if !store.is_some_and(|store| store.has(&id)) {
            return id;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
