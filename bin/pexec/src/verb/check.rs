//! `pexec check JOB.toml`.

use pexec_job::plan::Plan;
use pexec_job::planner::{self, Overrides};

use crate::cli::Check;
use crate::exit::Exit;
use crate::speech::complain;
use crate::terminal::Terminal;
use crate::wording::plural;

/// Plans a job file and tells how much it is, running nothing.
pub(crate) fn check(args: Check, terminal: Terminal) -> Exit {
    let overrides = Overrides {
        set: args.choose.set,
        only: args.choose.only,
        dry: true,
        ..Overrides::default()
    };
    match planner::load(&args.job, &overrides) {
        Ok(plan) => {
            complain(&format!("{}: {}", args.job.display(), size(&plan)));
            Exit::Success
        }
        Err(problems) => super::explain(&problems, terminal),
    }
}

/// `2 tasks, 5 instances`.
fn size(plan: &Plan) -> String {
    let known: u64 = plan.tasks.iter().filter_map(|task| task.total).sum();
    let streams = plan.tasks.iter().filter(|task| task.total.is_none()).count();
    let mut text = format!(
        "{}, {}",
        plural(plan.tasks.len() as u64, "task"),
        plural(known, "instance")
    );
    if streams > 0 {
        text += " and those that standard input or a command will list";
    }
    text
}
