//! The command's two streams, as bytes go out.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use signal_hook::consts::SIGPIPE;

use super::screen::Screen;
use super::{Piece, Stream};
use crate::signals::Interrupt;
use crate::terminal::Terminal;

/// How much is gathered for one write.
const CHUNK: usize = 64 << 10;

/// The command's two streams.
pub(super) struct Streams {
    out: File,
    /// Nobody reads it any more, or it failed: what follows is dropped.
    out_gone: bool,
    interrupt: Interrupt,
    terminal: Terminal,
    screen: Screen,
    /// The block that is shown, or was before something else was written.
    block: Vec<String>,
    /// What was written last to standard error, or to a terminal, has no line's end.
    within_line: bool,
}

impl Streams {
    /// The command's own ones.
    pub(super) fn new(interrupt: Interrupt, terminal: Terminal) -> io::Result<Streams> {
        // Its own descriptor, past the line buffer of the standard library: what is written is out.
        let out = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        Ok(Streams {
            out,
            out_gone: false,
            interrupt,
            terminal,
            screen: Screen::default(),
            block: Vec::new(),
            within_line: false,
        })
    }

    /// Writes a batch in its order.
    pub(super) fn write(&mut self, batch: VecDeque<(Stream, Piece)>) -> io::Result<()> {
        if !self.terminal.stdout && batch.iter().all(|(stream, _)| *stream == Stream::Out) {
            return self.write_out(batch);
        }
        self.screen.clear();
        let result = self.write_out(batch);
        if !self.block.is_empty() {
            // The block comes back to the line that the cursor is on, and would wipe out what stands there.
            self.end_line();
            self.screen.show(&self.block);
        }
        result
    }

    /// Shows this block from now on.
    pub(super) fn show(&mut self, block: Vec<String>) {
        self.block = block;
        self.end_line();
        self.screen.show(&self.block);
    }

    /// Shows no block until the next one.
    pub(super) fn hide(&mut self) {
        self.block.clear();
        self.screen.clear();
    }

    /// The cursor is so many lines further down than it was left.
    pub(super) fn moved_down(&mut self, lines: usize) {
        self.screen.moved_down(lines);
    }

    /// Makes sure that what pexec itself says next begins on a line of its own.
    pub(super) fn end_line(&mut self) {
        if std::mem::take(&mut self.within_line) {
            let _ = persist(&mut io::stderr(), b"\n");
        }
    }

    fn write_out(&mut self, batch: VecDeque<(Stream, Piece)>) -> io::Result<()> {
        let mut result = Ok(());
        let mut note = |r: io::Result<()>| {
            if result.is_ok() {
                result = r;
            }
        };
        // Neighbours for the same stream share one write.
        let mut gathered: Vec<u8> = Vec::new();
        let mut stream = Stream::Out;
        for (to, piece) in batch {
            if to != stream || gathered.len() >= CHUNK {
                note(self.put(stream, &gathered));
                gathered.clear();
                stream = to;
            }
            match piece {
                Piece::Bytes(bytes) if gathered.is_empty() => gathered = bytes,
                Piece::Bytes(bytes) => gathered.extend_from_slice(&bytes),
                Piece::File { path, from, .. } => {
                    note(self.put(stream, &gathered));
                    gathered.clear();
                    note(self.copy(stream, &path, from));
                }
            }
        }
        note(self.put(stream, &gathered));
        result
    }

    fn copy(&mut self, stream: Stream, path: &Path, from: u64) -> io::Result<()> {
        let broken = |e: io::Error| io::Error::new(e.kind(), format!("reading spilled output: {e}"));
        let mut file = File::open(path).map_err(broken)?;
        // Open is enough: the bytes stay until the file is closed, and nothing is left behind if this ends early.
        let _ = std::fs::remove_file(path);
        file.seek(SeekFrom::Start(from)).map_err(broken)?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(n) => self.put(stream, &chunk[..n])?,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(broken(e)),
            }
        }
    }

    fn put(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        if stream == Stream::Err || self.terminal.stdout {
            self.within_line = !bytes.ends_with(b"\n");
        }
        match stream {
            Stream::Err => {
                // Nobody is left to tell when standard error is gone.
                let _ = persist(&mut io::stderr(), bytes);
                Ok(())
            }
            Stream::Out if self.out_gone => Ok(()),
            Stream::Out => {
                let result = persist(&mut self.out, bytes);
                self.out_gone = result.is_err();
                match result {
                    Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                        self.interrupt.ask_first(SIGPIPE);
                        Ok(())
                    }
                    other => other,
                }
            }
        }
    }
}

/// `write_all` that also copes with a descriptor that somebody else made non-blocking, as some callers do with
/// the terminal or pipe that they share with their children.
pub(super) fn persist(to: &mut (impl Write + AsFd), mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match to.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => {
                // Whatever it says, the next write tells.
                let _ = poll(&mut [PollFd::new(&*to, PollFlags::OUT)], None);
            }
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_non_blocking_descriptor_loses_nothing() {
        let (mut to, mut from) = UnixStream::pair().expect("a pair");
        to.set_nonblocking(true).expect("ours");
        let bytes: Vec<u8> = (0..4_000_000u32).map(|n| n as u8).collect();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            from.read_to_end(&mut all).expect("readable");
            all
        });
        persist(&mut to, &bytes).expect("only waits");
        drop(to);
        assert!(reader.join().expect("read") == bytes);
    }
}
