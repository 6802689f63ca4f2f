//! What this process writes to its standard output and error, sent to files for a while.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use nix::unistd::{dup2_stderr, dup2_stdout};

use super::capture::path_bytes;
use super::redirect::Target;
use super::{Captured, Notes, Stream, open_new, spill_path};
use crate::call::Call;
use crate::text::Text;

/// Where the two streams of a call go.
pub(super) struct Streams([Sent; 2]);

enum Sent {
    /// To where the user wants it.
    Target(Target),
    /// To be captured.
    Capture(File),
}

impl Streams {
    pub(super) fn open(call: &Call, notes: &Notes) -> Result<Streams, String> {
        let stdout = Sent::open(call.stdout.as_ref(), notes, Stream::Stdout)?;
        match Sent::open(call.stderr.as_ref(), notes, Stream::Stderr) {
            Ok(stderr) => Ok(Streams([stdout, stderr])),
            Err(why) => {
                stdout.discard(notes, Stream::Stdout);
                Err(why)
            }
        }
    }

    /// Adds to standard output.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.0[0].handle().and_then(|mut file| file.write_all(bytes));
        written.map_err(|error| format!("what it returned could not be kept: {error}"))
    }

    /// Gives what was captured. Files that the user wants are put in their places, if they are `good`.
    pub(super) fn finish(self, notes: &Notes, good: bool) -> Result<[Captured; 2], String> {
        let [stdout, stderr] = self.0;
        let stdout = stdout.finish(notes, Stream::Stdout, good);
        let stderr = stderr.finish(notes, Stream::Stderr, good);
        match (stdout, stderr) {
            (Ok(stdout), Ok(stderr)) => Ok([stdout, stderr]),
            (stdout, stderr) => {
                let kept = [stdout, stderr].map(|stream| match stream {
                    Ok(captured) => {
                        captured.discard();
                        None
                    }
                    Err(why) => Some(why),
                });
                Err(kept.into_iter().flatten().next().unwrap_or_default())
            }
        }
    }
}

impl Sent {
    fn open(path: Option<&Text>, notes: &Notes, stream: Stream) -> Result<Sent, String> {
        let name = match stream {
            Stream::Stdout => "output",
            Stream::Stderr => "error",
        };
        if let Some(path) = path {
            let target = Target::open(path, notes, stream);
            return target
                .map(Sent::Target)
                .map_err(|error| format!("its standard {name} cannot go to {path}: {error}"));
        }
        let path = spill_path(notes, stream);
        // Append: whatever the function starts in turn writes behind what is there.
        open_new(OpenOptions::new().append(true).mode(0o600), &path)
            .map(Sent::Capture)
            .map_err(|error| {
                format!(
                    "its standard {name} cannot be captured in {}: {error}",
                    path.display()
                )
            })
    }

    fn handle(&self) -> io::Result<File> {
        match self {
            Sent::Target(target) => target.handle(),
            Sent::Capture(file) => file.try_clone(),
        }
    }

    fn discard(self, notes: &Notes, stream: Stream) {
        if matches!(self, Sent::Capture(_)) {
            let _ = fs::remove_file(spill_path(notes, stream));
        }
    }

    fn finish(self, notes: &Notes, stream: Stream, good: bool) -> Result<Captured, String> {
        match self {
            Sent::Target(target) if good => target.publish().map(|()| Captured::Inline(Vec::new())),
            // Dropped, it leaves nothing.
            Sent::Target(_) => Ok(Captured::Inline(Vec::new())),
            Sent::Capture(_) => {
                let path = spill_path(notes, stream);
                inline_if_small(&path, notes.inline_limit).map_err(|error| {
                    let _ = fs::remove_file(&path);
                    format!("its output could not be kept in {}: {error}", path.display())
                })
            }
        }
    }
}

fn inline_if_small(path: &std::path::Path, limit: u64) -> io::Result<Captured> {
    let len = fs::metadata(path)?.len();
    if len > limit {
        return Ok(Captured::Spilled {
            path: Text::from(path_bytes(path.to_owned())),
            len,
        });
    }
    let bytes = fs::read(path)?;
    fs::remove_file(path)?;
    Ok(Captured::Inline(bytes))
}

/// What an attempt that did not come home left of its output, for who removes it in the end.
pub(super) fn left_behind(notes: &Notes) -> [Captured; 2] {
    [Stream::Stdout, Stream::Stderr].map(|stream| {
        let path = spill_path(notes, stream);
        match fs::metadata(&path) {
            Ok(there) if there.len() > 0 => Captured::Spilled {
                path: Text::from(path_bytes(path)),
                len: there.len(),
            },
            Ok(_) | Err(_) => Captured::Inline(Vec::new()),
        }
    })
}

/// The process's own output and error, put back when this is dropped.
pub(super) struct Redirected {
    own: [OwnedFd; 2],
}

impl Redirected {
    pub(super) fn to(streams: &Streams) -> Result<Redirected, String> {
        let redirect = || {
            // What was printed before is not this call's.
            flush();
            let redirected = Redirected {
                own: [
                    io::stdout().as_fd().try_clone_to_owned()?,
                    io::stderr().as_fd().try_clone_to_owned()?,
                ],
            };
            dup2_stdout(streams.0[0].handle()?)?;
            dup2_stderr(streams.0[1].handle()?)?;
            Ok(redirected)
        };
        redirect().map_err(|error: io::Error| format!("its output cannot be captured: {error}"))
    }
}

impl Drop for Redirected {
    fn drop(&mut self) {
        flush();
        // Both were open before; nothing is left to be done where that fails.
        let _ = dup2_stdout(&self.own[0]);
        let _ = dup2_stderr(&self.own[1]);
    }
}

/// Standard error is not buffered.
fn flush() {
    let _ = io::stdout().flush();
}
