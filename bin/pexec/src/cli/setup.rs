//! What can be typed to the verbs with which a user begins: a look at the machine, a job file, completions, manual
//! pages.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

/// `pexec doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// How the findings are told
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = DoctorFormat::Text)]
    pub(crate) format: DoctorFormat,
}

/// `--format` of `doctor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// For people: a line for each
    Text,
    /// For programs
    Json,
}

/// `pexec init`.
#[derive(Debug, Args)]
pub(crate) struct Init {
    /// Where to write it: a file that is not there yet, a directory, or `-` for standard output
    #[arg(value_name = "PATH", default_value = "job.toml")]
    pub(crate) path: PathBuf,
}

/// `pexec completions`.
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell that is to complete
    #[arg(value_name = "SHELL", value_enum)]
    pub(crate) shell: Shell,
}

/// `pexec man`.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The verb that the page is about; without one, the page of the whole command
    #[arg(value_name = "VERB", conflicts_with = "dir")]
    pub(crate) verb: Option<String>,
    /// Write all pages to this directory, which is made if it is not there
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Shown under the help of `completions`.
pub(super) fn examples_of_completions(name: &str) -> String {
    format!(
        "\
Examples:
  source <({name} completions bash)
  {name} completions zsh > ~/.zfunc/_{name}
  {name} completions fish > ~/.config/fish/completions/{name}.fish"
    )
}

/// Shown under the help of `man`.
pub(super) fn examples_of_man(name: &str) -> String {
    format!(
        "\
Examples:
  {name} man run | man -l -
  {name} man --dir ~/.local/share/man/man1"
    )
}
