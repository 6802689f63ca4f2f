//! A task of a run, as far as its instances are concerned: where they come from, and those that wait.

use std::collections::VecDeque;
use std::time::Instant;

use super::feed::Feed;
use super::flight::Ready;
use crate::plan::{Retry, Start, TaskPlan};
use crate::text::Text;

/// A task's instances.
pub(super) struct Source {
    pub(super) name: String,
    pub(super) start: Start,
    pub(super) retry: Retry,
    pub(super) total: Option<u64>,
    /// How many have come from it.
    pub(super) pulled: u64,
    pub(super) feed: Feed,
    /// Attempts that are to be made again, now.
    pub(super) again: VecDeque<Ready>,
    /// Instances that came and wait for their turn; only where their waiting is limited, or they waited for partners.
    pub(super) queued: VecDeque<Ready>,
    /// The label under which the source broke.
    pub(super) broken: Option<Text>,
    /// How many steps of an item come before this one.
    pub(super) depth: u32,
    /// When its first instance could have started.
    pub(super) opened: Option<Instant>,
    /// Its stream had nothing when it was last asked.
    pub(super) dry: bool,
}

impl Source {
    pub(super) fn new(task: TaskPlan) -> Source {
        Source {
            name: task.name,
            start: task.start,
            retry: task.retry,
            total: task.total,
            pulled: 0,
            feed: Feed::new(task.instances, task.total.is_none()),
            again: VecDeque::new(),
            queued: VecDeque::new(),
            broken: None,
            depth: 0,
            opened: None,
            dry: false,
        }
    }

    /// How urgent what waits here is; `None`: nothing does.
    pub(super) fn has_begun(&self) -> Option<u32> {
        match (self.again.is_empty(), self.queued.is_empty()) {
            (false, _) => Some(u32::MAX),
            (true, false) => Some(self.depth),
            (true, true) => None,
        }
    }

    /// The first of what waits here.
    pub(super) fn take_begun(&mut self) -> Option<Ready> {
        self.again.pop_front().or_else(|| self.queued.pop_front())
    }

    /// Until when an instance that comes now from a source of known length has to start: it could have since the task
    /// was opened. What a stream gives could not start before it came.
    pub(super) fn deadline(&self, now: impl FnOnce() -> Instant) -> Option<Instant> {
        let limit = self.start.queue_timeout?;
        let since = match self.total {
            Some(_) => self.opened?,
            None => now(),
        };
        since.checked_add(limit)
    }
}
