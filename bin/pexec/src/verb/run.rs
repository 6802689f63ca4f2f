//! `pexec run JOB.toml`.

use pexec_job::{planner, secrets};

use super::execute;
use crate::cli::Run;
use crate::exit::Exit;
use crate::records::{self, Place};
use crate::terminal::Terminal;

/// Plans and runs a job file.
pub(crate) fn run(args: Run, terminal: Terminal, logging: bool) -> Exit {
    let mut overrides = execute::overrides(&args.flags);
    overrides.set = args.choose.set;
    overrides.only = args.choose.only;
    let identity = planner::identity(&args.job, &overrides);
    let job = identity
        .as_ref()
        .map(|(name, dir)| (name.as_str(), dir.as_path()));
    let place = match Place::find(&args.flags.record, job, Some(records::beside(&args.job))) {
        Ok(place) => place,
        Err(exit) => return exit,
    };
    overrides.run_id.clone_from(&place.id);
    match planner::load(&args.job, &overrides) {
        Ok(plan) => {
            let text = std::fs::read_to_string(&args.job).unwrap_or_default();
            let text = secrets::as_run(&text, &overrides, &plan.secrets);
            execute::execute(plan, args.flags, place, text.as_bytes(), terminal, logging)
        }
        Err(problems) => super::explain(&problems, terminal),
    }
}
