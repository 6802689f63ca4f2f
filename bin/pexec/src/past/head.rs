//! A run in a line: what it was, how far it came, how it ended.

use std::time::Duration;

use jiff::Timestamp;
use pexec_job::event::{Counts, Event, Kind};
use pexec_job::record::{Error, Record};
use pexec_job::state::RunState;
use pexec_job::text::Text;
use signal_hook::low_level::signal_name;

use crate::wording;

/// What is told of a run as a whole.
#[derive(Default)]
pub(crate) struct Head {
    state: RunState,
    began: Option<Timestamp>,
    /// The job's directory.
    pub(crate) dir: Text,
    /// Who is writing the record now.
    holder: Option<Option<u32>>,
}

impl Head {
    /// Before the first event of this record.
    pub(crate) fn of(record: &Record) -> Head {
        Head {
            // Asked first: a run that ends meanwhile has its last word in the events.
            holder: record.holder().ok().flatten(),
            ..Head::default()
        }
    }

    /// The whole of it.
    pub(crate) fn read(record: &Record) -> Result<Head, Error> {
        let mut head = Head::of(record);
        for event in record.events()? {
            head.apply(&event?);
        }
        Ok(head)
    }

    /// Takes the next event in.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.began.get_or_insert(event.at);
        if let Kind::RunStarted { dir, .. } = &event.kind {
            self.dir = dir.clone();
        }
        self.state.apply(event);
    }

    /// The job's name.
    pub(crate) fn job(&self) -> &str {
        self.state.job()
    }

    /// What became of its instances.
    pub(crate) fn counts(&self) -> Counts {
        self.state.counts()
    }

    /// When it began first.
    pub(crate) fn began(&self) -> Option<Timestamp> {
        self.began
    }

    /// From its (last) beginning to its end.
    pub(crate) fn elapsed(&self) -> Duration {
        self.state.elapsed()
    }

    /// In a word: `running`, `killed`, `interrupted`, `halted`, `broken`, `succeeded`, `failed`.
    pub(crate) fn end(&self) -> &'static str {
        let counts = self.state.counts();
        let over = self.state.is_over();
        match self.holder {
            Some(_) if !over => "running",
            _ if !over => "killed",
            _ if self.state.broken().is_some() => "broken",
            _ if self.state.signal().is_some() => "interrupted",
            _ if self.state.halted().is_some() => "halted",
            _ if counts.succeeded == counts.planned => "succeeded",
            _ => "failed",
        }
    }

    /// The same with what more is known of it.
    pub(crate) fn end_in_full(&self) -> String {
        let end = self.end();
        match end {
            "running" => match self.holder.flatten() {
                Some(pid) => format!("still running (process {pid})"),
                None => "still running".to_owned(),
            },
            "killed" if self.began.is_none() => "killed before anything of it was recorded".to_owned(),
            "killed" => "killed: it has no last word".to_owned(),
            "broken" => format!("the pool broke: {}", self.state.broken().unwrap_or_default()),
            "halted" => format!("halted by {}", self.state.halted().unwrap_or_default()),
            "interrupted" => {
                let signal = self.state.signal().unwrap_or_default();
                let name = signal_name(signal).map_or_else(|| format!("signal {signal}"), str::to_owned);
                format!("interrupted by {name}")
            }
            _ => end.to_owned(),
        }
    }

    /// `8 of 10 succeeded, 2 failed`.
    pub(crate) fn tally(&self) -> String {
        let counts = self.state.counts();
        let mut text = format!(
            "{} of {} succeeded",
            wording::count(counts.succeeded),
            wording::count(counts.planned)
        );
        for (n, what) in [
            (counts.failed, "failed"),
            (counts.killed, "stopped"),
            (counts.blocked, "blocked"),
            (counts.not_run() + counts.running, "not run"),
        ] {
            if n > 0 {
                text += &format!(", {} {what}", wording::count(n));
            }
        }
        text
    }
}

/// `2026-11-21 03:00:00` in UTC, as the events have it.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}
