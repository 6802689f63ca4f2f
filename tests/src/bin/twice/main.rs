//! A program in which two functions have one name.

use std::process::ExitCode;

mod one {
    #[pexec::task(name = "convert")]
    fn jpeg(quality: u8) -> u8 {
        quality
    }
}

mod two {
    #[pexec::task(name = "convert")]
    fn png(level: u8) -> u8 {
        level
    }
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("processes") => {
            pexec::init();
            println!("{}", pexec::ProcessPool::new().map(drop).unwrap_err_text());
        }
        Some("threads") => println!("{}", pexec::ThreadPool::new().map(drop).unwrap_err_text()),
        Some("call") => println!("{}", pexec::named::find("convert").map(drop).unwrap_err_text()),
        _ => return pexec_cli::main(),
    }
    ExitCode::SUCCESS
}

/// The text of the error that there has to be.
trait ErrText {
    fn unwrap_err_text(self) -> String;
}

impl<E: std::fmt::Display> ErrText for Result<(), E> {
    fn unwrap_err_text(self) -> String {
        self.err()
            .map_or_else(|| "no error".to_owned(), |error| error.to_string())
    }
}
