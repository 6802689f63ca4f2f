//! Files that tell of a run. They are opened before anything starts, so that a night's work does not end at a directory
//! that was not there, and written from the run's record when it is over.
//!
//! A file keeps what it has until then: a run that does not get to its end destroys no earlier report.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use pexec_job::event::Kind;
use pexec_job::planner::Recalled;
use pexec_job::record::{Record, Store};
use pexec_report::captured::Captured;
use pexec_report::model::{Fold, Report};
use pexec_report::{html, joblog, junit, trace};

use crate::answer;
use crate::cli::Exports;
use crate::exit::Exit;
use crate::past;
use crate::records::unusable;
use crate::speech::{complain, refuse};
use crate::typed;

/// The files, open.
#[derive(Default)]
pub(crate) struct Reports {
    targets: Vec<Target>,
}

struct Target {
    format: Format,
    path: PathBuf,
    /// None: standard output.
    file: Option<File>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Html,
    Junit,
    Trace,
    Joblog,
}

/// Which run is told of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// One that is about to start: standard output is for what its tasks write.
    Coming,
    /// One that is recorded: one of the files may be standard output.
    Past,
}

/// Stands for standard output.
const STDOUT: &str = "-";

impl Reports {
    /// Opens what the flags name.
    pub(crate) fn open(page: Option<&Path>, exports: &Exports, of: Of) -> Result<Reports, Exit> {
        let named = [
            (Format::Html, page),
            (Format::Junit, exports.junit.as_deref()),
            (Format::Trace, exports.trace.as_deref()),
            (Format::Joblog, exports.joblog.as_deref()),
        ];
        let mut reports = Reports::default();
        let mut taken = Vec::new();
        for (format, path) in named {
            let Some(path) = path else { continue };
            let file = match path == Path::new(STDOUT) {
                true if of == Of::Past => None,
                true => {
                    return Err(refuse(
                        "standard output is for what the tasks write; name a file instead of `-`",
                    ));
                }
                false => Some(open(path, of)?),
            };
            let place = file.as_ref().and_then(|file| file.metadata().ok());
            // Devices and pipes may be named as often as somebody likes.
            let place = place
                .filter(std::fs::Metadata::is_file)
                .map(|it| (it.dev(), it.ino()));
            if (place.is_some() || file.is_none()) && taken.contains(&place) {
                return Err(refuse(&format!(
                    "two reports are to be written to {}",
                    path.display()
                )));
            }
            taken.push(place);
            reports.targets.push(Target {
                format,
                path: path.to_owned(),
                file,
            });
        }
        Ok(reports)
    }

    /// There is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Writes them all. What cannot be written is said, and the others are written none the less.
    pub(crate) fn write(self, store: &Store, run: &str) -> Exit {
        let read = past::find(store, run).and_then(|record| {
            let (report, output) = read(&record)?;
            let wanted = self.targets.iter().any(|target| target.format == Format::Joblog);
            let commands = if wanted {
                commands(&record)?
            } else {
                HashMap::new()
            };
            Ok(Told {
                report,
                output,
                commands,
            })
        });
        let told = match read {
            Ok(told) => told,
            Err(exit) => {
                complain("no report was written");
                return exit;
            }
        };
        let mut exit = Exit::Success;
        for target in self.targets {
            let written = match &target.file {
                None => answer::ended(target.format.write(&told, &mut io::stdout().lock())),
                Some(file) => match target.write(file, &told) {
                    Ok(()) => Exit::Success,
                    Err(error) => {
                        complain(&format!("cannot write {}: {error}", target.path.display()));
                        Exit::Record
                    }
                },
            };
            if written != Exit::Success {
                exit = written;
            }
        }
        exit
    }
}

impl Target {
    fn write(&self, file: &File, told: &Told) -> io::Result<()> {
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        self.format.write(told, file)
    }
}

impl Format {
    fn write(self, told: &Told, to: impl Write) -> io::Result<()> {
        let Told {
            report,
            output,
            commands,
        } = told;
        let mut to = BufWriter::with_capacity(64 * 1024, to);
        match self {
            Format::Html => html::write(report, output, &mut to),
            Format::Junit => junit::write(report, output, &mut to),
            Format::Trace => trace::write(report, &mut to),
            Format::Joblog => joblog::write(report, commands, &mut to),
        }?;
        to.flush()
    }
}

fn open(path: &Path, of: Of) -> Result<File, Exit> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path);
    file.map_err(|error| {
        let so = match of {
            Of::Coming => "; nothing was started",
            Of::Past => "",
        };
        complain(&format!("cannot write {}: {error}{so}", path.display()));
        Exit::Record
    })
}

fn read(record: &Record) -> Result<(Report, Output), Exit> {
    let mut fold = Fold::new();
    past::read(record, |event| fold.apply(event))?;
    Ok((fold.finish(), Output::of(record)))
}

/// What each instance that ended did, by its key.
fn commands(record: &Record) -> Result<HashMap<u128, String>, Exit> {
    let mut commands = HashMap::new();
    let mut recalled = None;
    for event in record.events().map_err(|error| unusable(&error))?.ends() {
        match event.map_err(|error| unusable(&error))?.kind {
            Kind::RunStarted { dir, .. } => {
                recalled = Some(Recalled::new(record.job_paths(), record.id(), dir.as_os_str()));
            }
            Kind::Finished { who, .. } => {
                if let (Some(recalled), Some(key)) = (&mut recalled, who.key)
                    && let Entry::Vacant(place) = commands.entry(u128::from_be_bytes(key.0))
                    && let Some(work) = recalled.work(&who)
                {
                    place.insert(typed::work(&work));
                }
            }
            _ => {}
        }
    }
    Ok(commands)
}

/// A run, and what its record has beside its events.
struct Told {
    report: Report,
    output: Output,
    commands: HashMap<u128, String>,
}

/// The record's file of output, if it has one.
struct Output(Option<File>);

impl Output {
    fn of(record: &Record) -> Output {
        Output(record.output(0, 0).ok().map(io::Take::into_inner))
    }
}

impl Captured for Output {
    fn read(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        let Some(file) = &self.0 else {
            return Err(io::ErrorKind::NotFound.into());
        };
        file.read_exact_at(into, at)
    }
}
