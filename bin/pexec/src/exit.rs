//! How the command ends: one variant per row of the exit code table, and nothing else decides a code.

use std::process::ExitCode;

/// The end of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Every instance succeeded, or there was none.
    Success,
    /// Some instance failed.
    Failed,
    /// Wrong usage or a wrong job file; nothing was started.
    Usage,
    /// A policy ended the run because of what failed, or was done.
    Halted,
    /// Standard output could not be written.
    Output,
    /// The events could not be written.
    Record,
    /// The pool broke.
    Pool,
    /// A signal ended the run. A closed standard output counts as SIGPIPE.
    Signal(i32),
}

impl Exit {
    /// The number that the caller of the command sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Success => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Halted => 3,
            Exit::Output => 4,
            Exit::Record => 5,
            Exit::Pool => 6,
            // A code, not a death by the signal: it is what the table promises to callers that look at
            // codes only, and a process that is PID 1 of a container cannot be killed by its own signal.
            Exit::Signal(signal) => 128 + (signal & 0x7f) as u8,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn codes_are_those_of_the_table() {
        let table = [
            (Exit::Success, 0),
            (Exit::Failed, 1),
            (Exit::Usage, 2),
            (Exit::Halted, 3),
            (Exit::Output, 4),
            (Exit::Record, 5),
            (Exit::Pool, 6),
            (Exit::Signal(1), 129),
            (Exit::Signal(2), 130),
            (Exit::Signal(13), 141),
            (Exit::Signal(15), 143),
        ];
        for (exit, code) in table {
            assert_eq!(exit.code(), code, "{exit:?}");
        }
    }
}
