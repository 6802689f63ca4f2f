//! Counts what Rust sources are made of: a whole command line, with two functions that its job file calls.

mod count;
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    pexec_cli::main()
}
