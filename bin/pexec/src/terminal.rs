//! What standard output and standard error are, and whether to colour: asked once, at the start. How large the terminal
//! is and whose, asked each time: both change.

use std::io::IsTerminal;

use rustix::termios::{tcgetpgrp, tcgetwinsize};

/// Facts about where text goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Standard output is a terminal.
    pub(crate) stdout: bool,
    /// Standard error is a terminal on which lines can be redrawn.
    pub(crate) stderr: bool,
    /// Standard error gets colours.
    pub(crate) colour: bool,
    /// Standard output gets colours, where the colours are pexec's.
    pub(crate) colour_out: bool,
}

/// How large a terminal is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Size {
    /// Its width.
    pub(crate) columns: usize,
    /// Its height.
    pub(crate) rows: usize,
}

/// The size of the terminal that standard error is. One that does not know its own is an ordinary one.
pub(crate) fn size() -> Size {
    let (columns, rows) = tcgetwinsize(std::io::stderr()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    Size {
        columns: if columns == 0 { 80 } else { columns.into() },
        rows: if rows == 0 { 24 } else { rows.into() },
    }
}

/// This program is in the foreground of that terminal, or does not belong to it at all.
pub(crate) fn is_ours() -> bool {
    tcgetpgrp(std::io::stderr()).map_or(true, |group| group == rustix::process::getpgrp())
}

impl Terminal {
    /// Asks the kernel and the environment.
    pub(crate) fn detect() -> Terminal {
        let env = |name: &str| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
        let stderr = std::io::stderr().is_terminal() && env("TERM").is_some_and(|t| t != "dumb");
        let stdout = std::io::stdout().is_terminal();
        let capable = env("TERM").is_some_and(|t| t != "dumb");
        Terminal {
            stdout,
            stderr,
            colour: colour(stderr, &env),
            colour_out: colour(stdout && capable, &env),
        }
    }
}

/// `NO_COLOR` wins over `CLICOLOR_FORCE`, which wins over `CLICOLOR=0`, which wins over the terminal.
fn colour(terminal: bool, env: &dyn Fn(&str) -> Option<String>) -> bool {
    if env("NO_COLOR").is_some_and(|v| !v.is_empty()) {
        return false;
    }
    if env("CLICOLOR_FORCE").is_some_and(|v| !v.is_empty() && v != "0") {
        return true;
    }
    terminal && env("CLICOLOR").is_none_or(|v| v != "0")
}

#[cfg(test)]
mod tests {
    use super::colour;

    fn with(terminal: bool, vars: &[(&str, &str)]) -> bool {
        colour(terminal, &|name| {
            vars.iter().find(|v| v.0 == name).map(|v| v.1.to_owned())
        })
    }

    #[test]
    fn the_environment_decides_over_the_terminal() {
        assert!(with(true, &[]));
        assert!(!with(false, &[]));
        assert!(!with(true, &[("NO_COLOR", "1")]));
        assert!(with(true, &[("NO_COLOR", "")]));
        assert!(with(false, &[("CLICOLOR_FORCE", "1")]));
        assert!(!with(false, &[("CLICOLOR_FORCE", "0")]));
        assert!(!with(true, &[("CLICOLOR", "0")]));
        assert!(!with(true, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")]));
    }
}
