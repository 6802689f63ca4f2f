//! A page that a worker and its supervisor share: which task runs, how far it is, which of the tasks that were
//! sent ahead may still be taken back.
//!
//! Either side may be gone or hostile at any moment, so a reader takes nothing here for granted: each value is
//! one atomic word, read once and checked by whoever uses it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::notes::Left;
use crate::segment::Segment;

/// How many tasks can be under way to one worker.
pub const CELLS: usize = 4096;
/// How many process groups a worker can register.
pub const GROUPS: usize = 16;

/// Free, or sent and neither started nor taken back.
const SENT: u32 = 1;
/// Taken back, all of it or what had not started by then.
const RECALLED: u32 = 3;
/// Started: so many of its items, above this.
const STARTED: u32 = 16;

/// The words, as they lie in the segment.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Page {
    running: AtomicU64,
    stop: AtomicU64,
    phase: AtomicU32,
    /// The process that was forked last, where this is a template's page: put there by the kernel.
    forked: AtomicI32,
    groups: [AtomicI32; GROUPS],
    /// For how many nanoseconds the supervisor has kept this worker stopped.
    suspended: AtomicU64,
    _away: [u64; 4],
    /// Nanoseconds spent on so many tasks.
    spent: AtomicU64,
    served: AtomicU64,
    _further: [u64; 14],
    cells: [AtomicU32; CELLS],
}

/// What a worker does with the task that it names in the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Stage {
    /// No task.
    None = 0,
    /// Reading its argument.
    Receiving = 1,
    /// Deserialising its argument.
    Decoding = 2,
    /// In its function.
    Running = 3,
    /// Serialising its result.
    Encoding = 4,
    /// Sending its result.
    Sending = 5,
}

/// One side's view of the page.
#[derive(Clone)]
pub struct Cells(Arc<Segment>);

impl Cells {
    /// The page of this segment.
    #[must_use]
    pub fn new(segment: Arc<Segment>) -> Cells {
        Cells(segment)
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.0
    }

    /// Supervisor, once the worker has ended: the answers that it had noted.
    #[must_use]
    pub fn left(&self) -> Left {
        Left::of(&self.0)
    }

    #[inline]
    fn page(&self) -> &Page {
        &self.0.head().page
    }

    /// Worker: the task `id` has reached this stage.
    #[inline]
    pub fn set_running(&self, id: u64, stage: Stage) {
        let page = self.page();
        page.phase.store(stage as u32, Ordering::Relaxed);
        page.running.store(id, Ordering::Release);
    }

    /// Worker: the running task has reached this stage.
    #[inline]
    pub fn set_stage(&self, stage: Stage) {
        self.page().phase.store(stage as u32, Ordering::Release);
    }

    /// Worker: the running task is answered for; the worker is not through with it.
    #[inline]
    pub fn set_answered(&self) {
        self.page().running.store(0, Ordering::Release);
    }

    /// Worker: no task runs.
    #[inline]
    pub fn set_idle(&self) {
        let page = self.page();
        page.running.store(0, Ordering::Release);
        page.phase.store(Stage::None as u32, Ordering::Relaxed);
    }

    /// Supervisor: the task that the worker names, and its stage. Only a worker that has ended gives a stable
    /// answer, and only the supervisor's own list says whether the answer can be true.
    pub fn running(&self) -> (u64, Stage) {
        let page = self.page();
        let id = page.running.load(Ordering::Acquire);
        let stage = match page.phase.load(Ordering::Acquire) {
            1 => Stage::Receiving,
            2 => Stage::Decoding,
            3 => Stage::Running,
            4 => Stage::Encoding,
            5 => Stage::Sending,
            _ => Stage::None,
        };
        (id, stage)
    }

    /// Worker: so many tasks have taken so many nanoseconds, since it began.
    pub fn set_pace(&self, served: u64, spent: u64) {
        let page = self.page();
        page.spent.store(spent, Ordering::Relaxed);
        page.served.store(served, Ordering::Relaxed);
    }

    /// Where the kernel is to put the number of a process that a template forks.
    pub(crate) fn forked_word(&self) -> &AtomicI32 {
        &self.page().forked
    }

