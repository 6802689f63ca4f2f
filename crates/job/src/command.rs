//! One command, ready to start: what travels from the run to a worker.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::limits::Limits;
use crate::text::Text;

/// A command with everything substituted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    /// Program and arguments; never empty. A `shell` task is `["sh", "-c", script]` by now.
    pub argv: Vec<Text>,
    /// Variables set on top of the inherited environment (or of an empty one, see `env_clear`), in order.
    pub env: Vec<(Text, Text)>,
    /// Start from an empty environment.
    pub env_clear: bool,
    /// Absolute working directory.
    pub cwd: Text,
    /// What the command reads.
    pub stdin: Stdin,
    /// Absolute path for standard output instead of capture (written to a temporary name, renamed on success).
    pub stdout: Option<Text>,
    /// Absolute path for standard error instead of capture.
    pub stderr: Option<Text>,
    /// From start to the first signal of `kill`.
    pub timeout: Option<Duration>,
    /// Sent to the whole process group, one after the other; never empty, the last is KILL.
    pub kill: Vec<KillStep>,
    /// Exit codes that count as success.
    pub ok_exit: Vec<i32>,
    /// What it may use.
    pub limits: Limits,
}

impl Command {
    /// This program and these arguments in that directory, with nothing to read and output that is captured.
    pub fn new<T: Into<Text>>(argv: impl IntoIterator<Item = T>, cwd: impl Into<Text>) -> Command {
        Command {
            argv: argv.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            env_clear: false,
            cwd: cwd.into(),
            stdin: Stdin::Empty,
            stdout: None,
            stderr: None,
            timeout: None,
            kill: default_kill(),
            ok_exit: vec![0],
            limits: Limits::default(),
        }
    }

    /// Shows every text of it, the values of variables included.
    pub(crate) fn each_text(&mut self, show: &mut dyn FnMut(&mut Text)) {
        self.argv.iter_mut().for_each(&mut *show);
        self.env.iter_mut().for_each(|(_, value)| show(value));
        show(&mut self.cwd);
        match &mut self.stdin {
            Stdin::Empty => {}
            Stdin::File(text) | Stdin::Text(text) => show(text),
        }
        self.stdout.iter_mut().for_each(&mut *show);
        self.stderr.iter_mut().for_each(show);
    }
}

/// Standard input of a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdin {
    /// `/dev/null`.
    Empty,
    /// An absolute path.
    File(Text),
    /// These bytes.
    Text(Text),
}

/// A signal and how long to wait before the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KillStep {
    /// The signal's number.
    pub signal: i32,
    /// The wait after it.
    pub wait: Duration,
}

/// `TERM 5s`, `KILL`: the ladder of a task that says nothing.
pub fn default_kill() -> Vec<KillStep> {
    vec![
        KillStep {
            signal: 15,
            wait: Duration::from_secs(5),
        },
        KillStep {
            signal: 9,
            wait: Duration::ZERO,
        },
    ]
}
