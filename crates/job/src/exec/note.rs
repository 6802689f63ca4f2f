//! What an attempt tells the run while it runs. One note is one [`pexec::task::emit`]; both ends are this build,
//! so the form is private to it: a tag, then the content.

use super::Stream;

/// One thing told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note<'a> {
    /// The command runs, under this process id.
    Started {
        /// The process id, the process group's too.
        pid: u32,
        /// Its worker's place in the pool, from 0.
        worker: u32,
    },
    /// It wrote this: whole lines with their ends, or a piece of a line that is longer than
    /// [`PIECE`] (then without an end).
    Output {
        /// Where to.
        stream: Stream,
        /// What.
        bytes: &'a [u8],
    },
}

/// The place of this worker in its pool.
pub(super) fn worker() -> u32 {
    let slot = pexec::task::current().map_or(0, |task| task.slot);
    u32::try_from(slot).unwrap_or(u32::MAX)
}

/// A line longer than this goes out in pieces of this many bytes.
pub const PIECE: usize = 64 * 1024;

const STARTED: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;

impl<'a> Note<'a> {
    /// The command runs under `pid`, in this worker.
    pub(super) fn started(pid: u32) -> Note<'static> {
        Note::Started {
            pid,
            worker: worker(),
        }
    }

    /// The bytes to emit.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Note::Started { pid, worker } => {
                let mut out = vec![STARTED];
                out.extend_from_slice(&pid.to_le_bytes());
                out.extend_from_slice(&worker.to_le_bytes());
                out
            }
            Note::Output { stream, bytes } => {
                let mut out = Vec::with_capacity(1 + bytes.len());
                out.push(match stream {
                    Stream::Stdout => STDOUT,
                    Stream::Stderr => STDERR,
                });
                out.extend_from_slice(bytes);
                out
            }
        }
    }

    /// What was emitted; `None`: this is no note.
    pub fn decode(bytes: &'a [u8]) -> Option<Note<'a>> {
        let (tag, rest) = bytes.split_first()?;
        match *tag {
            STARTED => {
                let (pid, worker) = rest.split_first_chunk::<4>()?;
                Some(Note::Started {
                    pid: u32::from_le_bytes(*pid),
                    worker: u32::from_le_bytes(worker.try_into().ok()?),
                })
            }
            STDOUT => Some(Note::Output {
                stream: Stream::Stdout,
                bytes: rest,
            }),
            STDERR => Some(Note::Output {
                stream: Stream::Stderr,
                bytes: rest,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_as_they_went() {
        for note in [
            Note::Started {
                pid: 4_000_000,
                worker: 7,
            },
            Note::Output {
                stream: Stream::Stdout,
                bytes: b"a\nb\n",
            },
            Note::Output {
                stream: Stream::Stderr,
                bytes: b"\xff\n",
            },
        ] {
            assert_eq!(Note::decode(&note.encode()), Some(note));
        }
    }

    #[test]
    fn what_is_no_note_is_refused() {
        for bytes in [
            &b""[..],
            b"\x00",
            b"\x00abc",
            b"\x00abcdefg",
            b"\x00abcdefghi",
            b"\x03",
        ] {
            assert_eq!(Note::decode(bytes), None, "{bytes:?}");
        }
    }
}
