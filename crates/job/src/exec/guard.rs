//! Watches over the memory of a function that runs in this worker.
//!
//! The function has no process of its own, so the worker ends with it. Why is written into a file before, for the run
//! to find under the attempt's name.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use nix::sys::signal::Signal;
use pexec_ipc::process::kill_group;

use super::meter::Meter;
use super::{Notes, StopReason};
use crate::limits::Limits;

/// A thread that watches until this is dropped.
pub(super) struct Guard {
    watch: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Guard {
    /// Watches this process, if there is a limit; the error says why it cannot.
    pub(super) fn over(limits: &Limits, notes: &Notes) -> Result<Guard, String> {
        // The kernel keeps the rest for a process by itself.
        let memory = Limits {
            memory: limits.memory,
            ..Limits::default()
        };
        if memory.memory.is_none() {
            return Ok(Guard { watch: None });
        }
        let file = excess_file(notes);
        let pid = std::process::id() as i32;
        let (sender, over) = channel::<()>();
        let thread = thread::Builder::new()
            .name("pexec-memory".to_owned())
            .spawn(move || {
                let mut meter = Meter::new(&memory, pid, Instant::now());
                while let Some(due) = meter.due() {
                    let left = due.saturating_duration_since(Instant::now());
                    if over.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                        return;
                    }
                    if let Some(StopReason::Memory { used }) = meter.look(Instant::now()) {
                        let _ = fs::write(&file, used.to_string());
                        meter.kill_strays();
                        kill_group(pid, Signal::SIGKILL);
                    }
                }
            })
            .map_err(|error| format!("its memory cannot be watched: {error}"))?;
        Ok(Guard {
            watch: Some((sender, thread)),
        })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.watch.take() {
            drop(sender);
            // It panics nowhere, and who waits here must not.
            let _ = thread.join();
        }
    }
}

/// How much memory an attempt held that was ended for it.
pub(super) fn excess(notes: &Notes) -> Option<u64> {
    fs::read_to_string(excess_file(notes)).ok()?.parse().ok()
}

pub(super) fn discard(notes: &Notes) {
    let _ = fs::remove_file(excess_file(notes));
}

fn excess_file(notes: &Notes) -> PathBuf {
    Path::new(notes.spill_dir.as_os_str()).join(format!(".pexec-{}.mem", notes.token))
}
