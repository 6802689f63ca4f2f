//! The keys of a task, which are those of `[defaults]` too.

use std::time::Duration;

use toml::de::DeTable;

use super::action::{self, Action};
use super::args::{self, Args};
use super::env::{self, EnvValue};
use super::foreach::{self, Foreach};
use super::keys::Keys;
use super::kill;
use super::matrix::{self, Matrix};
use super::reader::{Reader, Value};
use super::{retry, size};
use crate::command::KillStep;
use crate::limits::Limits;
use crate::plan::{Backoff, Cause};
use crate::problem::{Problem, Span};
use crate::template::Template;

/// What a table says about a task; what it does not say is open.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) action: Option<Action>,
    pub(crate) args: Option<Args>,
    /// Keys that the table itself has and that mean something for a process of its own only.
    pub(crate) of_commands: Vec<(&'static str, Span)>,
    pub(crate) foreach: Option<Foreach>,
    pub(crate) matrix: Option<Matrix>,
    /// Names of tasks, with their places.
    pub(crate) needs: Option<Vec<(String, Span)>>,
    /// The same, of those that are waited for instance by instance.
    pub(crate) needs_each: Option<Vec<(String, Span)>>,
    pub(crate) label: Option<Template>,
    pub(crate) stdin: Option<Input>,
    pub(crate) stdout: Option<Template>,
    pub(crate) stderr: Option<Template>,
    /// Paths that an instance reads, and those that it makes.
    pub(crate) inputs: Option<Vec<Template>>,
    pub(crate) outputs: Option<Vec<Template>>,
    pub(crate) env: Vec<(String, EnvValue)>,
    pub(crate) env_clear: Option<bool>,
    pub(crate) cwd: Option<Template>,
    pub(crate) timeout: Option<Duration>,
    /// How long an instance may wait until it starts.
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) kill: Option<Vec<KillStep>>,
    pub(crate) retries: Option<u32>,
    pub(crate) backoff: Option<Backoff>,
    pub(crate) retry_on: Option<Vec<Cause>>,
    pub(crate) ok_exit: Option<Vec<i32>>,
    /// How much memory an instance may hold, and its place.
    pub(crate) memory: Option<(u64, Span)>,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) open_files: Option<u64>,
    pub(crate) nice: Option<i32>,
    /// The name of its group, and its place.
    pub(crate) group: Option<(String, Span)>,
    pub(crate) priority: Option<i64>,
}

/// `stdin`.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    File(Template),
    Text(Template),
}

/// Means nothing for a function, which runs in a worker that others run in too.
const OF_COMMANDS: [&str; 7] = ["stdin", "env", "env_clear", "cwd", "kill", "ok_exit", "nice"];

/// Reads a table; `whose` names it in messages.
pub(super) fn read(reader: &mut Reader<'_>, table: &DeTable<'_>, whose: &str) -> Draft {
    let table = reader.known(table, &Keys::TASK, whose);
    let path = |reader: &mut Reader<'_>, key: &str| {
        let value = table.get(key)?;
        let template = reader.template(value, "a path")?;
        if template.is_empty() {
            let title = "the path is empty";
            reader.findings.add(Problem::at(value.span(), title));
        }
        Some(template)
    };
    Draft {
        action: action::read(reader, &table, whose),
        args: table.get("args").map(|value| args::read(reader, value)),
        of_commands: OF_COMMANDS
            .iter()
            .filter_map(|key| Some((*key, table.place(key)?)))
            .collect(),
        foreach: table.get("foreach").map(|value| foreach::read(reader, value)),
        matrix: table.get("matrix").map(|value| matrix::read(reader, value)),
        needs: table.get("needs").and_then(|value| read_needs(reader, value)),
        needs_each: table
            .get("needs_each")
            .and_then(|value| read_needs(reader, value)),
        label: table
            .get("label")
            .and_then(|value| reader.template(value, "a string")),
        stdin: table.get("stdin").and_then(|value| read_stdin(reader, value)),
        stdout: path(reader, "stdout"),
        stderr: path(reader, "stderr"),
        inputs: table.get("inputs").and_then(|value| read_paths(reader, value)),
        outputs: table.get("outputs").and_then(|value| read_paths(reader, value)),
        env: table
            .get("env")
            .map(|value| env::read(reader, value))
            .unwrap_or_default(),
        env_clear: table.get("env_clear").and_then(|value| reader.boolean(value)),
        cwd: path(reader, "cwd"),
        timeout: table
            .get("timeout")
            .and_then(|value| kill::read_duration(reader, value)),
        queue_timeout: table
            .get("queue_timeout")
            .and_then(|value| kill::read_duration(reader, value)),
        kill: table
            .get("kill")
            .and_then(|value| kill::read_ladder(reader, value)),
        retries: table
            .get("retries")
            .and_then(|value| reader.integer(value, 0, i64::from(u32::MAX) - 1))
            .map(|retries| retries as u32),
        backoff: table
            .get("backoff")
            .and_then(|value| retry::read_backoff(reader, value)),
        retry_on: table
            .get("retry_on")
            .and_then(|value| retry::read_causes(reader, value)),
        ok_exit: table.get("ok_exit").and_then(|value| read_ok_exit(reader, value)),
        memory: table
            .get("memory")
            .and_then(|value| Some((size::read(reader, value)?, value.span()))),
        cpu_time: table
            .get("cpu_time")
            .and_then(|value| kill::read_duration(reader, value)),
        // A program is started with three, and needs one more to be loaded.
        open_files: table
            .get("open_files")
            .and_then(|value| reader.integer(value, 4, i64::from(u32::MAX)))
            .map(|most| most as u64),
        nice: table
            .get("nice")
            .and_then(|value| reader.integer(value, -39, 39))
            .map(|nice| nice as i32),
        group: table
            .get("group")
            .and_then(|value| Some((reader.string(value, "the name of a group")?, value.span()))),
        priority: table
            .get("priority")
            .and_then(|value| reader.integer(value, i64::from(i32::MIN), i64::from(i32::MAX))),
    }
}

