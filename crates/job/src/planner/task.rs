//! One task of the file becomes one of the plan: its strings are bound and its source is opened.

use std::path::Path;
use std::sync::Arc;

use super::Overrides;
use super::call;
use super::files;
use super::instances::{Feed, Form, Label, Recipe, instances};
use super::product::Product;
use crate::command::default_kill;
use crate::plan::{ByItem, Group, Instances, Preview, Retry, Start, TaskPlan};
use crate::problem::nearest::advice;
use crate::problem::{Findings, Problem, quoted};
use crate::source::{self, Opened, Rows};
use crate::spec::vars::Vars;
use crate::spec::{Action, EnvValue, Input, Origin, Task};
use crate::template::bind::{Bound, Fields, Part, Row, Scope, Slot};
use crate::template::{Template, shell};
use crate::text::Text;

/// What is the same for all tasks.
pub(super) struct Context<'a> {
    pub(super) vars: &'a Vars,
    pub(super) dir: &'a Path,
    pub(super) overrides: &'a Overrides,
    pub(super) groups: &'a [Group],
    /// What `[run]` gives to all that run together.
    pub(super) memory: Option<u64>,
}

/// Standard input can be read by one task only.
pub(super) fn one_reader(tasks: &[Task], is_wanted: impl Fn(&str) -> bool, findings: &mut Findings) {
    let mut reader: Option<&str> = None;
    for task in tasks.iter().filter(|task| is_wanted(&task.name)) {
        let Some(foreach) = &task.draft.foreach else {
            continue;
        };
        if !matches!(foreach.origin, Origin::Stdin) {
            continue;
        }
        match reader {
            None => reader = Some(&task.name),
            Some(first) => {
                let title = format!(
                    "tasks {} and {} both read standard input",
                    quoted(first),
                    quoted(&task.name)
                );
                let help = "its lines can go to one task; keep them in a file to use them twice";
                findings.add(Problem::at(foreach.span.clone(), title).help(help));
            }
        }
    }
}

/// Plans a task; `needs` are left to the caller. With `wanted` false it is only checked, and its source stays shut.
/// `None`: what is wrong was reported.
pub(super) fn plan(
    task: &Task,
    context: &Context<'_>,
    wanted: bool,
    findings: &mut Findings,
) -> Option<TaskPlan> {
    let draft = &task.draft;
    let recalled = draft
        .foreach
        .as_ref()
        .filter(|_| wanted)
        .and_then(|foreach| recalled(&foreach.origin, context.overrides));
    let one = context.overrides.one.as_ref().filter(|_| recalled.is_some());
    let opened = match (&draft.foreach, wanted) {
        (Some(_), true) if recalled.is_some() => recalled,
        (None, _) => Some(Opened {
            fields: Fields::None,
            total: Some(1),
            rows: once(),
            again: None,
        }),
        (Some(foreach), true) => match source::open(&foreach.origin, context.dir, !context.overrides.dry) {
            Ok(opened) => Some(opened),
            Err(trouble) => {
                findings.add(Problem::at(foreach.span.clone(), trouble.what).help(trouble.help));
                None
            }
        },
        (Some(_), false) => None,
    };
    let mut fields = match (&opened, &draft.foreach) {
        (Some(opened), _) => opened.fields.clone(),
        (None, Some(foreach)) => source::fields(&foreach.origin),
        (None, None) => Fields::None,
    };
    if draft
        .foreach
        .as_ref()
        .is_some_and(|foreach| matches!(foreach.origin, Origin::Broken))
        || draft.matrix.as_ref().is_some_and(|matrix| matrix.broken)
    {
        fields = Fields::Unknown;
    }
    let keys: Vec<String> = draft
        .matrix
        .iter()
        .flat_map(|matrix| matrix.axes.iter().map(|(key, _)| key.clone()))
        .collect();
    let binding = Binding {
        task,
        scope: Scope {
            task: &task.name,
            vars: context.vars,
            fields: &fields,
            keys: &keys,
            run_id: &context.overrides.run_id,
            attempts: true,
        },
    };
    let label = match &draft.label {
        Some(template) => Label::Written(binding.label(template, findings)),
        None => Label::Usual {
            task: task.name.clone(),
            keys: keys.clone(),
        },
    };
    let form = binding.form(context, findings);
    let files = files::recipe(task, &binding.scope, context.dir, findings).map(Arc::new);
    let product = match &draft.matrix {
        None => Product::none(),
        Some(matrix) => match Product::new(matrix) {
            Ok(product) => product,
            Err(why) => {
                findings.add(Problem::at(matrix.span.clone(), why));
                return None;
            }
        },
    };
    let (form, opened, label) = (Arc::new(form?), opened?, Arc::new(label));
    let total = match opened.total.map(|total| total.checked_mul(product.len())) {
        None => None,
        Some(Some(total)) => Some(total),
        Some(None) => {
            let title = format!(
                "task {} has more instances than can be counted",
                quoted(&task.name)
            );
            findings.add(Problem::at(task.span.clone(), title));
            return None;
        }
    };
    Some(TaskPlan {
        name: task.name.clone(),
        needs: Vec::new(),
        needs_each: Vec::new(),
        start: start(task, context, findings),
        retry: Retry {
            times: context.overrides.retries.or(draft.retries).unwrap_or(0),
            backoff: draft.backoff,
            on: draft.retry_on.clone().unwrap_or(Retry::default().on),
        },
        calls: matches!(*form, Form::Call(_)),
        makes: files.as_ref().is_some_and(|files| files.makes()),
        total,
        by_item: (opened.fields == Fields::Item).then(|| {
            let parts = (
                product.clone(),
                Arc::clone(&form),
                Arc::clone(&label),
                files.clone(),
            );
            let by_item = move |item: &Text, index: u64| {
                let (product, form, label, files) = parts.clone();
                let first = product.first_of_row(index);
                let row = Row {
                    item: Some(item.clone()),
                    ..Row::default()
                };
                let rows: Rows = Box::new(std::iter::once(Ok(row)));
                let mut of_row = instances(rows, product, form, label, files, first);
                of_row.nth(usize::try_from(index - first).ok()?)?.ok()
            };
            Box::new(by_item) as ByItem
        }),
        preview: opened.again.map(|again| {
            let parts = (
                product.clone(),
                Arc::clone(&form),
                Arc::clone(&label),
                files.clone(),
            );
            let preview = move || -> Option<Instances> {
                let (product, form, label, files) = parts.clone();
                Some(Box::new(instances(again()?, product, form, label, files, 0)))
            };
            Box::new(preview) as Preview
        }),
        instances: {
            let first = one.map_or(0, |one| product.first_of_row(one.index));
            Box::new(instances(opened.rows, product, form, label, files, first))
        },
    })
}

