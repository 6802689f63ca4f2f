//! `pexec plan JOB.toml`: what a run would do, instance by instance, and why. Nothing of the job is run but the commands
//! that list its items.

mod graph;
mod json;
mod text;

use std::fmt;
use std::io::{self, BufWriter, Write};

use pexec_job::outlook::{Outlook, Seen, Sums};
use pexec_job::plan::{SourceError, TaskPlan};
use pexec_job::planner::{JobFile, Overrides};

use crate::answer;
use crate::cli::{Plan, PlanFormat};
use crate::exit::Exit;
use crate::records::Place;
use crate::speech::complain;
use crate::terminal::Terminal;
use crate::wording::{self, count, plural};

/// One way to write a plan. Written as it is found, so that no number of instances fills the memory.
trait Form {
    fn task(&mut self, out: &mut dyn Write, task: &TaskPlan, needs: &[&str]) -> io::Result<()>;
    fn instance(&mut self, out: &mut dyn Write, seen: &Seen) -> io::Result<()>;
    fn task_end(&mut self, out: &mut dyn Write, at: usize, task: &TaskPlan, sums: &Sums) -> io::Result<()>;
    fn end(&mut self, out: &mut dyn Write, plan: &pexec_job::plan::Plan) -> io::Result<()>;
}

/// Why a plan could not be told to its end.
enum Broken {
    Output(io::Error),
    Source(SourceError),
}

impl From<SourceError> for Broken {
    fn from(error: SourceError) -> Broken {
        Broken::Source(error)
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Broken {
        Broken::Output(error)
    }
}

/// Plans a job file and tells what a run would do.
pub(crate) fn plan(args: Plan, terminal: Terminal) -> Exit {
    let mut overrides = Overrides {
        set: args.choose.set,
        only: args.choose.only,
        ..Overrides::default()
    };
    let file = match JobFile::read(&args.job) {
        Ok(file) => file,
        Err(problems) => return super::explain(&problems, terminal),
    };
    let place = match Place::of(&args.record, &file, &overrides) {
        Ok(place) => place,
        Err(exit) => return exit,
    };
    overrides.run_id.clone_from(&place.id);
    let mut plan = match file.plan(&overrides) {
        Ok(plan) => plan,
        Err(problems) => return super::explain(&problems, terminal),
    };
    let past = match place.past() {
        Ok(past) => past,
        Err(exit) => return exit,
    };
    let successes = place.successes(&plan);
    let secrets = plan.secrets.clone();
    secrets.hide_string(&mut plan.name);
    let mut form: Box<dyn Form> = match args.format {
        PlanFormat::Text => Box::new(text::Text),
        PlanFormat::Json => Box::new(json::Json::new(&plan)),
        PlanFormat::Dot => Box::new(graph::Graph::dot()),
        PlanFormat::Mermaid => Box::new(graph::Graph::mermaid()),
    };
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout().lock());
    let mut outlook = Outlook::new(&mut plan, past, &successes);
    match tell(&mut outlook, &mut *form, &mut out) {
        Ok(told) => {
            let exit = answer::ended(out.flush());
            if exit == Exit::Success {
                complain(&told);
            }
            exit
        }
        Err(Broken::Output(error)) => answer::ended(Err(error)),
        Err(Broken::Source(error)) => {
            let _ = out.flush();
            complain(&format!("a source could not be read to its end: {error}"));
            Exit::Usage
        }
    }
}

/// All tasks; back comes the sum in a line.
fn tell(outlook: &mut Outlook<'_>, form: &mut dyn Form, out: &mut dyn Write) -> Result<String, Broken> {
    let mut sums = Sums::default();
    let mut open = 0;
    for at in 0..outlook.plan().tasks.len() {
        let tasks = &outlook.plan().tasks;
        let needs: Vec<&str> = tasks[at]
            .needs
            .iter()
            .map(|need| tasks[*need].name.as_str())
            .collect();
        open += u64::from(tasks[at].total.is_none());
        form.task(out, &tasks[at], &needs)?;
        let found = outlook.task(at, &mut |seen| Ok::<(), Broken>(form.instance(out, seen)?))?;
        form.task_end(out, at, &outlook.plan().tasks[at], &found)?;
        sums.add(found);
    }
    form.end(out, outlook.plan())?;
    let mut told = parts(&sums);
    if open > 0 {
        told = format!(
            "{told}, and those of {} that will be read then",
            plural(open, "source")
        );
    }
    if let Some(since) = wording::since(outlook.since()) {
        told = format!("{told}; since the record: {since}");
    }
    Ok(told)
}

/// `2 to run, 1 up to date`.
fn parts(sums: &Sums) -> String {
    let parts: Vec<String> = sums
        .parts()
        .map(|(n, what)| format!("{} {what}", count(n)))
        .collect();
    match parts.is_empty() {
        true => "nothing to run".to_owned(),
        false => parts.join(", "),
    }
}

/// `3 instances`, or that nobody knows.
fn size(task: &TaskPlan) -> impl fmt::Display {
    match task.total {
        Some(total) => plural(total, "instance"),
        None => "instances not known yet".to_owned(),
    }
}
