//! What this machine gives pexec: each thing tried, in the way that pexec itself uses it, and none guessed from a version.
//!
//! One check after the other, so that none takes from another what it is about to count. A check that hangs is given up and
//! told of: a machine on which that happens is one that somebody asks about.

mod bounds;
mod kernel;
mod room;
mod tree;
mod workers;

use std::fmt::Display;
use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// No check takes this long on a machine that is not broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a thing was tried: what was seen, or why it does not hold.
type Tried = Result<String, No>;

/// It does not hold, or that is not known.
struct No {
    why: String,
    tried: bool,
}

impl No {
    /// It did not come to that.
    fn untried(why: impl Display) -> No {
        No {
            why: format!("could not be tried: {}", one_line(why)),
            tried: false,
        }
    }
}

/// It was tried, and does not hold.
fn no(why: impl Into<String>) -> Tried {
    Err(No::from(why))
}

impl<S: Into<String>> From<S> for No {
    fn from(why: S) -> No {
        No {
            why: why.into(),
            tried: true,
        }
    }
}

/// A thing to try.
struct Check {
    name: &'static str,
    /// Nothing works without it.
    needed: bool,
    /// What it means for a user that it does not hold.
    means: &'static str,
    /// What can be done about it.
    advice: &'static str,
    try_it: fn() -> Tried,
}

/// What came of it.
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    pub(crate) needed: bool,
    pub(crate) holds: bool,
    /// What was seen.
    pub(crate) seen: String,
    /// What it means that it does not hold, and what can be done about it.
    pub(crate) so: Option<(&'static str, &'static str)>,
}

impl Finding {
    /// Nothing works because of this.
    pub(crate) fn is_fatal(&self) -> bool {
        self.needed && !self.holds
    }
}

/// Tries everything, and hands each finding over as it is made, until nobody wants another.
pub(crate) fn examine(mut told: impl FnMut(Finding) -> ControlFlow<()>) {
    // What there is too little of is told first: it is the reason for much of what may follow.
    let all = [
        room::CHECKS,
        kernel::CHECKS,
        workers::CHECKS,
        bounds::CHECKS,
        tree::CHECKS,
    ];
    for check in all.into_iter().flatten() {
        let (holds, seen, so) = match with_patience(check.try_it) {
            Ok(seen) => (true, seen, None),
            Err(No { why, tried }) => (false, why, tried.then_some((check.means, check.advice))),
        };
        let finding = Finding {
            name: check.name,
            needed: check.needed,
            holds,
            seen,
            so,
        };
        if told(finding).is_break() {
            return;
        }
    }
}

fn with_patience(try_it: fn() -> Tried) -> Tried {
    let (sender, receiver) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("pexec-doctor".to_owned())
        .spawn(move || sender.send(try_it()));
    if let Err(error) = thread {
        return Err(No::untried(format!("no thread: {error}")));
    }
    match receiver.recv_timeout(PATIENCE) {
        Ok(tried) => tried,
        Err(RecvTimeoutError::Timeout) => no(format!("nothing had come of it after {}s", PATIENCE.as_secs())),
        Err(RecvTimeoutError::Disconnected) => no("trying it panicked"),
    }
}

/// An error on one line, without the name of a file that was only to be tried.
fn one_line(error: impl Display) -> String {
    let text = error.to_string().replace('\n', " ");
    match text.split_once(" at path \"") {
        Some((before, _)) => before.to_owned(),
        None => text,
    }
}
