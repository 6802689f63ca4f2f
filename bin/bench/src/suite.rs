//! Which tests there are.

use crate::record::Records;
use crate::size::Size;
use crate::{mixed, noop, payload, rtt, scale, startup, sweep, upfront};

/// One of them.
pub(crate) struct Test {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Whether the table has it; the others run when named.
    pub(crate) in_table: bool,
    run: fn(&mut Records, Size),
}

const fn test(name: &'static str, about: &'static str, run: fn(&mut Records, Size)) -> Test {
    Test {
        name,
        about,
        in_table: true,
        run,
    }
}

pub(crate) const ALL: &[Test] = &[
    test(
        "noop",
        "tasks that do nothing: one submit each, map, map_unordered",
        noop::run,
    ),
    test(
        "rtt",
        "one task at a time, submit to result, beside a bare socket",
        rtt::run,
    ),
    test(
        "payload",
        "1 KiB, 1 MiB and 64 MiB to a worker and from one",
        payload::run,
    ),
    test(
        "startup",
        "from nothing to the first result and to both workers; one more worker, started and forked; memory",
        startup::run,
    ),
    test(
        "upfront",
        "a million tasks queued before one is done: memory, descriptors",
        upfront::run,
    ),
    test(
        "scale",
        "CPU work on 1 and 2 workers; cost against tasks and against workers",
        scale::run,
    ),
    test(
        "mixed",
        "1 % long tasks among short ones: the makespan beside the ideal",
        mixed::run,
    ),
    Test {
        in_table: false,
        ..test(
            "sweep",
            "throughput and latency against payload, for plots",
            sweep::run,
        )
    },
];

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|test| test.name)
}

/// Runs one in this process.
pub(crate) fn run(name: &str, records: &mut Records, size: Size) {
    for test in ALL.iter().filter(|test| test.name == name) {
        (test.run)(records, size);
    }
}
