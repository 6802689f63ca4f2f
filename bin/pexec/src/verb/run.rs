//! `pexec run JOB.toml`.

use pexec_job::planner::JobFile;
use pexec_job::secrets;

use super::execute;
use crate::cli::Run;
use crate::exit::Exit;
use crate::records::Place;
use crate::terminal::Terminal;

/// Plans and runs a job file.
pub(crate) fn run(args: Run, terminal: Terminal, logging: bool) -> Exit {
    let mut overrides = execute::overrides(&args.flags);
    overrides.set = args.choose.set;
    overrides.only = args.choose.only;
    let file = match JobFile::read(&args.job) {
        Ok(file) => file,
        Err(problems) => return super::explain(&problems, terminal),
    };
    let place = match Place::of(&args.flags.record, &file, &overrides) {
        Ok(place) => place,
        Err(exit) => return exit,
    };
    overrides.run_id.clone_from(&place.id);
    match file.plan(&overrides) {
        Ok(plan) => {
            let text = secrets::as_run(&file.text(), &overrides, &plan.secrets);
            execute::execute(plan, args.flags, place, text.as_bytes(), terminal, logging)
        }
        Err(problems) => super::explain(&problems, terminal),
    }
}
