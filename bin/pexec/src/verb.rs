//! One file per verb.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod each;
mod execute;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod plan;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod show;
pub(crate) mod tasks;

use std::io::Write;

use pexec_job::problem::Problems;

use crate::exit::Exit;
use crate::terminal::Terminal;

/// Says what is wrong with a job; nothing was started.
fn explain(problems: &Problems, terminal: Terminal) -> Exit {
    let text = problems.render(terminal.colour);
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(std::io::stderr(), "{text}{end}");
    Exit::Usage
}
