//! From the process's start to its exit code.

use std::ffi::OsString;
use std::process::ExitCode;

use crate::cli::{Cli, Verb};
use crate::exit::Exit;
use crate::speech::{called, refuse};
use crate::terminal::Terminal;
use crate::{cli, logging, verb};

/// The whole command, as the only statement of `main`. Its name in help and messages is the program's own.
///
/// It begins with [`pexec::init`]: in a worker process it serves tasks and never returns.
pub fn main() -> ExitCode {
    pexec::init();
    run(std::env::args_os())
}

/// The same for a program that has called [`pexec::init`] before, with these words in the place of the process's
/// arguments; the first is the program's name. For a program with commands of its own that hands some on.
///
/// Help and wrong usage end the process, as they do for any command.
pub fn run(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let words: Vec<OsString> = words.into_iter().collect();
    called(words.first().map(OsString::as_os_str));
    dispatch(words).into()
}

fn dispatch(words: Vec<OsString>) -> Exit {
    if let Some(why) = twice() {
        return refuse(&why);
    }
    let cli = Cli::read(words);
    let terminal = Terminal::detect();
    let logging = match logging::install(cli.verbose, std::env::var("PEXEC_LOG").ok(), terminal.colour) {
        Ok(logging) => logging,
        Err(why) => return refuse(&why),
    };
    match cli.verb {
        Some(Verb::Run(args)) => verb::run::run(args, terminal, logging),
        Some(Verb::Each(args)) => verb::each::each(args, terminal, logging),
        Some(Verb::Check(args)) => verb::check::check(args, terminal),
        Some(Verb::Plan(args)) => verb::plan::plan(args, terminal),
        Some(Verb::Report(args)) => verb::report::report(&args),
        Some(Verb::Runs(args)) => verb::runs::runs(&args, terminal),
        Some(Verb::Show(args)) => verb::show::show(&args),
        Some(Verb::Replay(args)) => verb::replay::replay(&args, terminal),
        Some(Verb::Tasks(args)) => verb::tasks::tasks(&args),
        Some(Verb::Doctor(args)) => verb::doctor::doctor(&args, terminal),
        Some(Verb::Init(args)) => verb::init::init(&args),
        Some(Verb::Completions(args)) => verb::completions::completions(&args),
        Some(Verb::Man(args)) => verb::man::man(&args),
        None => {
            let _ = cli::command().print_help();
            Exit::Success
        }
    }
}

/// What is wrong with the program itself: two of its functions have one name.
fn twice() -> Option<String> {
    let tasks = pexec::named::tasks();
    let duplicate = tasks.windows(2).find(|pair| pair[0].name() == pair[1].name())?;
    pexec::named::find(duplicate[0].name())
        .err()
        .map(|error| error.to_string())
}
