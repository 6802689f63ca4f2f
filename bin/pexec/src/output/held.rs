//! Output that has to wait: in memory up to a limit, then in one file without a name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use pexec_job::exec::Captured;

use crate::writer::{Piece, Stream};

/// Bytes held in memory before a file is used: a slow first instance must not cost memory for every fast one.
const IN_MEMORY: usize = 64 << 20;

/// Takes output over from the run and keeps it.
pub(super) struct Holder {
    dir: PathBuf,
    limit: usize,
    /// Bytes that are held in memory.
    bytes: usize,
    /// The file and its length.
    file: Option<(File, u64)>,
    claimed: u64,
}

/// Output that is kept.
pub(super) struct Held {
    stream: Stream,
    kept: Kept,
}

enum Kept {
    Piece(Piece),
    InFile { at: u64, len: usize },
}

impl Holder {
    /// Keeps what is much in this directory.
    pub(super) fn new(dir: &Path) -> Holder {
        Holder {
            dir: dir.to_owned(),
            limit: IN_MEMORY,
            bytes: 0,
            file: None,
            claimed: 0,
        }
    }

    /// Takes captured output over, from this byte on; `None` where there is none. A spilled file gets a name of its own, because
    /// the run removes the one that it knows.
    pub(super) fn claim(&mut self, captured: &Captured, from: u64) -> io::Result<Option<Piece>> {
        let (path, len) = match captured {
            _ if captured.len() <= from => return Ok(None),
            Captured::Inline(bytes) => return Ok(Some(Piece::Bytes(bytes[from as usize..].to_vec()))),
            Captured::Spilled { path, len } => (path, *len),
        };
        let own = self.dir.join(format!("held-{}", self.claimed));
        self.claimed += 1;
        std::fs::rename(path.as_os_str(), &own)
            .map_err(|e| io::Error::new(e.kind(), format!("taking over spilled output {path}: {e}")))?;
        Ok(Some(Piece::File { path: own, from, len }))
    }

    /// Keeps a piece.
    pub(super) fn hold(&mut self, stream: Stream, piece: Piece) -> io::Result<Held> {
        let kept = match piece {
            Piece::Bytes(bytes) if self.bytes + bytes.len() > self.limit => {
                let (file, end) = match &mut self.file {
                    Some(file) => file,
                    none => none.insert((tempfile::tempfile_in(&self.dir)?, 0)),
                };
                file.write_all_at(&bytes, *end)?;
                let at = *end;
                *end += bytes.len() as u64;
                Kept::InFile { at, len: bytes.len() }
            }
            piece => {
                self.bytes += in_memory(&piece);
                Kept::Piece(piece)
            }
        };
        Ok(Held { stream, kept })
    }

    /// Gives a piece back.
    pub(super) fn release(&mut self, held: Held) -> io::Result<(Stream, Piece)> {
        let piece = match held.kept {
            Kept::Piece(piece) => {
                self.bytes -= in_memory(&piece);
                piece
            }
            Kept::InFile { at, len } => {
                let mut bytes = vec![0; len];
                let Some((file, _)) = &self.file else {
                    return Err(io::ErrorKind::NotFound.into());
                };
                file.read_exact_at(&mut bytes, at)?;
                Piece::Bytes(bytes)
            }
        };
        Ok((held.stream, piece))
    }
}

fn in_memory(piece: &Piece) -> usize {
    match piece {
        Piece::Bytes(bytes) => bytes.len(),
        Piece::File { .. } => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_beyond_the_limit_waits_on_disk_and_comes_back_whole() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut holder = Holder {
            limit: 10,
            ..Holder::new(dir.path())
        };
        let texts = ["12345678", "abcdef", "", "ghijkl", "x"];
        let held: Vec<Held> = texts
            .iter()
            .map(|t| {
                holder
                    .hold(Stream::Err, Piece::Bytes(t.as_bytes().to_vec()))
                    .expect("held")
            })
            .collect();
        assert_eq!(holder.bytes, 9);
        assert_eq!(
            held.iter()
                .filter(|h| matches!(h.kept, Kept::InFile { .. }))
                .count(),
            2
        );
        for (held, text) in held.into_iter().zip(texts) {
            let (stream, piece) = holder.release(held).expect("released");
            assert_eq!(
                (stream, piece),
                (Stream::Err, Piece::Bytes(text.as_bytes().to_vec()))
            );
        }
        assert_eq!(holder.bytes, 0);
        assert_eq!(
            std::fs::read_dir(dir.path()).expect("readable").count(),
            0,
            "the file has no name"
        );
    }

    #[test]
    fn a_spilled_file_is_taken_from_the_run() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("spilled");
        std::fs::write(&path, "much").expect("written");
        let captured = Captured::Spilled {
            path: path.to_str().expect("utf-8").into(),
            len: 4,
        };
        let piece = Holder::new(dir.path()).claim(&captured, 1).expect("claimed");
        assert!(!path.exists());
        let Some(Piece::File {
            path: own,
            from: 1,
            len: 4,
        }) = piece
        else {
            panic!("{piece:?}")
        };
        assert_eq!(std::fs::read(own).expect("there"), b"much");
    }
}
