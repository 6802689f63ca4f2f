//! A subscriber that keeps what it is told, and a pool whose tasks it hears.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex};

use pexec::{ProcessPool, ProcessPoolBuilder};
use tracing::dispatcher::{self, Dispatch};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// An event as a subscriber saw it.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) level: Level,
    pub(super) target: String,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
    pub(super) fields: BTreeMap<String, String>,
    /// The names of the spans that it is in, with their fields, the innermost first.
    pub(super) spans: Vec<String>,
}

impl Seen {
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}

#[derive(Default)]
struct State {
    events: Vec<Seen>,
    /// By number: what it is called, what it is in, whether it has ended.
    spans: Vec<(String, Option<u64>, bool)>,
    held: bool,
}

/// Keeps what it is told; can be held up, and panics at the message `panic`.
struct Listener {
    level: LevelFilter,
    state: Arc<(Mutex<State>, Condvar)>,
}

struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), format!("str {value}"));
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.insert(field.name().to_owned(), format!("u64 {value}"));
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.insert(field.name().to_owned(), format!("i64 {value}"));
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.insert(field.name().to_owned(), format!("f64 {value}"));
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.insert(field.name().to_owned(), format!("bool {value}"));
    }
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Subscriber for Listener {
    fn enabled(&self, meta: &Metadata<'_>) -> bool {
        // The pool's own are another matter.
        *meta.level() <= self.level && !meta.target().starts_with("pexec::driver")
    }
    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level)
    }
    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut fields = Fields(BTreeMap::new());
        span.record(&mut fields);
        let name = format!("{}{:?}", span.metadata().name(), fields.0);
        let mut state = self.state.0.lock().expect("the state");
        state.spans.push((name, span.parent().map(Id::into_u64), false));
        Id::from_u64(state.spans.len() as u64)
    }
    fn record(&self, span: &Id, record: &Record<'_>) {
        let mut fields = Fields(BTreeMap::new());
        record.record(&mut fields);
        let mut state = self.state.0.lock().expect("the state");
        let name = &mut state.spans[span.into_u64() as usize - 1].0;
        name.push_str(&format!("{:?}", fields.0));
    }
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields(BTreeMap::new());
        event.record(&mut fields);
        let (state, changed) = &*self.state;
        let mut state = state.lock().expect("the state");
        while state.held {
            state = changed.wait(state).expect("the state");
        }
        let mut spans = Vec::new();
        let mut inner = event.parent().map(Id::into_u64);
        while let Some(id) = inner {
            let (name, outer, _) = &state.spans[id as usize - 1];
            spans.push(name.clone());
            inner = *outer;
        }
        let meta = event.metadata();
        let panics = fields.0.get("message").is_some_and(|m| m == "panic");
        state.events.push(Seen {
            level: *meta.level(),
            target: meta.target().to_owned(),
            file: meta.file().map(str::to_owned),
            line: meta.line(),
            fields: fields.0,
            spans,
        });
        drop(state);
        assert!(!panics, "a subscriber that panics");
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
    fn try_close(&self, id: Id) -> bool {
        self.state.0.lock().expect("the state").spans[id.into_u64() as usize - 1].2 = true;
        true
    }
}

/// What a listener has seen so far.
#[derive(Clone)]
pub(super) struct Heard(Arc<(Mutex<State>, Condvar)>);

impl Heard {
    pub(super) fn all(&self) -> Vec<Seen> {
        self.0.0.lock().expect("the state").events.clone()
    }

    pub(super) fn messages(&self) -> Vec<String> {
        let of = |seen: Seen| seen.field("message").unwrap_or_default().to_owned();
        self.all().into_iter().map(of).collect()
    }

    /// Whether each of the spans has ended.
    pub(super) fn ended(&self) -> Vec<bool> {
        let state = self.0.0.lock().expect("the state");
        state.spans.iter().map(|(_, _, ended)| *ended).collect()
    }

    pub(super) fn hold(&self, held: bool) {
        self.0.0.lock().expect("the state").held = held;
        self.0.1.notify_all();
    }
}

/// A listener for this level.
pub(super) fn listener(level: LevelFilter) -> (Dispatch, Heard) {
    let state = Arc::default();
    let listener = Listener {
        level,
        state: Arc::clone(&state),
    };
    (Dispatch::new(listener), Heard(state))
}

/// A pool that is built by a thread with a listener.
pub(super) fn listening(level: LevelFilter, build: ProcessPoolBuilder) -> (ProcessPool, Heard) {
    let (listener, heard) = listener(level);
    let pool = dispatcher::with_default(&listener, || build.build().expect("a pool"));
    (pool, heard)
}
