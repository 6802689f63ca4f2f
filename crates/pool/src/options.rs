//! What a caller can ask of one task.

use std::time::Duration;

use crate::core::Retry;
use crate::future::slot::{EmitFn, Extra};

/// The options of one task; all absent for a plain one.
#[derive(Default)]
pub struct TaskOptions {
    pub(crate) label: Option<Box<str>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) on_emit: Option<EmitFn>,
}

impl TaskOptions {
    /// The part that stays with the task's future.
    pub(crate) fn take_extra(&mut self) -> Option<Box<Extra>> {
        let (label, on_emit) = (self.label.take(), self.on_emit.take());
        (label.is_some() || on_emit.is_some()).then(|| Box::new(Extra { label, on_emit }))
    }
}
