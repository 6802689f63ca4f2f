//! What can be typed: flags and arguments, checked as far as that needs no file.

mod past;
mod report;
mod setup;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use pexec_job::plan::Output;

use crate::speech;

pub(crate) use past::{PastFormat, Replay, Runs, Show};
pub(crate) use report::{Exports, Report, ReportFlags};
pub(crate) use setup::{Completions, Doctor, DoctorFormat, Init, Man};

/// Shown under the help of the command without a verb; each line works when pasted into a shell.
fn examples(name: &str) -> String {
    format!(
        "\
Examples:
  seq 5 | {name} each -- echo 'item {{}}'
  {name} each -j 50% -- sha256sum {{}} ::: /etc/passwd /etc/group
  printf '[tasks.hi]\\nforeach = {{ range = \"0..3\" }}\\nshell = \"echo hi {{item}}\"\\n' > hi.toml && {name} run hi.toml

Exit codes:
  0 all succeeded   1 some failed   2 usage or job file   3 halted by a policy
  4 standard output not writable   5 record, events or report not written or read   6 the pool broke
  128+n interrupted by signal n"
    )
}

/// The command line.
#[derive(Debug, Parser)]
#[command(
    name = "pexec",
    version,
    about = "Runs thousands of commands on all CPUs and says exactly what happened",
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    /// Say more on standard error about workers and tasks; twice for everything (also: PEXEC_LOG=debug)
    #[arg(short, long, action = ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
}

impl Cli {
    /// Reads the words; help, version and wrong usage end the process.
    pub(crate) fn read(words: Vec<OsString>) -> Cli {
        let matches = command().get_matches_from(words);
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// The definition, under the program's own name.
pub(crate) fn command() -> clap::Command {
    let name = speech::name();
    let mut command = Cli::command()
        .name(name)
        .bin_name(name)
        .after_help(examples(name))
        .mut_subcommand("each", |each| each.after_help(examples_of_each(name)))
        .mut_subcommand("completions", |it| {
            it.after_help(setup::examples_of_completions(name))
        })
        .mut_subcommand("man", |it| it.after_help(setup::examples_of_man(name)));
    if !pexec::named::tasks().is_empty() {
        command = command
            .version(concat!("(pexec ", env!("CARGO_PKG_VERSION"), ")"))
            .about("Runs its own functions and thousands of commands on all CPUs, and says exactly what happened");
    }
    command
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a job file
    Run(Run),
    /// Run one command per line of standard input, or per argument after `:::`
    Each(Each),
    /// Check a job file and run nothing
    Check(Check),
    /// List what a run of a job file would do, and why, running nothing of it
    Plan(Plan),
    /// Tell of a past run as an HTML report, JUnit XML, a trace or a job log
    Report(Report),
    /// List past runs, the latest first
    Runs(Runs),
    /// Tell what came of a past run, or all that is known of one of its instances
    Show(Show),
    /// Run one instance of a past run again, in the foreground
    Replay(Replay),
    /// List the functions of this program that job files can call
    Tasks(Tasks),
    /// Try what this machine gives pexec: containment, limits, transports, room
    Doctor(Doctor),
    /// Write a commented job file to start from
    Init(Init),
    /// Print the completions for a shell
    Completions(Completions),
    /// Print a manual page, or write all of them
    Man(Man),
}

/// `pexec run`.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The job file
    #[arg(value_name = "JOB.toml")]
    pub(crate) job: PathBuf,
    #[command(flatten)]
    pub(crate) choose: Choose,
    #[command(flatten)]
    pub(crate) flags: RunFlags,
}

/// `pexec each`.
#[derive(Debug, Args)]
pub(crate) struct Each {
    /// Items on standard input end with NUL instead of a newline
    #[arg(short = '0', long = "null")]
    pub(crate) null: bool,
    #[command(flatten)]
    pub(crate) flags: RunFlags,
    /// The command; arguments after a `:::` are the items, otherwise they are read from standard input
    #[arg(value_name = "CMD", trailing_var_arg = true, required = true)]
    pub(crate) argv: Vec<OsString>,
}

fn examples_of_each(name: &str) -> String {
    format!(
        "\
{{}} stands for the item; a command without {{}} gets it as its last argument. Other braces are literal.

Examples:
  find . -name '*.rs' -print0 | {name} each -0 -- wc -l {{}}
  {name} each --output ordered -- sh -c 'sleep \"$1\"; echo \"$1\"' sh {{}} ::: 0.2 0.1 0"
    )
}

/// `pexec plan`.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// The job file
    #[arg(value_name = "JOB.toml")]
    pub(crate) job: PathBuf,
    #[command(flatten)]
    pub(crate) choose: Choose,
    /// How it is listed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = PlanFormat::Text)]
    pub(crate) format: PlanFormat,
    #[command(flatten)]
    pub(crate) record: RecordFlags,
}

/// `--format` of `plan`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// For people: a line for each instance
    Text,
    /// For programs
    Json,
    /// A picture of the tasks, for Graphviz
    Dot,
    /// The same, for Mermaid
    Mermaid,
}

/// `pexec check`.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The job file
    #[arg(value_name = "JOB.toml")]
    pub(crate) job: PathBuf,
    #[command(flatten)]
    pub(crate) choose: Choose,
}

