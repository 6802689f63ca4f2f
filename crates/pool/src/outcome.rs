//! What a callback learns of a task's end.

use crate::error::TaskError;
use crate::ids::TaskId;

/// The end of a task, as [`TaskFuture::on_done`](crate::TaskFuture::on_done) tells it: everything but the value.
#[derive(Clone, Debug)]
pub struct Outcome {
    id: TaskId,
    label: Option<String>,
    error: Option<TaskError>,
}

impl Outcome {
    pub(crate) fn new(id: TaskId, label: Option<String>, error: Option<TaskError>) -> Outcome {
        Outcome { id, label, error }
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
