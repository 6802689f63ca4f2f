//! Job files: what they become, and what is said about wrong ones. Nothing is run here but shells.

#[path = "job_file/calls.rs"]
mod calls;
#[path = "job_file/corpus.rs"]
mod corpus;
#[path = "job_file/each.rs"]
mod each;
#[path = "job_file/globs.rs"]
mod globs;
#[path = "job_file/keys.rs"]
mod keys;
#[path = "job_file/listings.rs"]
mod listings;
#[path = "job_file/mutations.rs"]
mod mutations;
#[path = "job_file/needs.rs"]
mod needs;
#[path = "job_file/objects.rs"]
mod objects;
#[path = "job_file/problems.rs"]
mod problems;
#[path = "job_file/secrets.rs"]
mod secrets;
#[path = "job_file/shells.rs"]
mod shells;
#[path = "job_file/sources.rs"]
mod sources;
#[path = "job_file/volume.rs"]
mod volume;
#[path = "job_file/wrong_values.rs"]
mod wrong_values;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use pexec_job::command::Command;
use pexec_job::plan::{Instance, Plan};
use pexec_job::planner::{self, Overrides};
use pexec_job::problem::Problems;
use pexec_job::work::Work;
use tempfile::TempDir;

/// A directory with a job file.
struct Job {
    dir: TempDir,
    overrides: Overrides,
}

impl Job {
    fn new(toml: impl AsRef<[u8]>) -> Job {
        let job = Job {
            dir: TempDir::new().expect("a directory"),
            overrides: Overrides {
                run_id: "run-7".to_owned(),
                ..Overrides::default()
            },
        };
        job.file("job.toml", toml)
    }

    fn file(self, path: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> Job {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("below the directory")).expect("made");
        std::fs::write(path, content).expect("written");
        self
    }

    fn set(mut self, name: &str, value: &str) -> Job {
        self.overrides.set.push((name.to_owned(), value.to_owned()));
        self
    }

    fn only(mut self, task: &str) -> Job {
        self.overrides.only.push(task.to_owned());
        self
    }

    fn path(&self, path: impl AsRef<OsStr>) -> PathBuf {
        self.dir.path().join(Path::new(&path))
    }

    fn load(&self) -> Result<Plan, Problems> {
        planner::load(&self.path("job.toml"), &self.overrides)
    }

    #[track_caller]
    fn plan(&self) -> Plan {
        match self.load() {
            Ok(plan) => plan,
            Err(problems) => panic!("refused:\n{}", problems.render(false)),
        }
    }

    /// The text that refuses it.
    #[track_caller]
    fn refused(&self) -> String {
        match self.load() {
            Ok(_) => panic!("not refused"),
            Err(problems) => problems.render(false),
        }
    }

    /// The commands of its only task.
    #[track_caller]
    fn commands(&self) -> Vec<Command> {
        let mut plan = self.plan();
        assert_eq!(plan.tasks.len(), 1);
        take(&mut plan, 0)
            .iter()
            .map(|instance| command(instance, 1))
            .collect()
    }

    /// The arguments of its only task's commands, each command's on one line.
    #[track_caller]
    fn lines(&self) -> Vec<String> {
        self.commands().iter().map(line).collect()
    }

    #[track_caller]
    fn labels(&self) -> Vec<String> {
        let instances = take(&mut self.plan(), 0);
        instances
            .iter()
            .map(|instance| instance.label.to_string())
            .collect()
    }
}

/// The instances of a task.
#[track_caller]
fn take(plan: &mut Plan, task: usize) -> Vec<Instance> {
    let instances = std::mem::replace(&mut plan.tasks[task].instances, Box::new(std::iter::empty()));
    instances
        .collect::<Result<_, _>>()
        .expect("a source that can be read")
}

/// What an attempt of the instance starts.
#[track_caller]
fn command(instance: &Instance, attempt: u32) -> Command {
    match (instance.work)(attempt) {
        Work::Command(command) => command,
        Work::Call(call) => panic!("not a command: {call:?}"),
    }
}

fn line(command: &Command) -> String {
    let words: Vec<String> = command.argv.iter().map(|word| word.to_string()).collect();
    words.join(" ")
}

#[track_caller]
fn assert_says<'a>(text: &str, parts: impl IntoIterator<Item = &'a str>) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn os(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}
