//! Tells the sink, and folds only what it took: so the state never knows of something that was not written down.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::{Flying, OutputChunk, Sink};
use crate::event::{Event, Kind};
use crate::exec::Captured;
use crate::secrets::Secrets;
use crate::state::RunState;

/// Two calls of `idle` are at least this far apart.
const IDLE: Duration = Duration::from_millis(25);

/// The run's voice.
pub(super) struct Teller<'a> {
    sink: &'a mut dyn Sink,
    secrets: Secrets,
    pub(super) state: RunState,
    seq: u64,
    salt: Option<u32>,
    idled: Instant,
    events_ok: bool,
    output_ok: bool,
    error: Option<io::Error>,
}

impl<'a> Teller<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink, first_seq: u64, secrets: Secrets) -> Teller<'a> {
        Teller {
            sink,
            secrets,
            state: RunState::new(),
            seq: first_seq,
            // Another one for each start of a run: nobody has to guess it, it only must not be the same by chance.
            salt: Some(RandomState::new().hash_one(first_seq) as u32),
            idled: Instant::now(),
            events_ok: true,
            output_ok: true,
            error: None,
        }
    }

    /// Tells an event. False: it was not taken, and must have no consequences.
    pub(super) fn event(&mut self, kind: Kind) -> bool {
        self.event_before(kind, Duration::ZERO)
    }

    /// Tells an event that happened so long ago.
    pub(super) fn event_before(&mut self, mut kind: Kind, ago: Duration) -> bool {
        if self.events_ok {
            self.secrets.hide_event(&mut kind);
            let now = Timestamp::now();
            let event = Event::new(self.seq, now.checked_sub(ago).unwrap_or(now), kind).salted(self.salt);
            match self.sink.event(&event) {
                Ok(()) => {
                    self.seq += 1;
                    self.state.apply(&event);
                }
                Err(error) => self.refused(error),
            }
        }
        self.idle();
        self.events_ok
    }

    /// Keeps what an attempt wrote.
    pub(super) fn keep(&mut self, stdout: &Captured, stderr: &Captured) -> Option<u64> {
        self.ask(|sink| sink.keep(stdout, stderr)).flatten()
    }

    /// What was told so far is written. False: it is not, and must have no consequences.
    pub(super) fn flush(&mut self) -> bool {
        self.ask(|sink| sink.flush()).is_some()
    }

    /// Every event with a smaller number is safe; `None`: nothing is any more.
    pub(super) fn durable(&mut self, haste: bool) -> Option<u64> {
        self.ask(|sink| sink.durable(haste))
    }

    fn ask<T>(&mut self, ask: impl FnOnce(&mut dyn Sink) -> io::Result<T>) -> Option<T> {
        if !self.events_ok {
            return None;
        }
        ask(self.sink).map_err(|error| self.refused(error)).ok()
    }

    /// Something was to be told and cannot be: from now on nothing is.
    pub(super) fn refused(&mut self, error: io::Error) {
        self.events_ok = false;
        self.output_ok = false;
        self.error.get_or_insert(error);
    }

    /// The number of the next event.
    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    /// Gives output.
    pub(super) fn output(&mut self, chunk: OutputChunk<'_>) {
        if self.output_ok
            && let Err(error) = self.sink.output(chunk)
        {
            self.output_ok = false;
            self.error.get_or_insert(error);
        }
    }

    /// Whether the sink wants what this instance writes before it has ended.
    pub(super) fn follows(&self, place: (usize, u64)) -> bool {
        self.output_ok && self.sink.follows(place)
    }

    /// Tells what runs, to who has asked.
    pub(super) fn glance(&mut self, running: &[Flying]) {
        self.sink.glance(running);
    }

    /// The sink refused nothing so far.
    pub(super) fn is_well(&self) -> bool {
        self.error.is_none()
    }

    /// Lets the sink breathe, if it is time to.
    pub(super) fn idle(&mut self) {
        if self.idled.elapsed() >= IDLE {
            self.sink.idle();
            self.idled = Instant::now();
        }
    }

    /// The state, and what the sink refused first.
    pub(super) fn finish(self) -> (RunState, Option<io::Error>) {
        (self.state, self.error)
    }
}
