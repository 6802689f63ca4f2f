//! What the code in this worker tells `tracing`: sent to the supervisor, as it is told, up to the level that somebody
//! there wants to hear.
//!
//! A program that has a subscriber of its own in its workers keeps it: ours is installed only where there is none, and
//! after the initializer, which has it for its own thread. A record is in the channel before the code goes on, so what a
//! crash loses is at most the one that was being written, and an answer comes after what its task has told. No lock is
//! held while a user's `Debug` runs: it may tell something too.

mod budget;
mod spans;
mod values;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use pexec_proto::trace::{FieldValue, Site, SiteRef};
use pexec_proto::{Kind, Trace, codec};
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::callsite::Identifier;
use tracing_core::span::Current;

use super::current::{self, Identity};
use budget::Budget;
use spans::Spans;

/// Records that were left out and not told of yet.
static LOST: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The spans that this thread is in, the innermost last.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// What is told goes to the supervisor, unless somebody else listens already. `run` is the initializer.
pub(super) fn forwarding<T>(me: &'static Identity, level: Option<u8>, run: impl FnOnce() -> T) -> T {
    let Some(level) = level.and_then(filter).filter(|_| !dispatcher::has_been_set()) else {
        return run();
    };
    let ours = Dispatch::new(Forwarder::new(me, level));
    let result = dispatcher::with_default(&ours, run);
    // An error: the initializer has installed a subscriber, and that one it shall be.
    let _ = dispatcher::set_global_default(ours);
    result
}

/// Before a task's answer: what was left out of what it has told is not kept for the next one.
#[inline]
pub(super) fn tell_losses(me: &Identity, task: u64) {
    if LOST.load(Ordering::Relaxed) != 0 {
        send_losses(me, task);
    }
}

#[cold]
fn send_losses(me: &Identity, task: u64) {
    let count = LOST.swap(0, Ordering::Relaxed);
    if count != 0 {
        send(me, task, &Trace::Lost { count });
    }
}

fn send(me: &Identity, task: u64, record: &Trace) {
    let mut body = Vec::new();
    if codec::encode(record, &mut body).is_ok() {
        // Without a supervisor there is nobody to tell, and this process is about to end.
        let _ = me.sender.send_frame(Kind::Trace, 0, task, &body);
    }
}

fn filter(level: u8) -> Option<LevelFilter> {
    Some(match level {
        1 => LevelFilter::ERROR,
        2 => LevelFilter::WARN,
        3 => LevelFilter::INFO,
        4 => LevelFilter::DEBUG,
        5 => LevelFilter::TRACE,
        _ => return None,
    })
}

fn level(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// A place in the code, as far as the supervisor knows it.
struct Known {
    number: u32,
    told: AtomicBool,
}

struct Forwarder {
    me: &'static Identity,
    level: LevelFilter,
    spans: Spans,
    sites: RwLock<HashMap<Identifier, Arc<Known>>>,
    next_site: AtomicU32,
    budget: Budget,
}

impl Forwarder {
    fn new(me: &'static Identity, level: LevelFilter) -> Forwarder {
        Forwarder {
            me,
            level,
            spans: Spans::default(),
            sites: RwLock::default(),
            next_site: AtomicU32::new(0),
            budget: Budget::default(),
        }
    }

    /// Whether one more may be sent.
    fn may_send(&self) -> bool {
        let may = self.budget.take();
        if !may {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        may
    }

    fn send(&self, record: &Trace) {
        let task = current::running(self.me);
        tell_losses(self.me, task);
        send(self.me, task, record);
    }

    fn known(&self, meta: &Metadata<'_>) -> Arc<Known> {
        let callsite = meta.callsite();
        let sites = self.sites.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sites.get(&callsite) {
            return Arc::clone(known);
        }
        drop(sites);
        let mut sites = self.sites.write().unwrap_or_else(PoisonError::into_inner);
        let known = sites.entry(callsite).or_insert_with(|| {
            Arc::new(Known {
                number: self.next_site.fetch_add(1, Ordering::Relaxed),
                told: AtomicBool::new(false),
            })
        });
        Arc::clone(known)
    }

    /// Sends what `record` makes of a site. Until a record with the whole site is on its way each one has it: another
    /// thread's may overtake the first.
    fn send_from(&self, meta: &Metadata<'_>, record: impl FnOnce(SiteRef) -> Trace) {
        let known = self.known(meta);
        let told = known.told.load(Ordering::Acquire);
        self.send(&record(SiteRef {
            number: known.number,
            site: (!told).then(|| Box::new(site(meta))),
        }));
        if !told {
            known.told.store(true, Ordering::Release);
        }
    }

    /// The innermost span that the supervisor knows: the one that was named, or this thread's.
    fn parent(&self, named: Option<&Id>, contextual: bool) -> Option<u64> {
        let inner = match named {
            Some(named) => Some(named.into_u64()),
            None if contextual => innermost(),
            None => None,
        };
        self.spans.told(inner)
    }
}

fn innermost() -> Option<u64> {
    INSIDE
        .try_with(|inside| inside.try_borrow().ok()?.last().copied())
        .ok()?
}

fn site(meta: &Metadata<'_>) -> Site {
    Site {
        name: meta.name().to_owned(),
        target: meta.target().to_owned(),
        level: level(*meta.level()),
        module: meta.module_path().map(str::to_owned),
        file: meta.file().map(str::to_owned),
        line: meta.line(),
        fields: meta
            .fields()
            .iter()
            .map(|field| field.name().to_owned())
            .collect(),
        span: meta.is_span(),
    }
}

impl Subscriber for Forwarder {
    fn register_callsite(&self, meta: &'static Metadata<'static>) -> Interest {
        if self.enabled(meta) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        *meta.level() <= self.level
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let meta = attributes.metadata();
        let parent = self.parent(attributes.parent(), attributes.is_contextual());
        let told = self.may_send();
        let id = self.spans.begin(meta, parent, told);
        if told {
            let values = values::of(|visitor| attributes.record(visitor));
            self.send_from(meta, |site| Trace::Span {
                id,
                parent,
                site,
                values,
            });
        }
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, record: &Record<'_>) {
        let span = span.into_u64();
        if self.spans.told(Some(span)) == Some(span) && self.may_send() {
            let values: Vec<FieldValue> = values::of(|visitor| record.record(visitor));
            self.send(&Trace::Record { span, values });
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if !self.may_send() {
            return;
        }
        let span = self.parent(event.parent(), event.is_contextual());
        let values = values::of(|visitor| event.record(visitor));
        self.send_from(event.metadata(), |site| Trace::Event { span, site, values });
    }

    fn enter(&self, span: &Id) {
        let _ = INSIDE.try_with(|inside| inside.borrow_mut().push(span.into_u64()));
    }

    fn exit(&self, span: &Id) {
        let _ = INSIDE.try_with(|inside| {
            let mut inside = inside.borrow_mut();
            if let Some(at) = inside.iter().rposition(|&id| id == span.into_u64()) {
                inside.remove(at);
            }
        });
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.spans.hold(id.into_u64());
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let span = id.into_u64();
        let Some(told) = self.spans.let_go(span) else {
            return false;
        };
        if told {
            // Not counted: there are no more of these than there were beginnings.
            self.send(&Trace::Close { span });
        }
        true
    }

    fn current_span(&self) -> Current {
        match innermost().and_then(|id| Some((id, self.spans.meta(id)?))) {
            Some((id, meta)) => Current::new(Id::from_u64(id), meta),
            None => Current::none(),
        }
    }
}
