//! What can be typed to the verbs that look at past runs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::LAST;

/// `pexec runs`.
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// Only the runs of this job file; otherwise all that were recorded in the current directory
    #[arg(value_name = "JOB.toml")]
    pub(crate) job: Option<PathBuf>,
    /// Where runs are recorded [default: .pexec/runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// How they are listed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = PastFormat::Text)]
    pub(crate) format: PastFormat,
}

/// `--format` of `runs` and `show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PastFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// `pexec show`.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The run: its id, the beginning of it, or `last`
    #[arg(value_name = "RUN", default_value = LAST)]
    pub(crate) run: String,
    /// An instance by its label or the beginning of it, or a task for all of its instances
    #[arg(value_name = "TASK")]
    pub(crate) task: Option<String>,
    /// Print what the instance wrote to its standard output at its last attempt, and nothing else
    #[arg(long, requires = "task")]
    pub(crate) output: bool,
    /// How it is told
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = PastFormat::Text, conflicts_with = "output")]
    pub(crate) format: PastFormat,
    /// Where runs are recorded [default: .pexec/runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
}

/// `pexec replay`.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The run: its id, the beginning of it, or `last`
    #[arg(value_name = "RUN")]
    pub(crate) run: String,
    /// The instance, by its label or the beginning of it
    #[arg(value_name = "TASK")]
    pub(crate) task: String,
    /// The job file to take secrets from; otherwise one of the job's directory that has the same instance, or the
    /// environment
    #[arg(long, value_name = "JOB.toml")]
    pub(crate) job: Option<PathBuf>,
    /// Where runs are recorded [default: .pexec/runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
}
