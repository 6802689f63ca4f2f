//! Forking a process that is the child of our parent, not ours: so a template makes workers that its supervisor can
//! watch, reap and account for like those that it has started itself, and that its own end leaves alone.
//!
//! The C library's `fork` cannot do that, so this calls the kernel, and does in the child what the library would: the
//! kernel writes the child's number where the library keeps its thread's, and the list of robust locks is announced
//! again. What it does not do: handlers of `pthread_atfork` do not run.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};
use std::io;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use crate::cells::Cells;

/// Which of the two processes goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The one that was there before.
    Template,
    /// The new one.
    Child,
}

/// The threads of this process at one moment.
#[derive(Debug)]
pub struct Threads(Vec<i32>);

impl Threads {
    /// Those that there are now.
    ///
    /// # Errors
    ///
    /// Where /proc does not tell.
    pub fn now() -> io::Result<Threads> {
        Ok(Threads(list()?))
    }

    /// The names of those that were not there then. One that has been joined may take the kernel a moment to remove, so
    /// an answer that is not "none" takes this long.
    ///
    /// # Errors
    ///
    /// Where /proc does not tell.
    pub fn new_ones(&self, patience: Duration) -> io::Result<Vec<String>> {
        let since = Instant::now();
        loop {
            let mut new = list()?;
            new.retain(|thread| !self.0.contains(thread));
            if new.is_empty() || since.elapsed() > patience {
                let name = |thread| std::fs::read_to_string(format!("/proc/self/task/{thread}/comm"));
                let names = new.into_iter().filter_map(|thread| name(thread).ok());
                return Ok(names.map(|name| name.trim_end().to_owned()).collect());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn list() -> io::Result<Vec<i32>> {
    let number = |entry: io::Result<std::fs::DirEntry>| entry.ok()?.file_name().to_str()?.parse().ok();
    Ok(std::fs::read_dir("/proc/self/task")?.filter_map(number).collect())
}

/// What the thread that forks has to know of itself.
#[derive(Debug)]
pub struct Forker {
    /// Where the C library keeps the calling thread's number.
    thread: NonNull<AtomicI32>,
    robust: (NonNull<libc::c_void>, usize),
    page: Cells,
}

impl Forker {
    /// For the calling thread, which is the one that forks. `page`: where the kernel puts a child's number before the
    /// child runs, so that whoever shares it knows of the child even if this process ends at once. `before`: the threads
    /// that are left out of account, because they are known to sleep and to hold no lock.
    ///
    /// # Errors
    ///
    /// `ResourceBusy`, with their names, if there are other threads: a lock that one of them holds would be held in a
    /// child for ever. `Unsupported` where the kernel or the C library is one that this does not know.
    pub fn new(page: Cells, before: &Threads) -> io::Result<Forker> {
        const PATIENCE: Duration = Duration::from_secs(1);
        let others = before.new_ones(PATIENCE)?;
        if !others.is_empty() {
            let names = others.join("`, `");
            let text = format!("threads run that a fork would lose: `{names}`");
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        let unknown = |what: &str| io::Error::new(io::ErrorKind::Unsupported, what.to_owned());
        // There the call has its arguments in yet another order.
        if cfg!(target_arch = "s390x") {
            return Err(unknown("this machine's way to fork is not known"));
        }
        let thread = thread_word()
            .ok_or_else(|| unknown("this kernel does not say where the C library keeps a thread's number"))?;
        // SAFETY: the kernel writes to this word when the thread ends, so it is mapped and aligned as long as this thread
        // lives; only the library and the kernel write it, never while the thread runs.
        let kept = unsafe { thread.as_ref() }.load(Ordering::Relaxed);
        if kept != nix::unistd::gettid().as_raw() {
            return Err(unknown(
                "this C library does not keep a thread's number where glibc does",
            ));
        }
        let robust = robust_list().ok_or_else(|| unknown("this C library has no list of robust locks"))?;
        Ok(Forker { thread, robust, page })
    }

    /// Forks. The child has the calling thread only.
    ///
    /// # Errors
    ///
    /// What the kernel says: no processes or memory left.
    pub fn fork(&self) -> io::Result<Side> {
        const FLAGS: c_int = libc::CLONE_PARENT
            | libc::CLONE_PARENT_SETTID
            | libc::CLONE_CHILD_SETTID
            | libc::CLONE_CHILD_CLEARTID
            | libc::SIGCHLD;
        let flags = c_long::from(FLAGS);
        let told = self.page.forked_word().as_ptr();
        let thread = self.thread.as_ptr();
        let no_stack = ptr::null_mut::<libc::c_void>();
        // SAFETY: without a stack of its own and without shared memory the child goes on as `fork`'s would. This thread
        // was the only one when this was made, but for those that sleep without a lock, and nothing of ours has
        // started one since; so no lock is held and no structure of the library is half changed in the copy. The two
        // words are mapped for writing: one in the shared page, which `self` keeps, one in this thread's own record,
        // which the child has a copy of. The second stands in two places because the order depends on the machine; the
        // other place is that of a flag which is not set.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, no_stack, told, thread, thread) };
        match pid {
            0 => {
                let (head, size) = self.robust;
                // SAFETY: the list's head lies in this thread's record, at the same place as in the process that it is
                // a copy of, and is empty: no lock of this kind is held between an initializer and a task.
                unsafe { libc::syscall(libc::SYS_set_robust_list, head.as_ptr(), size) };
                Ok(Side::Child)
            }
            pid if pid > 0 => Ok(Side::Template),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

/// The word that the kernel clears when the calling thread ends.
fn thread_word() -> Option<NonNull<AtomicI32>> {
    let mut word = ptr::null_mut::<AtomicI32>();
    // SAFETY: the call writes one pointer, to a local of that size.
    let done = unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut word) };
    NonNull::new(word).filter(|_| done == 0)
}

/// Where the calling thread's list of robust locks begins, and the size of that.
fn robust_list() -> Option<(NonNull<libc::c_void>, usize)> {
    let mut head = ptr::null_mut::<libc::c_void>();
    let mut size = 0_usize;
    // SAFETY: the call writes a pointer and a size, to locals of those types; 0 is the calling thread.
    let done = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut size) };
    Some((NonNull::new(head).filter(|_| done == 0)?, size))
}
