//! Prints the structured events of a pool's life: `LEVEL message field=value ..`, one a line.

use std::fmt::{Debug, Write};

use pexec::{Executor, ProcessPool};
use pexec_tests::tasks::{add, die_by};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

struct Printer;

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let written = if field.name() == "message" {
            write!(self.0, " {value:?}")
        } else {
            write!(self.0, " {}={value:?}", field.name())
        };
        written.expect("a string takes everything");
    }
}

impl Subscriber for Printer {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("pexec")
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        println!("{}", line.0.replace('\n', " "));
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// One good task, one crash, one task on the replacement.
pub(crate) fn print_events() {
    tracing::subscriber::set_global_default(Printer).expect("the first subscriber");
    let pool = ProcessPool::builder()
        .workers(1)
        .name("seen")
        .build()
        .expect("a pool");
    assert!(pool.submit(add, (1, 2)).result().is_ok());
    assert!(
        pool.task(die_by, 9)
            .label("the bad one")
            .submit()
            .result()
            .is_err()
    );
    assert!(pool.submit(add, (1, 2)).result().is_ok());
    pool.shutdown();
    println!("end");
}
