//! Where a task's instances come from, one at a time, without ever keeping the run waiting.
//!
//! A source of known length is pulled on the run's thread. One that streams may block for as long as its writer
//! likes, so a thread of its own pulls it, a few ahead. That thread ends with the source, or at its next item
//! after the run has ended; while it is blocked in a read it cannot be ended, and lasts until the process does.

mod ahead;

use std::sync::Arc;

use super::inbox::Inbox;
use crate::plan::{Instance, Instances, SourceError};

use ahead::Ahead;

/// A task's source.
pub(super) enum Feed {
    /// Not asked for anything yet.
    Fresh {
        instances: Instances,
        streams: bool,
    },
    Here(Instances),
    Thread(Ahead),
    Ended,
}

/// What a source gives when asked.
pub(super) enum Pulled {
    Instance(Instance),
    /// Nothing now; the inbox is woken when there is.
    Wait,
    End,
    /// It broke; there will be nothing more.
    Failed(String),
}

impl Feed {
    pub(super) fn new(instances: Instances, streams: bool) -> Feed {
        Feed::Fresh { instances, streams }
    }

    /// The next instance, without waiting for one.
    pub(super) fn pull(&mut self, inbox: &Arc<Inbox>) -> Pulled {
        if let Feed::Fresh { .. } = self
            && let Feed::Fresh { instances, streams } = std::mem::replace(self, Feed::Ended)
        {
            *self = if streams {
                match Ahead::start(instances, Arc::clone(inbox)) {
                    Ok(ahead) => Feed::Thread(ahead),
                    Err(error) => {
                        return Pulled::Failed(format!("no thread to read its source with: {error}"));
                    }
                }
            } else {
                Feed::Here(instances)
            };
        }
        let next = match self {
            Feed::Here(instances) => instances.next(),
            Feed::Thread(ahead) => match ahead.next() {
                Some(next) => next,
                None => return Pulled::Wait,
            },
            Feed::Fresh { .. } | Feed::Ended => None,
        };
        match next {
            Some(Ok(instance)) => Pulled::Instance(instance),
            Some(Err(SourceError(why))) => {
                *self = Feed::Ended;
                Pulled::Failed(why)
            }
            None => {
                *self = Feed::Ended;
                Pulled::End
            }
        }
    }
}
