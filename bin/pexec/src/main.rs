//! The pexec command.

use std::process::ExitCode;

fn main() -> ExitCode {
    pexec_cli::main()
}
