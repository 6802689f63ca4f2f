//! What earlier runs make one expect of this one: where a history plugs in. It is asked and never told; without a history
//! nothing is expected, and whoever asks says only what it knows from this run.

use std::time::Duration;

use crate::state::RunState;
use crate::text::Text;

/// What is expected of a run.
pub trait Expect: Send {
    /// How long this instance takes, if it has been seen to succeed.
    fn expected(&self, task: &str, item: Option<&Text>) -> Option<Duration>;

    /// How long the rest of the run takes, at least and at most. Asked a few times a second.
    fn left(&self, state: &RunState) -> Option<(Duration, Duration)> {
        let _ = state;
        None
    }
}

/// There is no history.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHistory;

impl Expect for NoHistory {
    fn expected(&self, _: &str, _: Option<&Text>) -> Option<Duration> {
        None
    }
}
