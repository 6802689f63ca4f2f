//! A stream that goes to a file of the user's: written under a temporary name beside the target and renamed onto
//! it when the attempt has succeeded, so that the target is whole or untouched.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::{Notes, Stream, file_name, open_new};
use crate::text::Text;

/// A file that a command writes to. Dropped unpublished, it leaves nothing.
pub(super) struct Target {
    file: File,
    target: PathBuf,
    /// Where the bytes are until they are published; `None`: the target is no regular file (a device, a FIFO)
    /// and is written directly.
    temporary: Option<PathBuf>,
}

impl Target {
    /// Makes the parents and opens the file to write to.
    pub(super) fn open(path: &Text, notes: &Notes, stream: Stream) -> io::Result<Target> {
        let target = resolve(path);
        match fs::metadata(&target) {
            Ok(there) if there.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
            // Renaming onto /dev/null would replace the device for everybody.
            Ok(there) if !there.is_file() => {
                let file = OpenOptions::new().write(true).open(&target)?;
                return Ok(Target {
                    file,
                    target,
                    temporary: None,
                });
            }
            _ => {}
        }
        let parent = target.parent().ok_or(io::ErrorKind::InvalidInput)?;
        fs::create_dir_all(parent)?;
        let temporary = parent.join(file_name(notes, stream));
        // Append: standard output and standard error may share it.
        let file = open_new(OpenOptions::new().append(true), &temporary)?;
        Ok(Target {
            file,
            target,
            temporary: Some(temporary),
        })
    }

    /// A handle for the command.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Puts the file in its place.
    pub(super) fn publish(mut self) -> Result<(), String> {
        let Some(temporary) = self.temporary.take() else {
            return Ok(());
        };
        fs::rename(&temporary, &self.target).map_err(|error| {
            let _ = fs::remove_file(&temporary);
            format!(
                "its output could not be put in place as {}: {error}",
                self.target.display()
            )
        })
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = fs::remove_file(temporary);
        }
    }
}

/// Removes what an attempt left of a redirection when its worker died.
pub(super) fn discard(path: &Text, notes: &Notes, stream: Stream) {
    if let Some(parent) = resolve(path).parent() {
        let _ = fs::remove_file(parent.join(file_name(notes, stream)));
    }
}

/// The file that a path names, through links as `>` in a shell goes through them.
fn resolve(path: &Text) -> PathBuf {
    let path = Path::new(path.as_os_str());
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()),
        _ => path.to_owned(),
    }
}
