//! `pexec init`: a job file to start from, never in the place of one that is there.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::answer;
use crate::cli::Init;
use crate::exit::Exit;
use crate::speech::{complain, name, refuse};

const STARTER: &str = include_str!("init/starter.toml");
/// The command's name in it.
const NAME: &str = "pexec";

/// Writes it.
pub(crate) fn init(args: &Init) -> Exit {
    let starter = STARTER.replace(NAME, name());
    if args.path == OsStr::new("-") {
        return answer::print(starter.as_bytes());
    }
    let path = match args.path.is_dir() {
        true => args.path.join("job.toml"),
        false => args.path.clone(),
    };
    match write_new(&path, &starter) {
        Ok(()) => {
            complain(&format!("wrote {0}; now: {1} run {0}", path.display(), name()));
            Exit::Success
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => refuse(&format!(
            "{} is there already and was not touched; name another file, or remove it",
            path.display()
        )),
        Err(error) => refuse(&format!("cannot write {}: {error}", path.display())),
    }
}

/// All of it or nothing, and never over something that is there.
fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let mut file = tempfile::Builder::new()
        .prefix(".pexec-init-")
        // What the umask leaves of it, as for any new file.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(parent)
        .map_err(unwrapped)?;
    file.write_all(text.as_bytes())?;
    file.persist_noclobber(path).map_err(|error| error.error)?;
    Ok(())
}

/// The kernel's words: a temporary file's name would mean nothing to who named another one.
fn unwrapped(error: io::Error) -> io::Error {
    io::Error::from(error.kind())
}