    /// Supervisor: the process that the template has forked since this was asked last, if any.
    pub fn take_forked(&self) -> Option<i32> {
        Some(self.page().forked.swap(0, Ordering::AcqRel)).filter(|&pid| pid > 1)
    }

    /// Supervisor: how many tasks the worker says to have served, and in how many nanoseconds. The two may be of
    /// different moments.
    pub fn pace(&self) -> (u64, u64) {
        let page = self.page();
        (
            page.served.load(Ordering::Relaxed),
            page.spent.load(Ordering::Relaxed),
        )
    }

    /// Supervisor: asks the task `id` to stop.
    pub fn ask_to_stop(&self, id: u64) {
        self.page().stop.store(id, Ordering::Release);
    }

    /// Worker: which task was asked to stop; 0: none.
    pub fn asked_to_stop(&self) -> u64 {
        self.page().stop.load(Ordering::Acquire)
    }

    #[inline]
    fn cell(&self, index: u16) -> Option<&AtomicU32> {
        self.page().cells.get(usize::from(index))
    }

    /// Supervisor: a task is about to be sent in this cell.
    #[inline]
    pub fn send(&self, index: u16) {
        if let Some(cell) = self.cell(index) {
            cell.store(SENT, Ordering::Release);
        }
    }

    /// Worker: starts the task in this cell, unless it was taken back. The two sides' exchanges of one word decide
    /// which of them has it, so a task that was taken back never runs.
    #[inline]
    pub fn start(&self, index: u16) -> bool {
        self.cell(index).is_some_and(|c| exchange(c, SENT, STARTED + 1))
    }

    /// Worker: goes on to the next item of the task in this cell, of which it has started so many, unless the rest was
    /// taken back; likewise.
    #[inline]
    pub fn start_next(&self, index: u16, started: u32) -> bool {
        self.cell(index)
            .is_some_and(|c| exchange(c, STARTED + started, STARTED + started + 1))
    }

    /// Supervisor: whether the task in this cell has started.
    pub fn has_started(&self, index: u16) -> bool {
        self.started(index) > 0
    }

    /// Supervisor: how many items of the task in this cell have started, as the worker says.
    pub fn started(&self, index: u16) -> u32 {
        let word = self.cell(index).map_or(0, |cell| cell.load(Ordering::Acquire));
        word.saturating_sub(STARTED)
    }

    /// Supervisor: takes the task in this cell back, unless it has started.
    pub fn recall(&self, index: u16) -> bool {
        self.cell(index).is_some_and(|c| exchange(c, SENT, RECALLED))
    }

    /// Supervisor: takes back what has not started of the task in this cell, and says how many items have. `None`: that
    /// was done before.
    pub fn recall_rest(&self, index: u16) -> Option<u32> {
        match self.cell(index)?.swap(RECALLED, Ordering::AcqRel) {
            RECALLED => None,
            word => Some(word.saturating_sub(STARTED)),
        }
    }

    /// Supervisor, before it lets the worker go on: for so much longer no time has passed for it.
    pub fn add_suspended(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.page().suspended.fetch_add(nanos, Ordering::AcqRel);
    }

    /// Worker: for how long it was kept stopped, all in all.
    pub fn suspended(&self) -> Duration {
        Duration::from_nanos(self.page().suspended.load(Ordering::Acquire))
    }