/// The one row that is asked for, where an item is all there is of a row.
fn recalled(origin: &Origin, overrides: &Overrides) -> Option<Opened> {
    let one = overrides.one.as_ref()?;
    let row = Row {
        item: Some(one.item.clone()?),
        ..Row::default()
    };
    (source::fields(origin) == Fields::Item).then(|| Opened {
        fields: Fields::Item,
        total: Some(1),
        rows: Box::new(std::iter::once(Ok(row))),
        again: None,
    })
}

/// When its instances start, beside what they need.
fn start(task: &Task, context: &Context<'_>, findings: &mut Findings) -> Start {
    let draft = &task.draft;
    let group = draft.group.as_ref().and_then(|(name, span)| {
        let position = context.groups.iter().position(|group| group.name == *name);
        if position.is_none() {
            let help = match context.groups.is_empty() {
                true => format!("a group looks like this:\n[groups.{name}]\nlimit = 4"),
                false => advice(name, context.groups.iter().map(|group| group.name.as_str())),
            };
            let title = format!("there is no group {}", quoted(name));
            findings.add(Problem::at(span.clone(), title).help(help).absence());
        }
        position
    });
    if let (Some((bytes, span)), Some(all)) = (&draft.memory, context.memory)
        && *bytes > all
    {
        let title = format!("task {} could never start", quoted(&task.name));
        let label = format!("more than the `memory` of `[run]`, which is {}", size(all));
        findings.add(Problem::at(span.clone(), title).label(label));
    }
    Start {
        priority: draft.priority.unwrap_or(0),
        group,
        memory: draft.memory.as_ref().map_or(0, |(bytes, _)| *bytes),
        queue_timeout: draft.queue_timeout,
    }
}

/// Bytes with the largest unit that leaves no fraction.
fn size(bytes: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let steps = (bytes.trailing_zeros() as usize / 10).min(units.len() - 1);
    format!("{}{}", bytes >> (10 * steps), units[steps])
}

/// The rows of a task without a source: one, about nothing.
fn once() -> Rows {
    Box::new(std::iter::once(Ok(Row::default())))
}

/// Binds the strings of a task.
struct Binding<'a> {
    task: &'a Task,
    scope: Scope<'a>,
}

