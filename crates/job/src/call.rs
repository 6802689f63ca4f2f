//! A function of this program in the place of a command, and its arguments.
//!
//! Functions have names through [`#[pexec::task]`](macro@pexec::task). Arguments from a job file are values of TOML
//! in which text stands for what a placeholder held; they become the function's own types in the worker, by
//! [`Argument`]'s deserialiser. A call with JSON, [`by_name`], is for programs.

mod argument;
mod json;

use std::time::Duration;

use erased_serde::Deserializer as Erased;
use pexec::named::{self, Arguments, CallError};
use pexec::{Executor, TaskFuture};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::limits::Limits;
use crate::text::Text;

pub use argument::Argument;
pub use json::Json;

/// A call with everything substituted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// The function's name.
    pub name: String,
    /// One for each parameter; `None`: left out.
    pub arguments: Vec<Option<Argument>>,
    /// Absolute path for standard output instead of capture.
    pub stdout: Option<Text>,
    /// Absolute path for standard error instead of capture.
    pub stderr: Option<Text>,
    /// From start to its end.
    pub timeout: Option<Duration>,
    /// What it may use.
    pub limits: Limits,
}

impl Call {
    /// Shows every text of it.
    pub(crate) fn each_text(&mut self, show: &mut dyn FnMut(&mut Text)) {
        self.arguments
            .iter_mut()
            .flatten()
            .for_each(|argument| argument.each_text(show));
        self.stdout.iter_mut().for_each(&mut *show);
        self.stderr.iter_mut().for_each(show);
    }

    /// Calls the function on this thread; what it returned comes back as the bytes of its output.
    pub(crate) fn run(&self) -> Result<Vec<u8>, CallError> {
        let task = named::find(&self.name)?;
        let none = Argument::None;
        let values = self
            .arguments
            .iter()
            .map(|argument| argument.as_ref().unwrap_or(&none));
        let mut erased: Vec<_> = values.map(<dyn Erased<'_>>::erase).collect();
        let mut arguments: Vec<&mut dyn Erased<'_>> = erased
            .iter_mut()
            .map(|value| value as &mut dyn Erased<'_>)
            .collect();
        let mut written = Vec::new();
        task.invoke(&mut arguments, &mut |value| {
            written = serde_json::to_vec(value).map_err(|error| error.to_string())?;
            Ok(())
        })?;
        Ok(json::as_output(written))
    }
}

/// Has `executor` call the function of this name. `arguments`: an object by the parameters' names, an array by their
/// places, or `null`.
///
/// The future brings what the function returned (of a `Result`, the value). A function's own `Err` is
/// [`CallError::Failed`] with its text; panics and crashes are a [`TaskError`](pexec::TaskError) as for any task.
///
/// ```
/// use pexec_job::call;
/// use serde_json::json;
///
/// #[pexec::task(name = "largest")]
/// fn largest(numbers: Vec<i64>) -> Option<i64> {
///     numbers.into_iter().max()
/// }
///
/// let executor = pexec::Inline::new();
/// let answer = call::by_name(&executor, "largest", json!({ "numbers": [3, 9, 4] }))?;
/// assert_eq!(answer.result()??.0, json!(9));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Nothing was submitted: the name is unknown or used twice, or there are too many or too few arguments.
pub fn by_name<E: Executor>(
    executor: &E,
    name: &str,
    arguments: Value,
) -> Result<TaskFuture<Result<Json, CallError>>, CallError> {
    let task = named::find(name)?;
    let arguments = match arguments {
        Value::Null => Arguments::ByPlace(Vec::new()),
        Value::Array(list) => Arguments::ByPlace(list),
        Value::Object(map) => Arguments::ByName(map.into_iter().collect()),
        one => Arguments::ByPlace(vec![one]),
    };
    let arranged = task.arrange(arguments)?;
    let arranged: Vec<Json> = arranged
        .into_iter()
        .map(|value| Json(value.unwrap_or_default()))
        .collect();
    Ok(executor
        .task(serve, (name.to_owned(), arranged))
        .label(name)
        .submit())
}

/// Runs where the function runs.
fn serve(name: String, arguments: Vec<Json>) -> Result<Json, CallError> {
    let mut erased: Vec<_> = arguments
        .into_iter()
        .map(|value| <dyn Erased<'_>>::erase(value.0))
        .collect();
    let mut arguments: Vec<&mut dyn Erased<'_>> = erased
        .iter_mut()
        .map(|value| value as &mut dyn Erased<'_>)
        .collect();
    let mut result = Value::Null;
    named::find(&name)?.invoke(&mut arguments, &mut |value| {
        result = serde_json::to_value(value).map_err(|error| error.to_string())?;
        Ok(())
    })?;
    Ok(Json(result))
}