    /// Worker: registers a process group that must not outlive this worker. `None`: all places are taken.
    pub fn register_group(&self, pgid: i32) -> Option<usize> {
        self.page().groups.iter().position(|place| {
            place
                .compare_exchange(0, pgid, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// Worker: the group at this place has ended.
    pub fn forget_group(&self, place: usize) {
        if let Some(place) = self.page().groups.get(place) {
            place.store(0, Ordering::Release);
        }
    }

    /// The registered groups that can be meant: more than 1, so never "all processes" or init's, and never that of the
    /// process that asks.
    pub fn groups(&self) -> impl Iterator<Item = i32> + '_ {
        let own = nix::unistd::getpgrp().as_raw();
        self.page()
            .groups
            .iter()
            .map(|g| g.load(Ordering::Acquire))
            .filter(move |&g| g > 1 && g != own)
    }
}

fn exchange(cell: &AtomicU32, from: u32, to: u32) -> bool {
    cell.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cells({:?})", self.running())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Page {
        /// Where the words lie: running, stop, phase, groups, suspended, spent, served, cells.
        pub(crate) fn offsets() -> [usize; 8] {
            [
                std::mem::offset_of!(Page, running),
                std::mem::offset_of!(Page, stop),
                std::mem::offset_of!(Page, phase),
                std::mem::offset_of!(Page, groups),
                std::mem::offset_of!(Page, suspended),
                std::mem::offset_of!(Page, spent),
                std::mem::offset_of!(Page, served),
                std::mem::offset_of!(Page, cells),
            ]
        }
    }

    fn pair() -> (Cells, Cells) {
        let (ours, memfd) = Segment::create().unwrap();
        let theirs = Segment::open(&memfd).unwrap();
        let (ours, theirs) = (Cells::new(ours), Cells::new(theirs));
        (ours, theirs)
    }

    #[test]
    fn a_task_is_either_started_or_taken_back() {
        let (supervisor, worker) = pair();
        supervisor.send(3);
        assert!(worker.start(3));
        assert!(!supervisor.recall(3));
        supervisor.send(4);
        assert!(supervisor.recall(4));
        assert!(!worker.start(4));
        assert!(!worker.start(9), "nothing was sent there");
        assert!(!worker.start(u16::MAX), "there is no such cell");
    }

    #[test]
    fn the_rest_of_a_task_is_taken_back_once_and_never_runs() {
        let (supervisor, worker) = pair();
        supervisor.send(5);
        assert!(worker.start(5));
        assert!(worker.start_next(5, 1));
        assert_eq!(supervisor.started(5), 2);
        assert_eq!(supervisor.recall_rest(5), Some(2));
        assert_eq!(supervisor.recall_rest(5), None);
        assert!(!worker.start_next(5, 2));
        supervisor.send(5);
        assert_eq!(supervisor.recall_rest(5), Some(0));
        assert!(!worker.start(5));
    }

    #[test]
    fn racing_for_a_cell_has_one_winner() {
        let (supervisor, worker) = pair();
        for _ in 0..2000 {
            supervisor.send(0);
            let (a, b) = std::thread::scope(|s| {
                let a = s.spawn(|| worker.start(0));
                (supervisor.recall(0), a.join().unwrap())
            });
            assert!(a != b);
        }
    }

    #[test]
    fn the_running_task_is_seen_by_the_other_side() {
        let (supervisor, worker) = pair();
        assert_eq!(supervisor.running(), (0, Stage::None));
        worker.set_running(77, Stage::Decoding);
        worker.set_stage(Stage::Running);
        assert_eq!(supervisor.running(), (77, Stage::Running));
        worker.set_idle();
        assert_eq!(supervisor.running(), (0, Stage::None));
        supervisor.ask_to_stop(77);
        assert_eq!(worker.asked_to_stop(), 77);
    }

    #[test]
    fn the_time_that_a_worker_was_kept_stopped_adds_up() {
        let (supervisor, worker) = pair();
        assert_eq!(worker.suspended(), Duration::ZERO);
        supervisor.add_suspended(Duration::from_secs(3));
        supervisor.add_suspended(Duration::from_nanos(7));
        assert_eq!(worker.suspended(), Duration::new(3, 7));
    }

    #[test]
    fn groups_that_could_mean_everybody_or_oneself_are_never_given() {
        let (supervisor, worker) = pair();
        let place = worker.register_group(4321).unwrap();
        worker.register_group(1).unwrap();
        worker.register_group(-1).unwrap();
        worker.register_group(nix::unistd::getpgrp().as_raw()).unwrap();
        assert_eq!(supervisor.groups().collect::<Vec<_>>(), [4321]);
        worker.forget_group(place);
        assert_eq!(supervisor.groups().count(), 0);
        while worker.register_group(5).is_some() {}
        assert_eq!(supervisor.groups().count(), GROUPS - 3);
    }
}
