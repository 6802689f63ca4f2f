//! Why a call by name came to nothing. It travels home from the worker, so it is made of texts.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a call by name has no result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum CallError {
    /// No function of this program has that name.
    Unknown(String),
    /// Two functions have it; says which and where.
    Duplicate(String),
    /// There are too many or too few arguments, or one has a name that no parameter has.
    Arguments {
        /// The function, as [`NamedTask::signature`](super::NamedTask::signature) gives it.
        signature: String,
        /// What is wrong.
        why: String,
    },
    /// An argument is not of the parameter's type.
    Argument {
        /// The function's name.
        task: String,
        /// The parameter's name.
        parameter: String,
        /// Its type, as it is written in the source.
        expected: String,
        /// What was found instead.
        why: String,
    },
    /// The function returned this error.
    Failed(String),
    /// What the function returned cannot be written down.
    Result(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::Unknown(name) => write!(
                f,
                "no function of this program has the name `{name}`: register it with #[pexec::task]"
            ),
            CallError::Duplicate(why) => f.write_str(why),
            CallError::Arguments { signature, why } => write!(f, "wrong arguments for `{signature}`: {why}"),
            CallError::Argument {
                task,
                parameter,
                expected,
                why,
            } => write!(
                f,
                "wrong argument `{parameter}` for `{task}`, which takes `{expected}`: {why}"
            ),
            CallError::Failed(text) => f.write_str(text),
            CallError::Result(why) => write!(f, "what it returned cannot be written down: {why}"),
        }
    }
}

impl std::error::Error for CallError {}
