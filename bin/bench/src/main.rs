//! `pexec-bench [TEST ..]`: measures the pool beside its peers and beside bounds of the machine, taking turns in
//! one run.
//!
//! With tests named, each figure is printed as a JSON record a line (`group`, `test`, `peer`, `metric`, `value`), for
//! scripts that put other pools beside. Without, every test runs with the peers that a folder of peers holds, and
//! one table is printed, with the goals and how far they are met. A test has a process of its own, so that none
//! inherits what another has left in memory.

mod arguments;
mod child;
mod goals;
mod hot;
mod load;
mod mixed;
mod noop;
mod payload;
mod peers;
mod place;
mod plot;
mod raw;
mod record;
mod rtt;
mod scale;
mod size;
mod startup;
mod suite;
mod sweep;
mod table;
mod upfront;
mod work;

use std::process::ExitCode;

fn main() -> ExitCode {
    pexec::init();
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some(raw::ECHO) => {
            raw::echo(words.next().and_then(|cpu| cpu.parse().ok()));
            return ExitCode::SUCCESS;
        }
        Some(child::WARM) => {
            payload::touch();
            return ExitCode::SUCCESS;
        }
        _ => {}
    }
    match arguments::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pexec-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
