//! The cgroup of one attempt of a command, where there is a place for one.
//!
//! It is there before the command is and goes after it. A worker that dies in between leaves it, for the run to remove
//! under the attempt's name.

use std::path::Path;

use pexec_ipc::cgroup::Leaf;

use super::Notes;
use crate::limits::Limits;

/// Makes it, for a command whose memory is limited. Where that fails the limit is kept by looking.
pub(super) fn leaf(limits: &Limits, notes: &Notes) -> Option<Leaf> {
    let (memory, base) = (limits.memory?, notes.cgroup.as_ref()?);
    Leaf::make(Path::new(base.as_os_str()), &name(notes), memory).ok()
}

/// Ends what an attempt has left whose worker died.
pub(super) fn discard(notes: &Notes) {
    if let Some(base) = &notes.cgroup {
        Leaf::sweep(Path::new(base.as_os_str()), &name(notes));
    }
}

/// Told apart from what the kernel and the base have there.
fn name(notes: &Notes) -> String {
    format!("task-{}", notes.token)
}
