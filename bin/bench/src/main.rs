//! `pexec-bench [TEST ..]`: measures the pool beside bounds of the machine, taking turns in one run.
//!
//! Without arguments every test runs and one table is printed. With tests named, each figure is printed as a JSON
//! record a line (`group`, `test`, `peer`, `metric`, `value`), for scripts that put other pools beside.

mod noop;
mod payload;
mod place;
mod raw;
mod record;
mod rtt;
mod startup;
mod upfront;

use record::Records;

type Test = (&'static str, fn(&mut Records));

const TESTS: &[Test] = &[
    ("noop", noop::run),
    ("rtt", rtt::run),
    ("payload", payload::run),
    ("startup", startup::run),
    ("upfront", upfront::run),
];

fn main() {
    pexec::init();
    let names: Vec<String> = std::env::args().skip(1).collect();
    if names.first().is_some_and(|n| n == raw::ECHO) {
        return raw::echo(names.get(1).and_then(|cpu| cpu.parse().ok()));
    }
    let unknown: Vec<_> = names
        .iter()
        .filter(|n| !TESTS.iter().any(|(name, _)| name == n))
        .collect();
    if !unknown.is_empty() {
        let known: Vec<_> = TESTS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "pexec-bench: unknown test {unknown:?}; there are: {}",
            known.join(" ")
        );
        std::process::exit(2);
    }
    let mut records = Records::new(!names.is_empty());
    for (name, run) in TESTS {
        if names.is_empty() || names.iter().any(|n| n == name) {
            records.begin(name);
            run(&mut records);
        }
    }
    records.finish();
}
