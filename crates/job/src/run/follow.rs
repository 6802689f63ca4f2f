//! Reads what an attempt has written while it runs, from the files that its worker keeps it in (see `exec::capture`, and
//! `exec::own_output` for calls). Nothing in the worker has to send it, and nobody pays for what nobody looks at.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::SystemTime;

use crate::exec::{Notes, Stream, spill_path};
use crate::text::Text;

const READ: usize = 64 * 1024;
/// How much of one stream is read at one look, so that no attempt keeps the run from the others.
const LOOK: usize = 16 * READ;
/// How far back the last line is looked for.
const LAST: u64 = 4096;

/// The two streams of one attempt, byte by byte.
pub(super) struct Follow([Stage; 2]);

struct Stage {
    stream: Stream,
    path: PathBuf,
    file: Option<File>,
    read: u64,
}

impl Follow {
    pub(super) fn new(notes: &Notes) -> Follow {
        Follow([Stream::Stdout, Stream::Stderr].map(|stream| Stage {
            stream,
            path: spill_path(notes, stream),
            file: None,
            read: 0,
        }))
    }

    /// Gives out what is new.
    pub(super) fn look(&mut self, out: &mut dyn FnMut(Stream, &[u8])) {
        let mut buffer = Vec::new();
        for stage in &mut self.0 {
            if stage.file.is_none() {
                // It is there once there is something to read, and the attempt has run for a while.
                stage.file = File::open(&stage.path).ok();
            }
            let Some(file) = &stage.file else { continue };
            buffer.resize(READ, 0);
            let mut taken = 0;
            while taken < LOOK {
                match file.read_at(&mut buffer, stage.read) {
                    Ok(0) | Err(_) => break,
                    Ok(n) => {
                        taken += n;
                        stage.read += n as u64;
                        out(stage.stream, &buffer[..n]);
                    }
                }
            }
        }
    }
}

/// The last line of whichever stream was written to last.
pub(super) fn last_line(notes: &Notes) -> Option<Text> {
    let written = [Stream::Stdout, Stream::Stderr].into_iter().filter_map(|stream| {
        let path = spill_path(notes, stream);
        let there = fs::metadata(&path).ok().filter(|there| there.len() > 0)?;
        let at = there.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some((at, there.len(), path))
    });
    let (_, len, path) = written.max_by_key(|(at, ..)| *at)?;
    let from = len.saturating_sub(LAST);
    let mut tail = vec![0; (len - from) as usize];
    File::open(path).ok()?.read_exact_at(&mut tail, from).ok()?;
    let line = tail
        .rsplit(|&b| b == b'\n' || b == b'\r')
        .find(|line| !line.trim_ascii().is_empty())?;
    Some(Text::from(line.to_vec()))
}
