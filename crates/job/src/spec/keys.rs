//! Every key that a job file may hold, in the order in which people look for them.

/// The keys of one kind of table.
pub(crate) struct Keys {
    pub(crate) known: &'static [&'static str],
}

impl Keys {
    /// The file itself.
    pub(crate) const TOP: Keys = Keys {
        known: &["name", "run", "vars", "defaults", "groups", "tasks"],
    };
    /// `[run]`.
    pub(crate) const RUN: Keys = Keys {
        known: &["workers", "halt", "output", "memory"],
    };
    /// A task, and `[defaults]`.
    pub(crate) const TASK: Keys = Keys {
        known: &[
            "command",
            "shell",
            "call",
            "args",
            "foreach",
            "matrix",
            "needs",
            "needs_each",
            "label",
            "stdin",
            "stdout",
            "stderr",
            "inputs",
            "outputs",
            "env",
            "env_clear",
            "cwd",
            "timeout",
            "queue_timeout",
            "kill",
            "retries",
            "backoff",
            "retry_on",
            "ok_exit",
            "memory",
            "cpu_time",
            "open_files",
            "nice",
            "group",
            "priority",
        ],
    };
    /// `foreach`.
    pub(crate) const FOREACH: Keys = Keys {
        known: &["glob", "lines", "csv", "jsonl", "range", "values", "command"],
    };
    /// `[groups.NAME]`.
    pub(crate) const GROUP: Keys = Keys { known: &["limit"] };
    /// `stdin`.
    pub(crate) const STDIN: Keys = Keys {
        known: &["file", "text"],
    };
    /// A variable in `env` that is written as a table.
    pub(crate) const ENV: Keys = Keys {
        known: &["value", "from_env", "secret"],
    };
}
