//! Instances that have waited longer than they may.

use std::time::Instant;

use pexec::Executor;

use super::hold::Held;
use super::start::Nothing;
use super::{BLOCKED, Conductor};
use crate::event::{Ended, Kind};
use crate::run::flight::Ready;
use crate::run::judge;

/// How many instances of a stream are looked at before their turn, to see how long they have waited.
const LOOKED_AT: usize = 64;

impl<E: Executor> Conductor<'_, E> {
    /// Ends what has waited too long; a bounded number in one turn.
    pub(super) fn expire(&mut self) {
        if self.timed.is_empty() || !self.goes_on() {
            return;
        }
        let now = self.options.clock.now();
        for flight in self.flights.values_mut() {
            if flight.ready.expires.is_some_and(|expires| expires <= now) {
                flight.expire();
            }
        }
        for task in self.timed.clone() {
            self.expire_queued(task, now);
            if self.tasks.is_open(task) && !self.sources[task].dry && !self.pairs.is_paired(task) {
                match self.sources[task].total {
                    Some(_) => self.expire_source(task, now),
                    None => self.look_at_stream(task),
                }
            }
            self.offer(task);
        }
    }

    fn expire_queued(&mut self, task: usize, now: Instant) {
        let late = |ready: &mut Ready| ready.expires.is_some_and(|expires| expires <= now);
        // Who came first has the nearest deadline. One that the executor had no room for may wait among the others.
        loop {
            let source = &mut self.sources[task];
            let first = source.again.pop_front_if(late);
            match first.or_else(|| source.queued.pop_front_if(late)) {
                Some(ready) => self.tell_expired(ready),
                None => return,
            }
        }
    }

    /// All of a source of known length could have started when its task was opened.
    fn expire_source(&mut self, task: usize, now: Instant) {
        if self.sources[task]
            .deadline(|| now)
            .is_none_or(|deadline| deadline > now)
        {
            return;
        }
        for _ in 0..BLOCKED {
            match self.take(task) {
                Ok(ready) => self.tell_expired(ready),
                Err(Nothing::Kept) => {}
                Err(Nothing::More) => return,
            }
        }
        // There may be more.
        self.inbox.wake();
    }

    /// What a stream has given waits from now on.
    fn look_at_stream(&mut self, task: usize) {
        while self.sources[task].queued.len() < LOOKED_AT && !self.past.is_tired() {
            match self.take(task) {
                Ok(ready) => self.sources[task].queued.push_back(ready),
                Err(Nothing::Kept) => {}
                Err(Nothing::More) => return,
            }
        }
    }

    /// It never began, and is told as an attempt that took no time.
    pub(super) fn tell_expired(&mut self, ready: Ready) {
        let waited = self.sources[ready.task].start.queue_timeout.unwrap_or_default();
        self.tell_unstarted(ready, judge::waited(waited));
    }

    /// Tells the end of an instance that never began, and acts on it.
    pub(super) fn tell_unstarted(&mut self, ready: Ready, end: Ended) {
        let (who, attempt) = (ready.who.clone(), ready.attempt);
        self.teller.event(Kind::Started {
            who: who.clone(),
            attempt,
            pid: None,
            worker: None,
        });
        let outcome = end.outcome;
        let end = Box::new(end);
        match self.teller.event(Kind::Finished { who, attempt, end }) {
            true => self.held.push_back(Held {
                told: self.teller.seq(),
                ready,
                outcome,
                again: None,
            }),
            false => self.tasks.abandon(ready.task),
        }
        self.heed_policy();
    }
}
