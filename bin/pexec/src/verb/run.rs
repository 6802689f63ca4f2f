//! `pexec run JOB.toml`.

use pexec_job::planner;

use super::execute;
use crate::cli::Run;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// Plans and runs a job file.
pub(crate) fn run(args: Run, terminal: Terminal, logging: bool) -> Exit {
    let run_id = execute::run_id();
    let mut overrides = execute::overrides(&args.flags, &run_id);
    overrides.set = args.choose.set;
    overrides.only = args.choose.only;
    match planner::load(&args.job, &overrides) {
        Ok(plan) => execute::execute(plan, args.flags, run_id, terminal, logging),
        Err(problems) => super::explain(&problems, terminal),
    }
}
