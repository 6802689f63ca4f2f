//! What can be typed about reports: which files tell of a run, during it or afterwards.

use std::path::PathBuf;

use clap::Args;

use super::LAST;

/// Files that are written when the run is over.
#[derive(Debug, Default, Args)]
pub(crate) struct ReportFlags {
    /// Write a report to look at in a browser, one file that is complete in itself
    #[arg(long, value_name = "FILE.html")]
    pub(crate) report: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) exports: Exports,
}

/// The same for other programs.
#[derive(Debug, Default, Args)]
pub(crate) struct Exports {
    /// Write the outcomes as JUnit XML, for CI systems
    #[arg(long, value_name = "FILE.xml")]
    pub(crate) junit: Option<PathBuf>,
    /// Write a trace that Perfetto and Chrome open
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,
    /// Write a line for each instance in the columns of GNU parallel's job log
    #[arg(long, value_name = "FILE")]
    pub(crate) joblog: Option<PathBuf>,
}

/// `pexec report`.
#[derive(Debug, Args)]
pub(crate) struct Report {
    /// The run: its id, the beginning of it, or `last`
    #[arg(value_name = "RUN", default_value = LAST)]
    pub(crate) run: String,
    /// Write a report to look at in a browser; `-` is standard output
    #[arg(
        short = 'o',
        long = "output",
        visible_alias = "report",
        value_name = "FILE.html"
    )]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) exports: Exports,
    /// Where runs are recorded [default: .pexec/runs]
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
}