/// An array of paths, or a single one.
fn read_paths(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<Template>> {
    const EXPECTED: &str = "a path, or an array of paths";
    let one = |reader: &mut Reader<'_>, value: &Value<'_>| {
        let template = reader.template(value, "a path")?;
        if template.is_empty() {
            let title = "the path is empty";
            reader.findings.add(Problem::at(value.span(), title));
        }
        Some(template)
    };
    if value.get_ref().is_str() {
        return Some(vec![one(reader, value)?]);
    }
    let list = reader.array(value, EXPECTED, "[\"path\"]")?;
    Some(list.iter().filter_map(|value| one(reader, value)).collect())
}

fn read_needs(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<(String, Span)>> {
    let list = reader.array(value, "an array of task names", "[\"name\"]")?;
    let names = list.iter().filter_map(|value| {
        let name = reader.string(value, "the name of a task")?;
        Some((name, value.span()))
    });
    Some(names.collect())
}

fn read_stdin(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Input> {
    let Some(table) = value.get_ref().as_table() else {
        let help = "write it as `stdin = { file = \"path\" }` or `stdin = { text = \"..\" }`";
        reader.wrong(value, "a table", help);
        return None;
    };
    let table = reader.known(table, &Keys::STDIN, "`stdin`");
    match (table.get("file"), table.get("text")) {
        (Some(file), None) => reader.template(file, "a path").map(Input::File),
        (None, Some(text)) => reader.template(text, "a string").map(Input::Text),
        (both, _) => {
            if both.is_some() || table.is_empty() {
                let title = "`stdin` takes exactly one of `file` and `text`";
                reader.findings.add(Problem::at(value.span(), title));
            }
            None
        }
    }
}

fn read_ok_exit(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<i32>> {
    let list = reader.array(value, "an array of exit codes", "[0, 1]")?;
    if list.is_empty() {
        let title = "`ok_exit` is empty: nothing could succeed";
        reader.findings.add(Problem::at(value.span(), title));
    }
    let codes = list.iter().filter_map(|value| reader.integer(value, 0, 255));
    Some(codes.map(|code| code as i32).collect())
}

impl Draft {
    /// What an attempt may use.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            memory: self.memory.as_ref().map(|(bytes, _)| *bytes),
            cpu_time: self.cpu_time,
            open_files: self.open_files,
            nice: self.nice.unwrap_or(0),
        }
    }

    /// This, and what `defaults` say where it says nothing. `env` is put together variable by variable.
    pub(super) fn or(self, defaults: &Draft, name: &str) -> Draft {
        let own = self.env;
        let is_own = |name: &str| own.iter().any(|(own, _)| own == name);
        let inherited = defaults.env.iter().filter(|(name, _)| !is_own(name)).cloned();
        let mut env: Vec<(String, EnvValue)> = inherited.collect();
        env.extend(own);
        // A task that others wait for by default does not wait for itself.
        let needs = |needs: &Vec<(String, Span)>| {
            let others = needs.iter().filter(|(need, _)| need != name);
            others.cloned().collect()
        };
        Draft {
            action: self.action.or_else(|| defaults.action.clone()),
            args: self.args.or_else(|| {
                let inherited = defaults.args.clone();
                inherited.map(|args| Args { own: false, ..args })
            }),
            of_commands: self.of_commands,
            foreach: self.foreach.or_else(|| defaults.foreach.clone()),
            matrix: self.matrix.or_else(|| defaults.matrix.clone()),
            needs: self.needs.or_else(|| defaults.needs.as_ref().map(needs)),
            needs_each: self
                .needs_each
                .or_else(|| defaults.needs_each.as_ref().map(needs)),
            label: self.label.or_else(|| defaults.label.clone()),
            stdin: self.stdin.or_else(|| defaults.stdin.clone()),
            stdout: self.stdout.or_else(|| defaults.stdout.clone()),
            stderr: self.stderr.or_else(|| defaults.stderr.clone()),
            inputs: self.inputs.or_else(|| defaults.inputs.clone()),
            outputs: self.outputs.or_else(|| defaults.outputs.clone()),
            env,
            env_clear: self.env_clear.or(defaults.env_clear),
            cwd: self.cwd.or_else(|| defaults.cwd.clone()),
            timeout: self.timeout.or(defaults.timeout),
            queue_timeout: self.queue_timeout.or(defaults.queue_timeout),
            kill: self.kill.or_else(|| defaults.kill.clone()),
            retries: self.retries.or(defaults.retries),
            backoff: self.backoff.or(defaults.backoff),
            retry_on: self.retry_on.or_else(|| defaults.retry_on.clone()),
            ok_exit: self.ok_exit.or_else(|| defaults.ok_exit.clone()),
            memory: self.memory.or_else(|| defaults.memory.clone()),
            cpu_time: self.cpu_time.or(defaults.cpu_time),
            open_files: self.open_files.or(defaults.open_files),
            nice: self.nice.or(defaults.nice),
            group: self.group.or_else(|| defaults.group.clone()),
            priority: self.priority.or(defaults.priority),
        }
    }
}
