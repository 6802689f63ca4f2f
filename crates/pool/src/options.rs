//! What a caller can ask of one task.

use std::time::Duration;

use crate::core::Retry;
use crate::future::slot::{EmitFn, Extra};

/// The options of one task; a plain one has none, and costs nothing for them.
#[derive(Default)]
pub struct TaskOptions(Option<Box<Options>>);

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) label: Option<Box<str>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) on_emit: Option<EmitFn>,
}

impl TaskOptions {
    pub(crate) fn set(&mut self) -> &mut Options {
        self.0.get_or_insert_default()
    }

    pub(crate) fn given(&mut self) -> Option<&mut Options> {
        self.0.as_deref_mut()
    }

    /// The part that stays with the task's future.
    pub(crate) fn take_extra(&mut self) -> Option<Box<Extra>> {
        let options = self.given()?;
        let (label, on_emit) = (options.label.take(), options.on_emit.take());
        (label.is_some() || on_emit.is_some()).then(|| {
            Box::new(Extra {
                label,
                on_emit,
                batch: None,
                carries: false,
            })
        })
    }
}
