//! `pexec completions SHELL`.

use crate::answer;
use crate::cli::{self, Completions};
use crate::exit::Exit;
use crate::speech::name;

/// Prints what the shell is to source, under the name that the command was called by.
pub(crate) fn completions(args: &Completions) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli::command(), name(), &mut script);
    answer::print(&script)
}
