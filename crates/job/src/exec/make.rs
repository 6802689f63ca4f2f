//! An attempt with files of its own: skipped if nothing has changed, and its outputs checked or removed at the end.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{End, Notes, Report};
use crate::files::{Content, Files, Stamp, Standing};
use crate::work::Work;

/// What an attempt knows of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Making {
    /// Which they are.
    pub files: Files,
    /// What they held at the last success.
    pub known: Option<Content>,
    /// How the outputs were before the attempt.
    pub before: Vec<Option<Stamp>>,
}

/// Does `work`, unless what it would make is there.
pub(super) fn make(work: Work, making: &Making, notes: Notes) -> Report {
    let began = Instant::now();
    let ended = |end: End| Report {
        wall: began.elapsed(),
        ..Report::nothing(end)
    };
    let inputs = match making.files.examine(making.known) {
        Ok(Standing::UpToDate(content)) => {
            return Report {
                content: Some(Box::new(content)),
                ..Report::nothing(End::UpToDate)
            };
        }
        Ok(Standing::Stale { inputs, .. }) => inputs,
        Err(why) => return ended(End::Refused(why)),
    };
    if let Err(why) = making.files.make_room() {
        return ended(End::Refused(why));
    }
    let ok_exit = match &work {
        Work::Command(command) => command.ok_exit.clone(),
        Work::Call(_) => Vec::new(),
    };
    let mut report = super::attempt(work, notes);
    let succeeded = match &report.end {
        End::Exited(code) => ok_exit.contains(code),
        End::Returned => true,
        _ => false,
    };
    if succeeded && report.stopped.is_none() && report.fault.is_none() && !making.files.outputs.is_empty() {
        match making.files.made() {
            Ok(outputs) => report.content = Some(Box::new(Content { inputs, outputs })),
            Err(why) => report.fault = Some(why),
        }
    }
    if !succeeded || report.stopped.is_some() || report.fault.is_some() {
        making.files.remove_changed(&making.before);
    }
    report
}
