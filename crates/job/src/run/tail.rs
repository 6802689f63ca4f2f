//! Follows what a call prints, line by line, while it runs. A function prints to files (see `exec`), which the run
//! reads as they grow: nothing in the worker has to send it on, and what a crash left is read to its end.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::OutputKind;
use super::flight::Within;
use crate::exec::lines::Lines;
use crate::exec::{Captured, Notes, Stream, spill_path};

const READ: usize = 64 * 1024;
/// How much of one stream is read at one look, so that no call keeps the run from the others.
const LOOK: usize = 16 * READ;

/// The two streams of one attempt.
pub(super) struct Tail {
    streams: [Follow; 2],
    within: Within,
}

struct Follow {
    stream: Stream,
    path: PathBuf,
    file: Option<File>,
    read: u64,
    lines: Lines,
}

impl Tail {
    pub(super) fn new(notes: &Notes) -> Tail {
        let streams = [Stream::Stdout, Stream::Stderr].map(|stream| Follow {
            stream,
            path: spill_path(notes, stream),
            file: None,
            read: 0,
            lines: Lines::default(),
        });
        Tail {
            streams,
            within: Within::default(),
        }
    }

    /// Gives out the whole lines that are new.
    pub(super) fn look(&mut self, out: &mut dyn FnMut(OutputKind<'_>)) {
        let Tail { streams, within } = self;
        for follow in streams {
            if follow.file.is_none() {
                // It is there once the attempt has begun, unless the stream goes elsewhere.
                follow.file = File::open(&follow.path).ok();
            }
            if let Some(file) = follow.file.take() {
                follow.more(&file, LOOK, within, out);
                follow.file = Some(file);
            }
        }
    }

    /// Gives out the rest: this is all that was written.
    pub(super) fn finish(mut self, all: [&Captured; 2], out: &mut dyn FnMut(OutputKind<'_>)) {
        let Tail { streams, within } = &mut self;
        for (follow, all) in streams.iter_mut().zip(all) {
            match all {
                Captured::Inline(bytes) => {
                    let from = usize::try_from(follow.read)
                        .unwrap_or(usize::MAX)
                        .min(bytes.len());
                    follow.take(&bytes[from..], within, out);
                }
                Captured::Spilled { path, .. } => {
                    if let Ok(file) = File::open(Path::new(path.as_os_str())) {
                        follow.more(&file, usize::MAX, within, out);
                    }
                }
            }
            let stream = follow.stream;
            follow.lines.finish(|bytes| {
                within.lines(stream, bytes).into_iter().for_each(&mut *out);
            });
        }
    }
}

impl Follow {
    fn more(&mut self, file: &File, most: usize, within: &mut Within, out: &mut dyn FnMut(OutputKind<'_>)) {
        let mut buffer = vec![0; READ];
        let mut taken = 0;
        while taken < most {
            match file.read_at(&mut buffer, self.read) {
                Ok(0) | Err(_) => return,
                Ok(n) => {
                    taken += n;
                    self.read += n as u64;
                    self.take(&buffer[..n], within, out);
                }
            }
        }
    }

    fn take(&mut self, bytes: &[u8], within: &mut Within, out: &mut dyn FnMut(OutputKind<'_>)) {
        let stream = self.stream;
        self.lines.push(bytes, |bytes| {
            within.lines(stream, bytes).into_iter().for_each(&mut *out);
        });
    }
}
