//! A task that calls a function: the function is looked up, its arguments are put in order, and those that are the
//! same in all instances are tried on its types, so that a mistake is found before anything starts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::Duration;

use erased_serde::Deserializer as Erased;
use pexec::named::{self, Arguments, CallError, NamedTask};

use super::instances::absolute;
use super::task::Context;
use crate::call::{Argument, Call};
use crate::limits::Limits;
use crate::problem::nearest::advice;
use crate::problem::{Findings, Problem, Span, quoted};
use crate::spec::{Arg, ArgValue, ArgsForm, Name, Task};
use crate::template::bind::{Bound, Row, Scope};

/// Everything of a call but the row.
#[derive(Debug)]
pub(super) struct CallRecipe {
    name: String,
    arguments: Vec<Option<BoundArg>>,
    /// Absolute.
    dir: PathBuf,
    stdout: Option<Bound>,
    stderr: Option<Bound>,
    timeout: Option<Duration>,
    limits: Limits,
}

/// An argument, not yet substituted.
#[derive(Debug)]
enum BoundArg {
    Fixed(Argument),
    Text(Bound),
    List(Vec<BoundArg>),
    Table(Vec<(String, BoundArg)>),
}

impl CallRecipe {
    pub(super) fn call(&self, row: &Row, attempt: u32) -> Call {
        let path = |bound: &Bound| absolute(&self.dir, bound.render(row, attempt));
        let render = |argument: &Option<BoundArg>| Some(argument.as_ref()?.render(row, attempt));
        Call {
            name: self.name.clone(),
            arguments: self.arguments.iter().map(render).collect(),
            stdout: self.stdout.as_ref().map(path),
            stderr: self.stderr.as_ref().map(path),
            timeout: self.timeout,
            limits: self.limits,
        }
    }
}

impl BoundArg {
    fn bind(arg: &Arg, scope: &Scope<'_>, findings: &mut Findings) -> BoundArg {
        match &arg.value {
            ArgValue::Boolean(value) => BoundArg::Fixed(Argument::Boolean(*value)),
            ArgValue::Integer(value) => BoundArg::Fixed(Argument::Integer(*value)),
            ArgValue::Float(value) => BoundArg::Fixed(Argument::Float(*value)),
            ArgValue::Text(template) => BoundArg::Text(scope.bind(template, findings)),
            ArgValue::List(list) => BoundArg::List(
                list.iter()
                    .map(|arg| BoundArg::bind(arg, scope, findings))
                    .collect(),
            ),
            ArgValue::Table(entries) => BoundArg::Table(
                entries
                    .iter()
                    .map(|(key, arg)| (key.clone(), BoundArg::bind(arg, scope, findings)))
                    .collect(),
            ),
        }
    }

    fn render(&self, row: &Row, attempt: u32) -> Argument {
        match self {
            BoundArg::Fixed(value) => value.clone(),
            BoundArg::Text(bound) => Argument::Text(bound.render(row, attempt)),
            BoundArg::List(list) => Argument::List(list.iter().map(|arg| arg.render(row, attempt)).collect()),
            BoundArg::Table(entries) => Argument::Table(
                entries
                    .iter()
                    .map(|(key, arg)| (key.clone(), arg.render(row, attempt)))
                    .collect(),
            ),
        }
    }

    /// It is the same in every instance.
    fn is_constant(&self) -> bool {
        match self {
            BoundArg::Fixed(_) => true,
            BoundArg::Text(bound) => bound.is_constant(),
            BoundArg::List(list) => list.iter().all(BoundArg::is_constant),
            BoundArg::Table(entries) => entries.iter().all(|(_, arg)| arg.is_constant()),
        }
    }
}

