//! Marks in this worker's standard output and standard error, around each task, where those are captured.

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use pexec_ipc::{socket, stdio};
use pexec_proto::mark::Mark;

/// The two streams, under numbers of their own: a task may close or redirect 1 and 2.
pub(super) struct Marks {
    token: [u8; 16],
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Marks {
    pub(super) fn new(token: [u8; 16]) -> io::Result<Marks> {
        stdio::unbuffer_c_stdout();
        Ok(Marks {
            token,
            stdout: socket::move_high(&io::stdout().as_fd())?,
            stderr: socket::move_high(&io::stderr().as_fd())?,
        })
    }

    pub(super) fn begin(&self, task: u64) {
        self.leave(Mark::Begins(task));
    }

    /// To be called before the answer is sent: whoever reads it finds the marks there.
    pub(super) fn end(&self, task: u64) {
        let _ = io::stdout().flush();
        self.leave(Mark::Ends(task));
    }

    fn leave(&self, mark: Mark) {
        let mark = mark.encode(&self.token);
        for stream in [&self.stdout, &self.stderr] {
            // So short a write to a pipe is done as a whole or not at all.
            while let Err(error) = nix::unistd::write(stream, &mark) {
                match error {
                    Errno::EINTR => {}
                    // Somebody has made the pipe one that does not block.
                    Errno::EAGAIN => {
                        let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
                        let _ = poll(&mut fds, PollTimeout::NONE);
                    }
                    // Nobody reads it any more: this process is about to end.
                    _ => break,
                }
            }
        }
    }
}
