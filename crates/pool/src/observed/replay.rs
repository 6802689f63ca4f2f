//! Tells a subscriber what workers have told. It belongs to the queue's thread, whose subscriber that is.
//!
//! A worker's numbers of sites and spans mean something until it ends; then its open spans are closed.

use std::collections::HashMap;

use pexec_proto::codec;
use pexec_proto::trace::{FieldValue, SiteRef, Trace, TraceValue};
use tracing::Event;
use tracing::dispatcher::{self, Dispatch};
use tracing::field::{self, Field, Value};
use tracing::span::{Attributes, Id, Record};
use tracing_core::field::ValueSet;

use super::queue::Told;
use super::sites::{self, FIELDS, LABEL, Site, TASK, WORKER};

/// How many spans of one worker may be open; of more, nothing is told.
const SPANS: usize = 100_000;

#[derive(Default)]
pub(super) struct Replay(HashMap<usize, Worker>);

#[derive(Default)]
struct Worker {
    sites: HashMap<u32, &'static Site>,
    spans: HashMap<u64, Span>,
}

enum Span {
    Open(Id, &'static Site),
    /// The subscriber does not want it: the next one around it, if there is one.
    Unwanted(Option<Id>),
}

impl Span {
    fn id(&self) -> Option<Id> {
        match self {
            Span::Open(id, _) => Some(id.clone()),
            Span::Unwanted(around) => around.clone(),
        }
    }
}

impl Replay {
    pub(super) fn tell(&mut self, told: &Told) {
        let worker = self.0.entry(told.worker).or_default();
        if worker.tell(&subscriber(), told).is_none() {
            tracing::debug!(
                worker = told.worker,
                "a record of a task makes no sense and was left out"
            );
        }
    }

    /// The worker has ended.
    pub(super) fn forget(&mut self, worker: usize) {
        if let Some(worker) = self.0.remove(&worker) {
            let subscriber = subscriber();
            worker.spans.values().for_each(|span| close(&subscriber, span));
        }
    }
}

/// This thread's. Taken out of its place, where it would not be there for events of our own meanwhile.
fn subscriber() -> Dispatch {
    dispatcher::get_default(Dispatch::clone)
}

fn close(subscriber: &Dispatch, span: &Span) {
    if let Span::Open(id, _) = span {
        subscriber.try_close(id.clone());
    }
}

impl Worker {
    fn tell(&mut self, subscriber: &Dispatch, told: &Told) -> Option<()> {
        let record: Trace = codec::decode(&told.record).ok()?;
        match record {
            Trace::Event { span, site, values } => {
                let site = self.site(site)?;
                let meta = site.meta();
                if !meta.is_event() || !subscriber.enabled(meta) {
                    return Some(());
                }
                let parent = self.span(span);
                with_values(site, &values, Some(told), |values| {
                    subscriber.event(&Event::new_child_of(parent, meta, values));
                });
            }
            Trace::Span {
                id,
                parent,
                site,
                values,
            } => {
                let site = self.site(site)?;
                let meta = site.meta();
                if !meta.is_span() || self.spans.len() >= SPANS {
                    return None;
                }
                let parent = self.span(parent);
                let span = if subscriber.enabled(meta) {
                    let mut made = None;
                    with_values(site, &values, None, |values| {
                        let attributes = match parent {
                            Some(parent) => Attributes::child_of(parent, meta, values),
                            None => Attributes::new_root(meta, values),
                        };
                        made = Some(subscriber.new_span(&attributes));
                    });
                    Span::Open(made?, site)
                } else {
                    Span::Unwanted(parent)
                };
                if let Some(before) = self.spans.insert(id, span) {
                    close(subscriber, &before);
                }
            }
            Trace::Record { span, values } => {
                if let Some(Span::Open(id, site)) = self.spans.get(&span) {
                    with_values(site, &values, None, |values| {
                        subscriber.record(id, &Record::new(values));
                    });
                }
            }
            Trace::Close { span } => {
                if let Some(span) = self.spans.remove(&span) {
                    close(subscriber, &span);
                }
            }
            Trace::Lost { count } => {
                tracing::warn!(
                    worker = told.worker,
                    task = told.task,
                    label = told.label.as_deref(),
                    lost = count,
                    "records of a task were left out: there were too many"
                );
            }
        }
        Some(())
    }

    fn site(&mut self, told: SiteRef) -> Option<&'static Site> {
        if let Some(site) = told.site {
            self.sites.insert(told.number, sites::intern(*site)?);
        }
        self.sites.get(&told.number).copied()
    }

    fn span(&self, number: Option<u64>) -> Option<Id> {
        self.spans.get(&number?)?.id()
    }
}

/// Calls back with a record's values as a subscriber is shown them, and with those that are added to an event's own.
fn with_values(
    site: &'static Site,
    told: &[FieldValue],
    event: Option<&Told>,
    show: impl FnOnce(&ValueSet<'_>),
) {
    let fields = site.meta().fields();
    let mut values: Vec<(Field, Box<dyn Value + '_>)> = Vec::with_capacity(FIELDS);
    for (place, value) in told {
        let place = usize::from(*place);
        if place < site.own_fields()
            && let Some(field) = fields.iter().nth(place)
        {
            values.push((field, shown(value)));
        }
    }
    for field in fields.iter().skip(site.own_fields()) {
        let Some(event) = event else { break };
        let value: Box<dyn Value + '_> = match (field.name(), &event.label) {
            (WORKER, _) => Box::new(event.worker as u64),
            (TASK, _) if event.task != 0 => Box::new(event.task),
            (LABEL, Some(label)) => Box::new(&**label),
            _ => continue,
        };
        values.push((field, value));
    }
    values.truncate(FIELDS);
    let Some((first, _)) = values.first() else {
        let none: [(&Field, Option<&dyn Value>); 0] = [];
        return show(&fields.value_set(&none));
    };
    // There is a set of values for fixed lengths only; the rest has none.
    let set: [(&Field, Option<&dyn Value>); FIELDS] = std::array::from_fn(|at| match values.get(at) {
        Some((field, value)) => (field, Some(&**value)),
        None => (first, None),
    });
    show(&fields.value_set(&set));
}

fn shown(value: &TraceValue) -> Box<dyn Value + '_> {
    match value {
        TraceValue::Bool(value) => Box::new(*value),
        TraceValue::I64(value) => Box::new(*value),
        TraceValue::U64(value) => Box::new(*value),
        TraceValue::I128(value) => Box::new(*value),
        TraceValue::U128(value) => Box::new(*value),
        TraceValue::F64(value) => Box::new(*value),
        TraceValue::Str(value) => Box::new(value.as_str()),
        TraceValue::Shown(value) => Box::new(field::display(value)),
    }
}
