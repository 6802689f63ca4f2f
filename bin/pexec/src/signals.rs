//! INT, TERM and HUP become an orderly stop; and so does a closed standard output. TSTP becomes a pause,
//! USR1 the question what runs.
//!
//! Owned here: how often the run was asked to stop. The first time nothing new starts and what runs gets its
//! kill ladder, the second time everything is killed.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use pexec_job::run::{Glance, Stop};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGUSR1};
use signal_hook::iterator::{Handle, Signals};

use crate::pause::Pause;

/// Signals that come within this time of one that counted are the same wish: a terminal, a service manager
/// and a wrapper often all send theirs.
const SAME_WISH: Duration = Duration::from_secs(1);

/// Asks the run to stop; any thread may.
#[derive(Clone)]
pub(crate) struct Interrupt {
    stop: Stop,
    asked: Arc<AtomicU32>,
    first: Arc<OnceLock<i32>>,
    presses: Arc<Mutex<Presses>>,
}

impl Interrupt {
    /// One that nobody has used.
    pub(crate) fn new(stop: Stop) -> Interrupt {
        Interrupt {
            stop,
            asked: Arc::default(),
            first: Arc::default(),
            presses: Arc::default(),
        }
    }

    /// Asks because of this signal.
    pub(crate) fn ask(&self, signal: i32) {
        let mut presses = self.presses.lock().unwrap_or_else(|e| e.into_inner());
        if presses.counts(Instant::now()) {
            // Before the stop itself: who sees the run stopping must also see that it was asked to.
            self.first.get_or_init(|| signal);
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.stop.ask(signal);
        }
    }

    /// Asks because of this signal, unless somebody asked before.
    pub(crate) fn ask_first(&self, signal: i32) {
        if self.asked() == 0 {
            self.ask(signal);
        }
    }

    /// The first signal that counted.
    pub(crate) fn first(&self) -> Option<i32> {
        self.first.get().copied()
    }

    /// What the run looks at.
    pub(crate) fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// How often it counted.
    pub(crate) fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
}

/// Which signals count.
#[derive(Default)]
struct Presses {
    last: Option<Instant>,
}

impl Presses {
    fn counts(&mut self, now: Instant) -> bool {
        let repeat = self
            .last
            .is_some_and(|last| now.saturating_duration_since(last) < SAME_WISH);
        if !repeat {
            self.last = Some(now);
        }
        !repeat
    }
}

/// The thread that waits for signals; ends when dropped, but the handlers stay: a signal that comes while the
/// command says its last words must not cut them off.
pub(crate) struct Watch {
    handle: Handle,
    thread: Option<thread::JoinHandle<()>>,
}

impl Watch {
    /// Watches every such signal that was not ignored when the command was started: `nohup` and shells that put
    /// a command into the background ignore some on purpose.
    pub(crate) fn start(interrupt: Interrupt, pause: Pause, glance: Glance) -> io::Result<Watch> {
        let ignored = ignored_at_start();
        let wanted = [SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGUSR1]
            .into_iter()
            .filter(|s| ignored & (1 << (s - 1)) == 0);
        let mut signals = Signals::new(wanted)?;
        let handle = signals.handle();
        let thread = thread::Builder::new().name("signals".to_owned()).spawn(move || {
            while !signals.is_closed() {
                let came: Vec<i32> = signals.wait().collect();
                if came.contains(&SIGTSTP) {
                    pause.pause();
                }
                // What came with it, or while everything stood. A second Ctrl-Z of that time is not another wish.
                let more: Vec<i32> = signals.pending().collect();
                for signal in came.into_iter().chain(more).filter(|&signal| signal != SIGTSTP) {
                    match signal {
                        SIGUSR1 => glance.ask(),
                        signal => interrupt.ask(signal),
                    }
                }
            }
        })?;
        Ok(Watch {
            handle,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The mask of ignored signals, from the kernel; without one, none.
fn ignored_at_start() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_within_a_second_are_one_wish() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut presses = Presses::default();
        assert!(presses.counts(at(0)));
        assert!(!presses.counts(at(10)));
        assert!(!presses.counts(at(999)));
        assert!(presses.counts(at(1000)));
        assert!(!presses.counts(at(1500)));
        assert!(presses.counts(at(2100)));
    }

    #[test]
    fn a_rust_program_ignores_sigpipe_from_the_start_and_the_mask_says_so() {
        assert_ne!(ignored_at_start() & (1 << (signal_hook::consts::SIGPIPE - 1)), 0);
    }
}
