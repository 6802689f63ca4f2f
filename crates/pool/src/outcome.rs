//! What a callback learns of a task's end.

use std::sync::Arc;

use crate::error::TaskError;
use crate::ids::TaskId;

/// The end of a task, as [`TaskFuture::on_done`](crate::TaskFuture::on_done) tells it: everything but the value.
#[derive(Clone, Debug)]
pub struct Outcome {
    id: TaskId,
    label: Option<String>,
    error: Option<TaskError>,
    output: Option<Arc<Output>>,
}

/// What a task has printed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Output {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Outcome {
    pub(crate) fn new(id: TaskId, label: Option<String>, error: Option<TaskError>) -> Outcome {
        Outcome {
            id,
            label,
            error,
            output: None,
        }
    }

    pub(crate) fn with_output(mut self, output: Option<Arc<Output>>) -> Outcome {
        self.output = output;
        self
    }

    /// What the task has written to its standard output, where that is
    /// [captured](crate::ProcessPoolBuilder::capture_output); else nothing.
    pub fn stdout(&self) -> &[u8] {
        self.output.as_ref().map_or(&[], |output| &output.stdout)
    }

    /// Likewise, to its standard error.
    pub fn stderr(&self) -> &[u8] {
        self.output.as_ref().map_or(&[], |output| &output.stderr)
    }

    /// The task returned a value (an `Err` of the function's own is a value).
    pub fn is_ok(&self) -> bool {
        self.error.is_none()
    }

    /// Why there is no value.
    pub fn error(&self) -> Option<&TaskError> {
        self.error.as_ref()
    }

    /// The task's id.
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The label given with [`TaskBuilder::label`](crate::TaskBuilder::label).
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}