impl Binding<'_> {
    /// A string that becomes an argument, a path or a variable.
    fn bind(&self, template: &Template, findings: &mut Findings) -> Bound {
        let bound = self.scope.bind(template, findings);
        if bound.has_nul() {
            let title = "the string holds a NUL byte, which no argument, path or variable can hold";
            findings.add(Problem::at(template.span.clone(), title));
        }
        bound
    }

    fn label(&self, template: &Template, findings: &mut Findings) -> Bound {
        let scope = Scope {
            attempts: false,
            ..self.scope
        };
        scope.bind(template, findings)
    }

    fn form(&self, context: &Context<'_>, findings: &mut Findings) -> Option<Form> {
        let draft = &self.task.draft;
        let [stdout, stderr] = [&draft.stdout, &draft.stderr].map(|template| {
            template
                .as_ref()
                .map(|template| (template, self.bind(template, findings)))
        });
        self.check_files(&stdout, &stderr, findings);
        let files = [stdout, stderr].map(|file| file.map(|(_, bound)| bound));
        match &draft.action {
            Some(Action::Call(name)) => {
                call::recipe(self.task, name, &self.scope, files, context, findings).map(Form::Call)
            }
            _ => self.recipe(context, files, findings).map(Form::Command),
        }
    }

    fn recipe(
        &self,
        context: &Context<'_>,
        [stdout, stderr]: [Option<Bound>; 2],
        findings: &mut Findings,
    ) -> Option<Recipe> {
        let draft = &self.task.draft;
        if let Some(args) = draft.args.as_ref().filter(|args| args.own) {
            let title = format!("task {} has `args` and no `call`", quoted(&self.task.name));
            let help = "`args` are those of a function; a command has its arguments in its array";
            let problem = Problem::at(args.span.clone(), title).help(help);
            findings.add(if draft.action.is_none() {
                problem.absence()
            } else {
                problem
            });
        }
        let argv = match &draft.action {
            Some(Action::Command(words)) => {
                Some(words.iter().map(|word| self.bind(word, findings)).collect())
            }
            Some(Action::Shell(script)) => Some(shell::argv(&self.bind(script, findings))),
            Some(Action::Broken | Action::Call(_)) => None,
            None => {
                let title = format!("task {} has nothing to run", quoted(&self.task.name));
                let help = "give it a `command` (an array), a `shell` (a string) or a `call` (a function of this program)";
                findings.add(Problem::at(self.task.span.clone(), title).help(help).absence());
                None
            }
        };
        let stdin = match &draft.stdin {
            None => Feed::Empty,
            Some(Input::File(path)) => Feed::File(self.bind(path, findings)),
            // Not an argument: any byte will do.
            Some(Input::Text(text)) => Feed::Text(self.scope.bind(text, findings)),
        };
        let env = draft.env.iter().map(|(name, value)| {
            let value = match value {
                EnvValue::Written(template) => self.bind(template, findings),
                EnvValue::Taken(text) => Bound(vec![Part::Slot(Slot::Given(text.clone()))]),
                EnvValue::Unknown(span) => {
                    if context.overrides.only.contains(&self.task.name) {
                        let title = format!("the secret {} is not in the environment of pexec", quoted(name));
                        let help =
                            format!("a record has no secrets: set {name}, or name the job file that has it");
                        findings.add(Problem::at(span.clone(), title).help(help));
                    }
                    Bound::default()
                }
            };
            (Text::from(name.as_str()), value)
        });
        let env = env.collect();
        let cwd = draft.cwd.as_ref().map(|template| self.bind(template, findings));
        Some(Recipe {
            argv: argv?,
            env,
            env_clear: draft.env_clear.unwrap_or(false),
            dir: context.dir.to_owned(),
            cwd,
            stdin,
            stdout,
            stderr,
            timeout: context.overrides.timeout.or(draft.timeout),
            kill: draft.kill.clone().unwrap_or_else(default_kill),
            ok_exit: draft.ok_exit.clone().unwrap_or_else(|| vec![0]),
            limits: draft.limits(),
        })
    }

    /// Files that two writers would overwrite for each other.
    fn check_files(
        &self,
        stdout: &Option<(&Template, Bound)>,
        stderr: &Option<(&Template, Bound)>,
        findings: &mut Findings,
    ) {
        let many = self.task.draft.foreach.is_some() || self.task.draft.matrix.is_some();
        let varies = |bound: &Bound| !bound.is_constant() || *self.scope.fields == Fields::Unknown;
        for (template, bound) in [stdout, stderr].into_iter().flatten() {
            if many && !varies(bound) {
                let title = format!(
                    "every instance of {} would write to the same file",
                    quoted(&self.task.name)
                );
                let help = "put a placeholder into the path, `{index}` for one";
                findings.add(Problem::at(template.span.clone(), title).help(help));
            }
        }
        if let (Some((_, out)), Some((template, err))) = (stdout, stderr)
            && out == err
        {
            let title = "`stdout` and `stderr` would write to the same file";
            findings.add(Problem::at(template.span.clone(), title));
        }
    }
}
