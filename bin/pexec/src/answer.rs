//! What a verb was asked for, on standard output.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pexec_job::text::Text;
use serde_json::{Value, json};
use signal_hook::consts::SIGPIPE;

use crate::exit::Exit;
use crate::speech::complain;

/// Prints all of it. A reader that has gone ends the command as it ends any other in a pipeline.
pub(crate) fn print(bytes: &[u8]) -> Exit {
    let mut stdout = io::stdout().lock();
    ended(stdout.write_all(bytes).and_then(|()| stdout.flush()))
}

/// What the command comes to when its answer was written, or could not be.
pub(crate) fn ended(written: io::Result<()>) -> Exit {
    match written {
        Ok(()) => Exit::Success,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Signal(SIGPIPE),
        Err(error) => {
            complain(&format!("cannot write standard output: {error}"));
            Exit::Output
        }
    }
}

/// Text as JSON, as in the event stream: a string, or base64 of what is none.
pub(crate) fn text(text: &Text) -> Value {
    match std::str::from_utf8(text.as_bytes()) {
        Ok(text) => Value::from(text),
        Err(_) => json!({ "base64": STANDARD.encode(text.as_bytes()) }),
    }
}
