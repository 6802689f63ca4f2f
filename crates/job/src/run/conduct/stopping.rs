//! What ends a run before its time: somebody asked for it, or its policy is met.

use pexec::Executor;

use super::Conductor;
use crate::event::Kind;
use crate::plan::When;
use crate::run::flight::Asked;
use crate::run::judge::Stopped;

impl<E: Executor> Conductor<'_, E> {
    /// Nothing forbids to start something.
    pub(super) fn goes_on(&self) -> bool {
        self.asked == 0 && self.halted.is_none() && self.broken.is_none() && self.teller.is_well()
    }

    /// Looks whether the policy is met by what was told so far. Once met, it stays so.
    pub(super) fn heed_policy(&mut self) {
        if let (Some(policy), None) = (self.policy, self.halted) {
            let state = &self.teller.state;
            if policy.is_met(state.counts(), state.planned_complete()) {
                self.halted = Some(policy);
            }
        }
    }

    /// Why attempts are ended that could go on.
    pub(super) fn stopped(&self) -> Option<Stopped> {
        match (self.signal, self.halted) {
            (Some(signal), _) => Some(Stopped::Signal(signal)),
            (None, Some(policy)) => Some(Stopped::Halt(policy)),
            (None, None) => None,
        }
    }

    /// Passes on to what is under way that the run is to end.
    pub(super) fn heed_stop(&mut self) {
        let (asked, signal) = self.options.stop.asked();
        if asked > 0 {
            self.signal = signal;
        }
        while self.asked < asked.min(2) {
            self.asked += 1;
            self.teller.event(Kind::Signal {
                signal: signal.unwrap_or_default(),
                again: self.asked == 2,
            });
        }
        let wish = match (self.asked, self.halted.map(|policy| policy.when)) {
            (0, None) => return,
            (0, Some(When::Soon)) => Asked::Nothing,
            (0, Some(When::Now)) | (1, _) => Asked::Stop,
            _ => Asked::Kill,
        };
        // Every turn: a wish can miss an attempt that is between two states just now. What has not started is taken
        // back before anything is asked to stop: a worker that is free again would start it.
        for flight in self.flights.values_mut() {
            flight.take_back();
        }
        for flight in self.flights.values_mut() {
            flight.ask(wish);
        }
    }
}
