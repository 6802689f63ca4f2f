//! What a job file says, checked piece by piece: types, names and values, but not yet how the tasks hang together.
//!
//! The tree is walked here, with every value's place in the text, and not handed to a deserialiser, which would
//! stop at the first mistake. A key whose value is wrong is reported and then left out.

mod action;
mod args;
mod env;
mod foreach;
mod groups;
mod keys;
mod kill;
mod matrix;
pub(crate) mod reader;
mod retry;
mod run;
mod size;
mod task;
pub(crate) mod vars;

use toml::de::DeTable;

use crate::plan::{Group, Halt, Output};
use crate::planner::Overrides;
use crate::problem::nearest::nearest;
use crate::problem::{Findings, Problem, Span};
use crate::secrets::Secrets;
use keys::Keys;
use reader::{Reader, Table};
use vars::Vars;

pub(crate) use action::{Action, Name};
pub(crate) use args::{Arg, ArgValue, ArgsForm};
pub(crate) use env::EnvValue;
pub(crate) use foreach::Origin;
pub(crate) use matrix::Matrix;
pub(crate) use run::cpus;
pub(crate) use run::workers;
pub(crate) use task::{Draft, Input};

/// A job file.
#[derive(Debug, Default)]
pub(crate) struct Spec {
    pub(crate) name: Option<String>,
    pub(crate) workers: Option<usize>,
    pub(crate) output: Option<Output>,
    pub(crate) halt: Option<Halt>,
    pub(crate) memory: Option<u64>,
    pub(crate) groups: Vec<Group>,
    pub(crate) vars: Vars,
    /// What is told nowhere.
    pub(crate) secrets: Secrets,
    /// In the order of the file.
    pub(crate) tasks: Vec<Task>,
    /// Parts of the text could not be read, so that something may seem to be missing that is not.
    pub(crate) broken: bool,
}

/// A task, with what `[defaults]` say where it says nothing.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) name: String,
    /// Its name in the file.
    pub(crate) span: Span,
    pub(crate) draft: Draft,
}

/// Reads a job file's text. Whatever is wrong goes to `findings`.
pub(crate) fn read(text: &str, overrides: &Overrides, findings: &mut Findings) -> Spec {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut broken = Vec::with_capacity(errors.len());
    for error in errors {
        let span = error.span().unwrap_or(0..0);
        broken.push(span.start);
        // The parser says what it found and, after a comma, what it expected.
        let message = error.message();
        let problem = match message.split_once(", expected ") {
            Some((found, expected)) => Problem::at(span, found).label(format!("expected {expected}")),
            None => Problem::at(span, message),
        };
        findings.add(problem);
    }
    let mut found = Findings::default();
    let mut spec = walk(text, document.get_ref(), overrides, &mut found);
    spec.broken = !broken.is_empty();
    if spec.broken {
        broken.sort_unstable();
        // What is missing may stand in the part that could not be read, and what was made of a broken line is not
        // what was meant.
        found.retain(|problem| {
            !problem.is_absence() && !problem.span().is_some_and(|at| on_line(text, &broken, at))
        });
    }
    findings.extend(found);
    spec
}

/// One of the sorted places is on the line of `at`.
fn on_line(text: &str, places: &[usize], at: &Span) -> bool {
    let start = text[..at.start].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at.start..]
        .find('\n')
        .map_or(text.len(), |length| at.start + length);
    let first = places.partition_point(|place| *place < start);
    places.get(first).is_some_and(|place| *place <= end)
}

fn walk(text: &str, document: &DeTable<'_>, overrides: &Overrides, findings: &mut Findings) -> Spec {
    let mut reader = Reader::new(text, findings);
    reader.secrets_from = overrides.secrets;
    let top = reader.known(document, &Keys::TOP, "the job file");
    let vars = vars::read(&mut reader, &top, overrides);
    reader.vars = vars;
    let mut spec = Spec {
        name: top.get("name").and_then(|value| reader.string(value, "a name")),
        ..Spec::default()
    };
    if let Some(run) = top.get("run").and_then(|value| reader.table(value)) {
        let run = reader.known(run, &Keys::RUN, "`[run]`");
        spec.workers = run
            .get("workers")
            .and_then(|value| run::read_workers(&mut reader, value));
        spec.halt = run
            .get("halt")
            .and_then(|value| run::read_halt(&mut reader, value));
        spec.memory = run.get("memory").and_then(|value| size::read(&mut reader, value));
        spec.output = run
            .get("output")
            .and_then(|value| run::read_output(&mut reader, value));
    }
    if let Some(groups) = top.get("groups").and_then(|value| reader.table(value)) {
        spec.groups = groups::read(&mut reader, groups);
    }
    let defaults = top
        .get("defaults")
        .and_then(|value| reader.table(value))
        .map(|table| task::read(&mut reader, table, "`[defaults]`"))
        .unwrap_or_default();
    if let Some(tasks) = top.get("tasks").and_then(|value| reader.table(value)) {
        spec.tasks = read_tasks(&mut reader, tasks, &defaults);
    } else if !top.has("tasks") && !top.entries().any(|(key, ..)| nearest(key, ["tasks"]).is_some()) {
        // A misspelt `tasks` has been told.
        let end = text.len();
        reader.findings.add(
            Problem::at(end..end, "there are no tasks")
                .help("a task looks like this:\n[tasks.hello]\ncommand = [\"echo\", \"hello\"]")
                .absence(),
        );
    }
    spec.vars = std::mem::take(&mut reader.vars);
    spec.secrets = Secrets::new(std::mem::take(&mut reader.secrets));
    spec
}

fn read_tasks(reader: &mut Reader<'_>, tasks: &DeTable<'_>, defaults: &Draft) -> Vec<Task> {
    let tasks = Table::in_file_order(tasks);
    let mut read = Vec::new();
    for (name, span, value) in tasks.entries() {
        if !is_task_name(name) {
            let title = format!("{} cannot be the name of a task", crate::problem::quoted(name));
            let help =
                "letters, digits, `_`, `-` and `.` make a name, and the first is a letter, a digit or `_`";
            reader.findings.add(Problem::at(span.clone(), title).help(help));
        }
        if let Some(table) = reader.table(value) {
            let whose = format!("task {}", crate::problem::quoted(name));
            let draft = task::read(reader, table, &whose).or(defaults, name);
            read.push(Task {
                name: name.to_owned(),
                span: span.clone(),
                draft,
            });
        }
    }
    if tasks.is_empty() {
        let end = reader.text.len();
        reader
            .findings
            .add(Problem::at(end..end, "there are no tasks: `[tasks]` is empty").absence());
    }
    read
}

/// Names end up in ids, labels and file names.
pub(crate) fn is_task_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c))
}
