//! The spans of this worker that have begun and not ended: who holds them, and which ones the supervisor knows.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::Metadata;

struct Span {
    meta: &'static Metadata<'static>,
    /// The innermost one around it that the supervisor knows.
    parent: Option<u64>,
    holders: usize,
    /// The supervisor knows it.
    told: bool,
}

#[derive(Default)]
struct Open {
    last: u64,
    spans: HashMap<u64, Span>,
}

#[derive(Default)]
pub(super) struct Spans(Mutex<Open>);

impl Spans {
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives its number, which is never 0.
    pub(super) fn begin(&self, meta: &'static Metadata<'static>, parent: Option<u64>, told: bool) -> u64 {
        let mut open = self.lock();
        open.last += 1;
        let id = open.last;
        let span = Span {
            meta,
            parent,
            holders: 1,
            told,
        };
        open.spans.insert(id, span);
        id
    }

    /// This span if the supervisor knows it, or the next one around it of which that is true.
    pub(super) fn told(&self, span: Option<u64>) -> Option<u64> {
        let id = span?;
        match self.lock().spans.get(&id) {
            Some(span) if !span.told => span.parent,
            Some(_) => Some(id),
            None => None,
        }
    }

    pub(super) fn hold(&self, id: u64) {
        if let Some(span) = self.lock().spans.get_mut(&id) {
            span.holders += 1;
        }
    }

    /// `None`: others hold it. Otherwise it has ended, and the supervisor knew it or not.
    pub(super) fn let_go(&self, id: u64) -> Option<bool> {
        let mut open = self.lock();
        let span = open.spans.get_mut(&id)?;
        span.holders -= 1;
        if span.holders > 0 {
            return None;
        }
        let told = span.told;
        open.spans.remove(&id);
        Some(told)
    }

    pub(super) fn meta(&self, id: u64) -> Option<&'static Metadata<'static>> {
        Some(self.lock().spans.get(&id)?.meta)
    }
}
