//! What is known of attempts while they run: their output as it comes, and what runs at a glance.

use std::time::{Duration, Instant};

use pexec::Executor;

use super::{Conductor, chunk};
use crate::run::flight::Flight;
use crate::run::follow::{self, Follow};
use crate::run::{Flying, OutputKind};

/// How often it is looked what was written.
const LOOK: Duration = Duration::from_millis(25);

impl<E: Executor> Conductor<'_, E> {
    /// Gives out what has been written by now: the lines of calls, which commands send themselves, and whatever those have
    /// written whom the sink follows.
    pub(super) fn watch(&mut self) {
        if self.options.glance.take() {
            self.glance();
        }
        if !self.options.stream && !self.options.follow || self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        for flight in self
            .flights
            .values_mut()
            .filter(|flight| flight.started.is_some())
        {
            let Flight {
                ready, tail, follow, ..
            } = flight;
            if let Some(tail) = tail {
                tail.look(&mut |kind| self.teller.output(chunk(ready, &self.sources, kind)));
            }
            let place = (ready.task, ready.instance.index);
            if self.options.follow && self.teller.follows(place) {
                let notes = || self.options.notes(ready);
                let follow = follow.get_or_insert_with(|| Follow::new(&notes()));
                follow.look(&mut |stream, bytes| {
                    let kind = OutputKind::Part { stream, bytes };
                    self.teller.output(chunk(ready, &self.sources, kind));
                });
            }
        }
    }

    fn glance(&mut self) {
        let started = self.flights.iter().filter(|(_, flight)| flight.started.is_some());
        let mut flying: Vec<_> = started
            .map(|(&number, Flight { ready, .. })| {
                let last = follow::last_line(&self.options.notes(ready));
                let (who, attempt) = (ready.who.clone(), ready.attempt);
                (number, Flying { who, attempt, last })
            })
            .collect();
        flying.sort_by_key(|(number, _)| *number);
        let flying: Vec<Flying> = flying.into_iter().map(|(_, flying)| flying).collect();
        self.teller.glance(&flying);
    }
}
