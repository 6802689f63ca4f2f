//! `pexec-bench [TEST ..]`: measures the pool beside its peers and beside bounds of the machine, taking turns in
//! one run.
//!
//! With tests named, each figure is printed as a JSON record a line (`group`, `test`, `peer`, `metric`, `value`), for
//! scripts that put other pools beside. Without, every test runs with the peers that a folder of peers holds, and
//! one table is printed, with the goals and how far they are met.

mod mixed;
mod noop;
mod payload;
mod peers;
mod place;
mod raw;
mod record;
mod rtt;
mod scale;
mod startup;
mod table;
mod upfront;
mod work;

use std::path::PathBuf;

use clap::Parser;

use record::Records;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    /// Only whether everything works: figures mean nothing.
    quick: bool,
}

impl Size {
    /// So many, or few.
    pub(crate) fn of(self, full: u64) -> u64 {
        if self.quick { (full / 500).max(8) } else { full }
    }

    pub(crate) fn is_quick(self) -> bool {
        self.quick
    }
}

type Test = (&'static str, fn(&mut Records, Size));

const TESTS: &[Test] = &[
    ("noop", noop::run),
    ("rtt", rtt::run),
    ("payload", payload::run),
    ("startup", startup::run),
    ("upfront", upfront::run),
    ("scale", scale::run),
    ("mixed", mixed::run),
];

/// Measures pexec beside its peers and beside what the machine allows.
#[derive(Parser)]
struct Arguments {
    /// noop, rtt, payload, startup, upfront, scale, mixed: print records of these. None: all of them, and one table.
    tests: Vec<String>,
    /// How often each is measured for the table; its rows give median, least and most.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Small numbers: only whether everything works.
    #[arg(long)]
    quick: bool,
    /// The folder of the peers' benchmarks [default: ../shared/peers, where it exists].
    #[arg(long, env = "PEXEC_PEERS")]
    peers: Option<PathBuf>,
}

fn main() {
    pexec::init();
    let mut words = std::env::args().skip(1);
    if words.next().is_some_and(|word| word == raw::ECHO) {
        return raw::echo(words.next().and_then(|cpu| cpu.parse().ok()));
    }
    let Arguments {
        tests,
        rounds,
        quick,
        peers,
    } = Arguments::parse();
    let size = Size { quick };
    let unknown: Vec<_> = tests
        .iter()
        .filter(|test| !TESTS.iter().any(|(name, _)| name == test))
        .collect();
    if !unknown.is_empty() {
        let known: Vec<_> = TESTS.iter().map(|(name, _)| *name).collect();
        eprintln!(
            "pexec-bench: unknown test {unknown:?}; there are: {}",
            known.join(" ")
        );
        std::process::exit(2);
    }
    if tests.is_empty() {
        return table::print(size, rounds.max(1), peers);
    }
    let mut records = Records::printing();
    for (name, run) in TESTS {
        if tests.iter().any(|test| test == name) {
            records.begin(name);
            run(&mut records, size);
        }
    }
}
