//! What standard output and standard error are, and whether to colour: asked once, at the start.

use std::io::IsTerminal;

/// Facts about where text goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terminal {
    /// Standard output is a terminal.
    pub(crate) stdout: bool,
    /// Standard error is a terminal on which lines can be redrawn.
    pub(crate) stderr: bool,
    /// Standard error gets colours.
    pub(crate) colour: bool,
}

impl Terminal {
    /// Asks the kernel and the environment.
    pub(crate) fn detect() -> Terminal {
        let env = |name: &str| std::env::var_os(name).map(|v| v.to_string_lossy().into_owned());
        let stderr = std::io::stderr().is_terminal() && env("TERM").is_some_and(|t| t != "dumb");
        Terminal {
            stdout: std::io::stdout().is_terminal(),
            stderr,
            colour: colour(stderr, &env),
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
