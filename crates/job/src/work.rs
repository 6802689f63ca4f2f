//! What an attempt does: it starts a command, or it calls a function of this program. Travels from the run to a
//! worker.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::command::Command;
use crate::limits::Limits;
use crate::text::Text;

/// A command or a call, with everything substituted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// A program of its own.
    Command(Command),
    /// A function, in the worker itself.
    Call(Call),
}

impl Work {
    /// From start to the first signal.
    pub fn timeout(&self) -> Option<Duration> {
        match self {
            Work::Command(command) => command.timeout,
            Work::Call(call) => call.timeout,
        }
    }

    /// What it may use.
    pub fn limits(&self) -> &Limits {
        match self {
            Work::Command(command) => &command.limits,
            Work::Call(call) => &call.limits,
        }
    }

    /// Shows every text of it.
    pub(crate) fn each_text(&mut self, show: &mut dyn FnMut(&mut Text)) {
        match self {
            Work::Command(command) => command.each_text(show),
            Work::Call(call) => call.each_text(show),
        }
    }

    /// Where standard output and standard error go instead of being captured.
    pub(crate) fn files(&self) -> (Option<&Text>, Option<&Text>) {
        match self {
            Work::Command(command) => (command.stdout.as_ref(), command.stderr.as_ref()),
            Work::Call(call) => (call.stdout.as_ref(), call.stderr.as_ref()),
        }
    }

    /// The function runs in the worker, so that ends when the function has to.
    pub(crate) fn is_call(&self) -> bool {
        matches!(self, Work::Call(_))
    }
}
