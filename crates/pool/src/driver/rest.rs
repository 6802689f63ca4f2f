//! Between two turns: whether to sleep, until when, and which workers have to ring for that.
//!
//! Bells ring only while somebody sleeps on the watch. Before that every silent one is asked to ring again, and its ring
//! is looked at once more: an answer that came before the bell rang would wake nobody.

use std::time::{Duration, Instant};

use super::Driver;
use super::link::Link;

/// How long the watch may go without being looked at while turns are done.
const UNWATCHED: Duration = Duration::from_millis(1);

/// How long a pool without a timer sleeps, once, after tasks came; shorter than any timer that a plain task brings.
const LINGER: Duration = Duration::from_secs(4);

impl Driver {
    /// Looks for news for a moment, and prepares to sleep if there are none. `None`: there is something to do;
    /// otherwise until when to sleep.
    pub(crate) fn rest(&mut self) -> Option<Option<Instant>> {
        let Driver {
            spin,
            shared,
            busy,
            unsent,
            links,
            ..
        } = self;
        let has_news = |slot: usize| links.0[slot].as_ref().is_some_and(Link::has_news);
        let has_room = |slot: usize| links.0[slot].as_ref().is_some_and(Link::has_room);
        let mut news = || shared.queue.has_pushed() || busy.any(has_news) || unsent.any(has_room);
        if !busy.is_empty() && spin.look(&mut news) {
            return None;
        }
        if self.listen() || self.shared.queue.has_pushed() {
            return None;
        }
        self.now = self.clock.now();
        // While the clock stands no timer comes.
        Some(self.arm().and_then(|at| self.clock.when(at)))
    }

    /// Has every bell ring again, for somebody who sleeps. True: something came before.
    pub(crate) fn listen(&mut self) -> bool {
        let mut late = false;
        let mut from = 0;
        while let Some(slot) = self.silent.next(from) {
            from = slot + 1;
            if let Some(rings) = self.links.0[slot].as_mut().and_then(Link::live_rings) {
                rings.answers.ask_to_be_told(true);
                if rings.answers.has_news() {
                    late = true;
                    self.busy.insert(slot);
                }
                self.silent.remove(slot);
            }
        }
        late
    }

    /// No bell has to ring for workers whose rings are looked at anyway.
    pub(super) fn silence(&mut self) {
        let mut from = 0;
        while let Some(slot) = self.busy.next(from) {
            from = slot + 1;
            if !self.silent.contains(slot)
                && let Some(rings) = self.links.0[slot].as_mut().and_then(Link::live_rings)
            {
                rings.answers.ask_to_be_told(false);
                self.silent.insert(slot);
            }
        }
    }

    /// After the sleep that `rest` has prepared.
    pub(crate) fn woke(&mut self) {
        let now = self.clock.now();
        self.spin.slept(now.saturating_duration_since(self.now));
        self.watched = now;
    }

    /// Whether turns were done for so long without a look at the watch that it is due.
    pub(crate) fn watch_is_due(&mut self) -> bool {
        let due = self.now.saturating_duration_since(self.watched) > UNWATCHED;
        if due {
            self.watched = self.now;
        }
        due
    }

    /// A timer came up that is due before whoever sleeps means to wake.
    pub(super) fn is_due_earlier(&self) -> bool {
        match (self.core.new_timer(), self.armed) {
            (Some(new), Some(armed)) => new < armed,
            (new, None) => new.is_some(),
            (None, Some(_)) => false,
        }
    }

    /// Takes note until when the leader sleeps.
    fn arm(&mut self) -> Option<Instant> {
        self.armed = self.core.arm();
        if self.armed.is_none() && self.submitted != self.submitted_before {
            // More tasks may come: each would bring a timer, and wake whoever sleeps without one.
            self.submitted_before = self.submitted;
            self.armed = self.now.checked_add(LINGER);
        }
        self.armed
    }
}
