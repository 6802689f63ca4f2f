//! Where a run tells what happens: to the record and the events file first, then to the fold that progress and summary
//! are made of, then to the screen.

use std::io;
use std::time::Duration;

use pexec_job::event::{Event, Kind};
use pexec_job::exec::Captured;
use pexec_job::history::Forecast;
use pexec_job::record::Recorder;
use pexec_job::run::{Flying, OutputChunk, RunClock, Sink, Waker};
use pexec_job::state::RunState;
use signal_hook::consts::SIGPIPE;

use crate::events_file::EventsFile;
use crate::output::Outputs;
use crate::progress::{Counts, Facts, Progress, Running, Show};
use crate::{glance, terminal, wording};

/// The command's end of a run.
pub(crate) struct Console {
    record: Option<Recorder>,
    events: Option<EventsFile>,
    state: RunState,
    outputs: Outputs,
    progress: Progress,
    clock: RunClock,
    forecast: Forecast,
    fault: Option<Fault>,
}

/// What could not be written; the run was ended because of it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The record.
    Record(io::Error),
    /// The events file.
    Events(io::Error),
    /// Standard output.
    Output(io::Error),
}

impl Console {
    /// Nothing told yet.
    pub(crate) fn new(
        record: Option<Recorder>,
        events: Option<EventsFile>,
        outputs: Outputs,
        progress: Progress,
        clock: RunClock,
        forecast: Forecast,
    ) -> Console {
        Console {
            record,
            events,
            state: RunState::new(),
            outputs,
            progress,
            clock,
            forecast,
            fault: None,
        }
    }

    /// Takes progress off the screen, writes what tasks wrote to the last byte, and gives what the run came to.
    pub(crate) fn finish(self) -> (RunState, Forecast, Option<Fault>) {
        let kept = self.record.map(Recorder::finish).and_then(Result::err);
        let followed = self.events.and_then(|mut events| events.flush().err());
        let written = self.outputs.finish().err();
        let fault = self
            .fault
            .or(kept.map(Fault::Record))
            .or(followed.map(Fault::Events))
            .or(written.map(Fault::Output));
        (self.state, self.forecast, fault)
    }

    fn show(&mut self) -> io::Result<()> {
        let facts = Now {
            state: &self.state,
            forecast: &self.forecast,
        };
        match self.progress.tick(self.clock.now(), &facts, terminal::size) {
            None => Ok(()),
            Some(Show::Block(lines)) => {
                self.outputs.show(lines);
                Ok(())
            }
            Some(Show::Line(line)) => {
                let said = self.outputs.say(&line);
                self.note(said, Fault::Output)
            }
        }
    }

    /// Keeps the first fault for the end, and gives the run one like it.
    fn note<T>(&mut self, result: io::Result<T>, fault: fn(io::Error) -> Fault) -> io::Result<T> {
        result.map_err(|error| {
            let copy = io::Error::new(error.kind(), error.to_string());
            self.fault.get_or_insert(fault(error));
            copy
        })
    }
}

impl Sink for Console {
    fn event(&mut self, event: &Event) -> io::Result<()> {
        if self.record.is_some() || self.events.is_some() {
            let line = event.to_line();
            let kept = self.record.as_mut().map_or(Ok(()), |record| record.event(&line));
            self.note(kept, Fault::Record)?;
            let written = self.events.as_mut().map_or(Ok(()), |events| events.event(&line));
            self.note(written, Fault::Events)?;
        }
        self.state.apply(event);
        self.forecast.event(event);
        let ordered = self.outputs.event(event);
        self.note(ordered, Fault::Output)?;
        if let Kind::Signal { signal, again: false } = event.kind
            && signal != SIGPIPE
            && self.state.counts().running > 0
        {
            let running = wording::plural(self.state.counts().running, "running command");
            let said = self.outputs.say(&format!(
                "stopping: {running} told to end; once more kills at once"
            ));
            self.note(said, Fault::Output)?;
        }
        self.show()
    }

    fn output(&mut self, chunk: OutputChunk<'_>) -> io::Result<()> {
        let written = self.outputs.chunk(&chunk);
        self.note(written, Fault::Output)
    }

    fn keep(&mut self, stdout: &Captured, stderr: &Captured) -> io::Result<Option<u64>> {
        let Some(record) = &mut self.record else {
            return Ok(None);
        };
        let kept = record.keep(stdout, stderr);
        self.note(kept, Fault::Record)
    }

    fn flush(&mut self) -> io::Result<()> {
        let kept = self.record.as_mut().map_or(Ok(()), Recorder::flush);
        self.note(kept, Fault::Record)?;
        let written = self.events.as_mut().map_or(Ok(()), EventsFile::flush);
        self.note(written, Fault::Events)
    }

    fn durable(&mut self, haste: bool) -> io::Result<u64> {
        let safe = match &self.record {
            Some(record) => record.durable(haste),
            None => Ok(u64::MAX),
        };
        self.note(safe, Fault::Record)
    }

    fn wakes(&mut self, waker: Waker) {
        if let Some(record) = &self.record {
            record.wakes(waker);
        }
    }

    fn follows(&self, place: (usize, u64)) -> bool {
        self.outputs.follows(place)
    }

    fn glance(&mut self, running: &[Flying]) {
        let text = glance::render(&self.state, running);
        // As for `idle`.
        let said = self.outputs.tell(text);
        let _ = self.note(said, Fault::Output);
    }

    fn idle(&mut self) {
        // What could not be written is noted, and told by the next event or output.
        let _ = self.show();
    }
}

/// The state of things, for progress.
struct Now<'a> {
    state: &'a RunState,
    forecast: &'a Forecast,
}

impl Facts for Now<'_> {
    fn counts(&self) -> Counts {
        Counts {
            instances: self.state.counts(),
            complete: self.state.planned_complete(),
        }
    }

    fn running(&self, most: usize) -> Vec<Running> {
        let now = jiff::Timestamp::now();
        let shown = self.state.running().take(most);
        shown
            .map(|r| Running {
                label: wording::label(&r.who.label),
                since: Duration::try_from(now.duration_since(r.since)).unwrap_or_default(),
            })
            .collect()
    }

    fn left(&self) -> Option<(Duration, Duration)> {
        self.forecast.left(self.state)
    }
}