/// `pexec tasks`.
#[derive(Debug, Args)]
pub(crate) struct Tasks {
    /// How they are listed
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = TasksFormat::Text)]
    pub(crate) format: TasksFormat,
}

/// `--format` of `tasks`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TasksFormat {
    /// For people: a signature each, and what it does
    Text,
    /// For programs
    Json,
}

/// What of a job file is run, and with which variables.
#[derive(Debug, Args)]
pub(crate) struct Choose {
    /// Run only this task, and take what it needs as done (repeatable)
    #[arg(long, value_name = "TASK")]
    pub(crate) only: Vec<String>,
    /// Give a variable of the job file another value (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
}

/// How things are run and shown; the same for `run` and `each`.
#[derive(Debug, Args)]
pub(crate) struct RunFlags {
    /// How many run at once: 4, 50% or cpus-1 [default: the CPUs that this process may use]
    #[arg(short, long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) jobs: Option<String>,
    /// When to end early: never, or soon|now,fail|success|done=N or N%, as in soon,fail=1
    #[arg(long, value_name = "POLICY")]
    pub(crate) halt: Option<String>,
    /// Extra attempts for every instance that fails
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) retries: Option<u32>,
    /// Time limit of every attempt, like 30s or 1m30s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
    /// How output is shown [default: grouped]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) output: Option<OutputMode>,
    /// How progress is shown on standard error
    #[arg(long, value_name = "KIND", value_enum, default_value_t = ProgressKind::Auto)]
    pub(crate) progress: ProgressKind,
    /// Write every event as a line of JSON to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reports: ReportFlags,
    #[command(flatten)]
    pub(crate) record: RecordFlags,
}

/// Where a run is recorded, and which one is taken up again.
#[derive(Debug, Args)]
pub(crate) struct RecordFlags {
    /// The directory of the record [default of `run`: .pexec/runs beside the job file]
    #[arg(long, value_name = "DIR")]
    pub(crate) run_dir: Option<PathBuf>,
    /// Leave no record
    #[arg(long, conflicts_with_all = ["run_dir", "resume", "rerun_failed"])]
    pub(crate) no_record: bool,
    /// Go on with an earlier run of the job (the last one, or that of this id): run what has no recorded success
    #[arg(long, value_name = "RUN", num_args = 0..=1, require_equals = true, default_missing_value = LAST)]
    pub(crate) resume: Option<String>,
    /// The same, but run only what failed, or was blocked by what failed
    #[arg(long)]
    pub(crate) rerun_failed: bool,
}

/// Names the latest run.
pub(crate) const LAST: &str = "last";

/// `--output`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputMode {
    /// All of an instance's output when it ends
    Grouped,
    /// The same, in the order of the plan
    Ordered,
    /// Whole lines as they come, prefixed with the label
    Line,
    /// Nothing, except the tail of a failure
    None,
}

impl From<OutputMode> for Output {
    fn from(mode: OutputMode) -> Output {
        match mode {
            OutputMode::Grouped => Output::Grouped,
            OutputMode::Ordered => Output::Ordered,
            OutputMode::Line => Output::Line,
            OutputMode::None => Output::None,
        }
    }
}

/// `--progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    /// A bar on a terminal, plain lines elsewhere
    Auto,
    /// A bar, redrawn in place
    Bar,
    /// A line at intervals
    Plain,
    /// Nothing
    None,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{e}; write it like 30s, 1m30s or 500ms"))
}

fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("pexec").chain(args.iter().copied()))
    }

    #[test]
    fn the_definition_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn everything_after_the_command_of_each_belongs_to_it() {
        for args in [
            ["each", "-j2", "--", "grep", "-v", "--retries", "x", ":::", "a"].as_slice(),
            &["each", "-j2", "grep", "-v", "--retries", "x", ":::", "a"],
        ] {
            let Some(Verb::Each(each)) = parse(args).expect("valid").verb else {
                panic!("not each")
            };
            assert_eq!(each.argv, ["grep", "-v", "--retries", "x", ":::", "a"]);
            assert_eq!(each.flags.jobs.as_deref(), Some("2"));
            assert_eq!(each.flags.retries, None);
        }
    }

    #[test]
    fn a_misspelt_flag_of_each_is_not_taken_for_a_command() {
        assert!(parse(&["each", "--jops", "2", "--", "true"]).is_err());
    }

    #[test]
    fn a_value_of_set_may_hold_equal_signs_and_be_empty() {
        let Some(Verb::Run(run)) = parse(&["run", "j", "--set", "a=b=c", "--set", "d="])
            .expect("valid")
            .verb
        else {
            panic!("not run")
        };
        assert_eq!(
            run.choose.set,
            [("a".into(), "b=c".into()), ("d".into(), String::new())]
        );
        assert!(parse(&["run", "j", "--set", "a"]).is_err());
        assert!(parse(&["run", "j", "--set", "=a"]).is_err());
    }

    #[test]
    fn a_timeout_needs_a_unit() {
        let Some(Verb::Run(run)) = parse(&["run", "j", "--timeout", "1m30s"]).expect("valid").verb else {
            panic!("not run")
        };
        assert_eq!(run.flags.timeout, Some(Duration::from_secs(90)));
        assert!(parse(&["run", "j", "--timeout", "30"]).is_err());
    }
}
