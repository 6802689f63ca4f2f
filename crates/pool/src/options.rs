//! What a caller can ask of one task.

use std::time::{Duration, Instant};

use crate::core::{Policy, Retry, after};
use crate::future::slot::{EmitFn, Extra};
use crate::limits::Limits;

/// The options of one task; a plain one has none, and costs nothing for them.
#[derive(Default)]
pub struct TaskOptions(Option<Box<Options>>);

#[derive(Default)]
pub(crate) struct Options {
    pub(crate) label: Option<Box<str>>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) retry: Option<Retry>,
    pub(crate) limits: Option<Limits>,
    pub(crate) on_emit: Option<EmitFn>,
    pub(crate) queue_timeout: Option<Duration>,
    pub(crate) delay: Option<Duration>,
    pub(crate) priority: i32,
    pub(crate) idempotent: Option<bool>,
}

/// Extra attempts of a task that may run again and of which nothing else is said.
const RERUNS: u32 = 2;

impl Options {
    /// When it may start, and by when it must have started.
    pub(crate) fn window(&self, now: Instant) -> (Option<Instant>, Option<Instant>) {
        let given = |d: Option<Duration>| d.filter(|d| !d.is_zero());
        let not_before = given(self.delay).map(|d| after(now, d));
        let start_by = given(self.queue_timeout).map(|d| after(not_before.unwrap_or(now), d));
        (not_before, start_by)
    }

    /// Its own retry, or its executor's, as far as it may run again at all.
    pub(crate) fn retry(&self, of_the_executor: Option<&Retry>) -> Option<Retry> {
        let retry = self.retry.as_ref().or(of_the_executor);
        match self.idempotent {
            Some(false) => None,
            Some(true) => Some(retry.cloned().unwrap_or_else(|| Retry::times(RERUNS))),
            None => retry.cloned(),
        }
    }

    /// What a pool decides by; `None`: nothing special.
    pub(crate) fn policy(
        &self,
        timeout: Option<Duration>,
        retry: Option<&Retry>,
        salt: u64,
    ) -> Option<Box<Policy>> {
        let waits = self.delay.is_some() || self.queue_timeout.is_some();
        let (not_before, start_by) = if waits {
            self.window(Instant::now())
        } else {
            (None, None)
        };
        let policy = Policy {
            timeout: self.timeout.or(timeout).filter(|t| !t.is_zero()),
            retry: self.retry(retry),
            limits: self.limits.map(Limits::encoded),
            priority: self.priority,
            not_before,
            start_by,
            ..Policy::default()
        };
        (policy != Policy::default()).then(|| Box::new(Policy { salt, ..policy }))
    }
}

impl TaskOptions {
    pub(crate) fn set(&mut self) -> &mut Options {
        self.0.get_or_insert_default()
    }

    /// What was set, if anything.
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
