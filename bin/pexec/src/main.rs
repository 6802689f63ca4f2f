//! The pexec command: parses, dispatches to a verb, ends with its exit code. The only place in the workspace
//! with a command line, a terminal, colours and exit codes.

mod cli;
mod events_file;
mod exit;
mod logging;
mod output;
mod pool;
mod progress;
mod signals;
mod sink;
mod summary;
mod terminal;
mod verb;
mod wording;
mod writer;

use std::io::Write;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use exit::Exit;

fn main() -> ExitCode {
    pexec::init();
    dispatch().into()
}

fn dispatch() -> Exit {
    let cli = cli::Cli::parse();
    let terminal = terminal::Terminal::detect();
    let logging = match logging::install(cli.verbose, std::env::var("PEXEC_LOG").ok(), terminal.colour) {
        Ok(logging) => logging,
        Err(why) => return refuse(&why),
    };
    match cli.verb {
        Some(cli::Verb::Run(args)) => verb::run::run(args, terminal, logging),
        Some(cli::Verb::Each(args)) => verb::each::each(args, terminal, logging),
        Some(cli::Verb::Check(args)) => verb::check::check(args, terminal),
        None => {
            let _ = cli::Cli::command().print_help();
            Exit::Success
        }
    }
}

/// Says on standard error why nothing was started because of how the command was used.
fn refuse(why: &str) -> Exit {
    complain(why);
    Exit::Usage
}

/// Says something on standard error. Nobody is left to tell when that is gone.
fn complain(why: &str) {
    let _ = writeln!(std::io::stderr(), "pexec: {why}");
}
