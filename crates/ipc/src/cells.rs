//! A page that a worker and its supervisor share: which task runs, how far it is, which of the tasks that were
//! sent ahead may still be taken back.
//!
//! Either side may be gone or hostile at any moment, so a reader takes nothing here for granted: each value is
//! one atomic word, read once and checked by whoever uses it. The page is a sealed memfd: it can neither shrink
//! (a later access would be SIGBUS) nor grow, and it has no name that could be left behind.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// How many tasks can be under way to one worker.
pub const CELLS: usize = 256;
/// How many process groups a worker can register.
pub const GROUPS: usize = 16;

const SIZE: usize = 4096;

/// Free, or sent and neither started nor taken back.
const SENT: u32 = 1;
const STARTED: u32 = 2;
const RECALLED: u32 = 3;

#[repr(C)]
struct Page {
    running: AtomicU64,
    stop: AtomicU64,
    phase: AtomicU32,
    _reserved: AtomicU32,
    groups: [AtomicI32; GROUPS],
    cells: [AtomicU32; CELLS],
}

const _: () = assert!(size_of::<Page>() <= SIZE);

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

/// One side's mapping of the page.
pub struct Cells {
    page: NonNull<Page>,
    memfd: OwnedFd,
}

// SAFETY: the mapping is reached through atomics only and stays until the value is dropped; which thread does
// either does not matter.
unsafe impl Send for Cells {}
// SAFETY: as above: all of `Page` is atomics.
unsafe impl Sync for Cells {}

impl Cells {
    /// A fresh page.
    ///
    /// # Errors
    ///
    /// What the kernel says to a memfd or a mapping: out of descriptors or memory.
    pub fn create() -> io::Result<Cells> {
        let memfd = memfd_create("pexec-cells", MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING)?;
        nix::unistd::ftruncate(&memfd, SIZE as i64)?;
        fcntl(&memfd, FcntlArg::F_ADD_SEALS(seals()))?;
        Cells::map(memfd)
    }

    /// The page that the other side created.
    ///
    /// # Errors
    ///
    /// When the descriptor is no page of the right size that is sealed against resizing.
    pub fn open(memfd: OwnedFd) -> io::Result<Cells> {
        let have = SealFlag::from_bits_retain(fcntl(&memfd, FcntlArg::F_GET_SEALS)?);
        let size = nix::sys::stat::fstat(&memfd)?.st_size;
        if !have.contains(seals()) || size != SIZE as i64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "not a sealed page of task cells",
            ));
        }
        Cells::map(memfd)
    }

    fn map(memfd: OwnedFd) -> io::Result<Cells> {
        let size = std::num::NonZeroUsize::new(SIZE).ok_or(io::ErrorKind::InvalidInput)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that Rust knows of.
        let page = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, &memfd, 0) }?;
        Ok(Cells {
            page: page.cast(),
            memfd,
        })
    }

    /// The descriptor to pass to the other side.
    pub fn descriptor(&self) -> impl AsFd + '_ {
        &self.memfd
    }

    fn page(&self) -> &Page {
        // SAFETY: the mapping is page-aligned, `SIZE` bytes long and lives as long as `self`; the memory is sealed
        // against shrinking; every bit pattern is valid for atomics, and both processes only use atomics on it.
        unsafe { self.page.as_ref() }
    }

    /// Worker: the task `id` has reached this stage.
    pub fn set_running(&self, id: u64, stage: Stage) {
        let page = self.page();
        page.phase.store(stage as u32, Ordering::Relaxed);
        page.running.store(id, Ordering::Release);
    }

    /// Worker: the running task has reached this stage.
    pub fn set_stage(&self, stage: Stage) {
        self.page().phase.store(stage as u32, Ordering::Release);
    }

    /// Worker: the running task is answered for; the worker is not through with it.
    pub fn set_answered(&self) {
        self.page().running.store(0, Ordering::Release);
    }

    /// Worker: no task runs.
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

    /// Supervisor: asks the task `id` to stop.
    pub fn ask_to_stop(&self, id: u64) {
        self.page().stop.store(id, Ordering::Release);
    }

    /// Worker: which task was asked to stop; 0: none.
    pub fn asked_to_stop(&self) -> u64 {
        self.page().stop.load(Ordering::Acquire)
    }

    fn cell(&self, index: u16) -> Option<&AtomicU32> {
        self.page().cells.get(usize::from(index))
    }

    /// Supervisor: a task is about to be sent in this cell.
    pub fn send(&self, index: u16) {
        if let Some(cell) = self.cell(index) {
            cell.store(SENT, Ordering::Release);
        }
    }

    /// Worker: starts the task in this cell, unless it was taken back. The two sides' exchanges of one word decide
    /// which of them has it, so a task that was taken back never runs.
    pub fn start(&self, index: u16) -> bool {
        self.cell(index).is_some_and(|c| exchange(c, STARTED))
    }

    /// Supervisor: whether the task in this cell has started.
    pub fn has_started(&self, index: u16) -> bool {
        self.cell(index)
            .is_some_and(|cell| cell.load(Ordering::Acquire) == STARTED)
    }

    /// Supervisor: takes the task in this cell back, unless it has started.
    pub fn recall(&self, index: u16) -> bool {
        self.cell(index).is_some_and(|c| exchange(c, RECALLED))
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

    /// The registered groups that can be meant: more than 1, so never "all processes" or init's.
    pub fn groups(&self) -> impl Iterator<Item = i32> + '_ {
        self.page()
            .groups
            .iter()
            .map(|g| g.load(Ordering::Acquire))
            .filter(|&g| g > 1)
    }
}

fn seals() -> SealFlag {
    SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SEAL
}

fn exchange(cell: &AtomicU32, to: u32) -> bool {
    cell.compare_exchange(SENT, to, Ordering::AcqRel, Ordering::Acquire)
        .is_ok()
}

impl Drop for Cells {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `map`, unmapped once; no reference into it outlives `self`. Failure is
        // impossible for a whole mapping at its own address.
        let _ = unsafe { munmap(self.page.cast(), SIZE) };
    }
}

impl std::fmt::Debug for Cells {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cells({:?})", self.running())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Cells, Cells) {
        let ours = Cells::create().unwrap();
        let theirs = Cells::open(ours.memfd.try_clone().unwrap()).unwrap();
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
    fn groups_that_could_mean_everybody_are_never_given() {
        let (supervisor, worker) = pair();
        let place = worker.register_group(4321).unwrap();
        worker.register_group(1).unwrap();
        worker.register_group(-1).unwrap();
        assert_eq!(supervisor.groups().collect::<Vec<_>>(), [4321]);
        worker.forget_group(place);
        assert_eq!(supervisor.groups().count(), 0);
        while worker.register_group(5).is_some() {}
        assert_eq!(supervisor.groups().count(), GROUPS - 2);
    }

    #[test]
    fn a_file_that_could_shrink_is_refused() {
        let memfd = memfd_create("loose", MFdFlags::MFD_ALLOW_SEALING).unwrap();
        nix::unistd::ftruncate(&memfd, SIZE as i64).unwrap();
        assert!(Cells::open(memfd).is_err());
        assert!(Cells::open(std::fs::File::open("/dev/null").unwrap().into()).is_err());
    }
}
