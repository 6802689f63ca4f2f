//! The bound: two processes with a Unix stream socket between them and nothing else.

use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use crate::place;

/// The argument that makes this program the other side.
pub(crate) const ECHO: &str = "--echo-on-standard-input";
/// Bytes of a message.
pub(crate) const SIZE: usize = 64;

/// Sends every message back until the end of the stream.
pub(crate) fn echo(cpu: Option<usize>) {
    place::pin(cpu);
    let Ok(fd) = std::io::stdin().as_fd().try_clone_to_owned() else {
        return;
    };
    let mut stream = UnixStream::from(fd);
    let mut message = [0; SIZE];
    while stream.read_exact(&mut message).is_ok() && stream.write_all(&message).is_ok() {}
}

/// The other side, running.
pub(crate) struct Echo {
    stream: UnixStream,
    child: Child,
}

impl Echo {
    pub(crate) fn start(cpu: Option<usize>) -> std::io::Result<Echo> {
        let (ours, theirs) = UnixStream::pair()?;
        let child = Command::new(std::env::current_exe()?)
            .arg(ECHO)
            .arg(cpu.map_or(String::new(), |c| c.to_string()))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .spawn()?;
        Ok(Echo { stream: ours, child })
    }

    pub(crate) fn round_trip(&mut self) -> std::io::Result<()> {
        let mut message = [7; SIZE];
        self.stream.write_all(&message)?;
        self.stream.read_exact(&mut message)
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(std::net::Shutdown::Both);
        let _ = self.child.wait();
    }
}
