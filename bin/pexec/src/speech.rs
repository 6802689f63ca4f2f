//! What the command says of itself on standard error, under the name that it was called by.

use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::sync::OnceLock;

use crate::exit::Exit;

static NAME: OnceLock<String> = OnceLock::new();

/// From now on, this is the command's name: the last part of how it was called. The first name stays.
pub(crate) fn called(program: Option<&OsStr>) {
    let name = program.and_then(|program| Path::new(program).file_name());
    if let Some(name) = name {
        let _ = NAME.set(name.to_string_lossy().into_owned());
    }
}

/// The command's name, in help and before every message.
pub(crate) fn name() -> &'static str {
    NAME.get().map_or("pexec", String::as_str)
}

/// Says why nothing was started because of how the command was used.
pub(crate) fn refuse(why: &str) -> Exit {
    complain(why);
    Exit::Usage
}

/// Says something. Nobody is left to tell when standard error is gone.
pub(crate) fn complain(why: &str) {
    let _ = writeln!(std::io::stderr(), "{}: {why}", name());
}