/// The call that a task makes. `None`: what is wrong was reported.
pub(super) fn recipe(
    task: &Task,
    name: &Name,
    scope: &Scope<'_>,
    [stdout, stderr]: [Option<Bound>; 2],
    context: &Context<'_>,
    findings: &mut Findings,
) -> Option<CallRecipe> {
    for (key, span) in &task.draft.of_commands {
        let title = format!("`{key}` means nothing for a `call`");
        let help = "a function runs in a worker of this program, and others run there after it";
        findings.add(Problem::at(span.clone(), title).help(help));
    }
    let function = find(name, findings);
    let args = task.draft.args.as_ref();
    let place = args.map_or(&name.span, |args| &args.span);
    // Bound in any case: what is wrong in a string is told whatever the function is.
    let given = match args.map(|args| &args.form) {
        None => Arguments::ByPlace(Vec::new()),
        Some(ArgsForm::Broken) => return None,
        Some(ArgsForm::ByPlace(list)) => Arguments::ByPlace(
            list.iter()
                .map(|arg| (arg.span.clone(), BoundArg::bind(arg, scope, findings)))
                .collect(),
        ),
        Some(ArgsForm::ByName(named)) => Arguments::ByName(
            named
                .iter()
                .map(|(name, arg)| {
                    let bound = BoundArg::bind(arg, scope, findings);
                    (name.clone(), (arg.span.clone(), bound))
                })
                .collect(),
        ),
    };
    let function = function?;
    let arranged = match function.arrange(given) {
        Ok(arranged) => arranged,
        Err(error) => {
            findings.add(wrong(place, &error));
            return None;
        }
    };
    for (at, argument) in arranged.iter().enumerate() {
        if let Some((span, bound)) = argument
            && bound.is_constant()
            && let Err(error) = accepts(function, at, &bound.render(&Row::default(), 1))
        {
            findings.add(wrong(span, &error));
        }
    }
    Some(CallRecipe {
        name: function.name().to_owned(),
        arguments: arranged
            .into_iter()
            .map(|argument| argument.map(|(_, bound)| bound))
            .collect(),
        dir: context.dir.to_owned(),
        stdout,
        stderr,
        timeout: context.overrides.timeout.or(task.draft.timeout),
        limits: task.draft.limits(),
    })
}

fn find(name: &Name, findings: &mut Findings) -> Option<&'static NamedTask> {
    let problem = match named::find(&name.text) {
        Ok(function) => return Some(function),
        Err(CallError::Unknown(_)) => {
            let help = if named::tasks().is_empty() {
                "this program has no functions that can be called: they are registered with \
                 #[pexec::task] in a program of your own"
                    .to_owned()
            } else {
                advice(&name.text, named::tasks().iter().map(|task| task.name()))
            };
            Problem::at(
                name.span.clone(),
                format!("no function {} in this program", quoted(&name.text)),
            )
            .help(help)
        }
        Err(error) => Problem::at(name.span.clone(), error.to_string()),
    };
    findings.add(problem);
    None
}

/// Whether the parameter takes the value. A type may panic while it is read; that is not to end the whole check.
fn accepts(function: &NamedTask, at: usize, value: &Argument) -> Result<(), CallError> {
    let tried = catch_unwind(AssertUnwindSafe(|| {
        function.check(at, &mut <dyn Erased<'_>>::erase(value))
    }));
    tried.unwrap_or_else(|_| {
        let parameter = &function.parameters()[at];
        Err(CallError::Argument {
            task: function.name().to_owned(),
            parameter: parameter.name().to_owned(),
            expected: parameter.type_name().to_owned(),
            why: "its `Deserialize` panicked".to_owned(),
        })
    })
}

fn wrong(span: &Span, error: &CallError) -> Problem {
    match error {
        CallError::Arguments { signature, why } => {
            Problem::at(span.clone(), format!("wrong arguments: {why}"))
                .help(format!("the function is `{signature}`"))
        }
        CallError::Argument {
            task,
            parameter,
            expected,
            why,
        } => Problem::at(
            span.clone(),
            format!("wrong argument `{parameter}` for `{task}`: {why}"),
        )
        .label(format!("expected `{expected}`")),
        other => Problem::at(span.clone(), other.to_string()),
    }
}
