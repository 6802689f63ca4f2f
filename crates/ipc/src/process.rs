//! Starting this program again as a child in a process group of its own, watching and signalling it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::prctl;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, pidfd_open};

/// A change of the environment that a child starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvChange {
    /// Forget everything that would be inherited or was set before.
    Clear,
    /// Set a variable.
    Set(OsString, OsString),
    /// Unset a variable.
    Remove(OsString),
}

/// How to start this program again.
#[derive(Debug)]
pub struct Respawn<'a> {
    /// What `ps` shows as its name.
    pub title: &'a str,
    /// Changes of the environment, in order.
    pub env: &'a [EnvChange],
    /// Its working directory, if not ours.
    pub dir: Option<&'a PathBuf>,
    /// Its standard input.
    pub stdin: OwnedFd,
    /// Its standard output, if not ours.
    pub stdout: Option<OwnedFd>,
    /// Its standard error.
    pub stderr: OwnedFd,
}

/// A child that was started; reap it with [`reap`](crate::reap).
#[derive(Debug)]
pub struct Child {
    /// Its process id, and the id of its process group.
    pub pid: i32,
    /// Readable when it has ended.
    pub pidfd: OwnedFd,
}

impl Respawn<'_> {
    /// Starts the image that runs now, even if its file was replaced or deleted since.
    ///
    /// # Errors
    ///
    /// What the kernel says: no processes, memory or descriptors left; the directory does not exist.
    pub fn start(self) -> io::Result<Child> {
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0(self.title)
            .stdin(self.stdin)
            .stderr(Stdio::from(self.stderr))
            .process_group(0);
        if let Some(stdout) = self.stdout {
            command.stdout(Stdio::from(stdout));
        }
        for change in self.env {
            match change {
                EnvChange::Clear => command.env_clear(),
                EnvChange::Set(key, value) => command.env(key, value),
                EnvChange::Remove(key) => command.env_remove(key),
            };
        }
        if let Some(dir) = self.dir {
            command.current_dir(dir);
        }
        // No pre_exec hook, uid or the like: std then starts the child with posix_spawn, whose cost does not grow
        // with the memory of this process.
        let child = command.spawn()?;
        let pid = child.id() as i32;
        match watch(pid) {
            Ok(pidfd) => Ok(Child { pid, pidfd }),
            Err(error) => {
                // Without a descriptor to watch, nobody would notice its end.
                kill_group(pid, Signal::SIGKILL);
                let _ = crate::reap::reap_blocking(pid);
                Err(error)
            }
        }
    }
}

/// A descriptor that is readable when the process has ended. For a child that was not reaped it is that child's.
///
/// # Errors
///
/// When there is no such process or no descriptors are left.
pub fn watch(pid: i32) -> io::Result<OwnedFd> {
    let pid = rustix::process::Pid::from_raw(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// Signals every process of the group. The caller makes sure that the group is still its own: its leader was not
/// reaped. A group that is gone, or whose members may not be signalled any more, is no error.
pub fn kill_group(pgid: i32, signal: Signal) {
    if pgid > 1 {
        let _ = killpg(Pid::from_raw(pgid), signal);
    }
}

/// Signals one process, with the same care.
pub fn kill(pid: i32, signal: Signal) {
    if pid > 1 {
        let _ = nix::sys::signal::kill(Pid::from_raw(pid), signal);
    }
}

/// The parent's process id.
pub fn parent() -> i32 {
    nix::unistd::getppid().as_raw()
}

/// The children of this process that were not reaped, where /proc tells them.
pub fn children() -> Vec<i32> {
    children_of("self")
}

/// The same for another process, which is stopped: none of them is reaped before it goes on.
pub fn children_of_stopped(pid: i32) -> Vec<i32> {
    children_of(&pid.to_string())
}

fn children_of(process: &str) -> Vec<i32> {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"))
        .into_iter()
        .flatten()
        .flatten();
    let lists = threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a process is stopped by a signal, where /proc tells it. One that a debugger holds is not.
pub fn is_stopped(pid: i32) -> bool {
    state(pid) == Some('T')
}

/// Whether a process has ended, reaped or not.
pub fn has_ended(pid: i32) -> bool {
    matches!(state(pid), None | Some('Z' | 'X'))
}

fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind its name, which may hold anything but is in parentheses.
    stat.rsplit_once(')')?.1.trim_start().chars().next()
}

/// Stops this process as Ctrl-Z does to one that has no handler for it, and returns when it goes on. At once where the
/// kernel does not stop it: in a group that nobody could let go on.
#[allow(unsafe_code)]
pub fn stop_like_the_terminal() {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, raise, sigaction};
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: installs no handler, so nothing runs in a signal's context.
    let Ok(before) = (unsafe { sigaction(Signal::SIGTSTP, &default) }) else {
        return;
    };
    let _ = raise(Signal::SIGTSTP);
    // SAFETY: puts back what was there, which was fit to run.
    let _ = unsafe { sigaction(Signal::SIGTSTP, &before) };
}

/// Asks the kernel to continue this process when its parent's starting thread ends, should it be stopped then.
///
/// SIGCONT does nothing to a process that is not stopped, so a parent whose starting thread ends early does no
/// harm; a stopped process wakes up and can notice that its parent is gone.
///
/// # Errors
///
/// Where the sandbox forbids it.
pub fn continue_when_parent_ends() -> io::Result<()> {
    Ok(prctl::set_pdeathsig(Signal::SIGCONT)?)
}

/// Makes a child the leader of a group of its own, as it does itself: whoever comes first, the other changes nothing.
///
/// # Errors
///
/// When it is not a child of this process.
pub fn lead_group(child: i32) -> io::Result<()> {
    match nix::unistd::setpgid(Pid::from_raw(child), Pid::from_raw(child)) {
        // It has started another program, and so is through with this.
        Err(nix::errno::Errno::EACCES) => Ok(()),
        done => Ok(done?),
    }
}

/// Changes what `ps` shows as the title of this process, where /proc lets it. What does not fit into the title that it
/// was started with is cut off.
pub fn set_title(title: &str) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything but is in parentheses, come the fields from the third on.
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map_or(stat.as_str(), |(_, rest)| rest)
        .split_whitespace()
        .collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let (Some(from), Some(to)) = (field(48), field(49)) else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let room = usize::try_from(to.saturating_sub(from)).unwrap_or(0);
    let mut bytes = vec![0; room];
    let len = title.len().min(room.saturating_sub(1));
    bytes[..len].copy_from_slice(&title.as_bytes()[..len]);
    std::fs::OpenOptions::new()
        .write(true)
        .open("/proc/self/mem")?
        .write_all_at(&bytes, from)
}

/// Names the calling thread, as `ps` and `top` show it.
pub fn name_thread(name: &str) {
    if let Ok(name) = std::ffi::CString::new(name) {
        let _ = prctl::set_name(&name);
    }
}

/// `SIGSEGV` for 11, and so on.
pub fn signal_name(n: i32) -> Option<&'static str> {
    Signal::try_from(n).ok().map(Signal::as_str)
}

/// The threads of this process, where /proc tells them; else the calling one.
fn threads() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc/self/task")
        .into_iter()
        .flatten()
        .flatten();
    let threads: Vec<i32> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    if threads.is_empty() { vec![0] } else { threads }
}

/// Sets the niceness of every thread of this process; those that it starts later take it over.
///
/// # Errors
///
/// What the kernel says: a lower one than it has needs a privilege.
pub fn set_nice(nice: i32) -> io::Result<()> {
    for thread in threads() {
        rustix::process::setpriority_process(rustix::process::Pid::from_raw(thread), nice)?;
    }
    Ok(())
}

/// Sets the CPUs that this process may run on, likewise.
///
/// # Errors
///
/// What the kernel says; `InvalidInput` for a number that no CPU has.
pub fn set_affinity(cpus: &[u32]) -> io::Result<()> {
    let mut set = nix::sched::CpuSet::new();
    for &cpu in cpus {
        let cpu = usize::try_from(cpu).map_err(|_| io::ErrorKind::InvalidInput)?;
        set.set(cpu)?;
    }
    // The kernel leaves out those that do not exist, and says nothing of it.
    for thread in threads() {
        nix::sched::sched_setaffinity(Pid::from_raw(thread), &set)?;
    }
    let got = nix::sched::sched_getaffinity(Pid::from_raw(0))?;
    let all = cpus.iter().all(|&cpu| got.is_set(cpu as usize).unwrap_or(false));
    if all {
        Ok(())
    } else {
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this machine does not have all of them, or this program may not use them",
        ))
    }
}

/// Puts the signals that a task or its children would stumble over back to what a fresh Rust program expects,
/// whatever the parent had and however early this is called: nothing is blocked, SIGPIPE is ignored (so that a
/// write to a closed pipe is an error), and SIGCHLD is not (or no child's end could be learned), nor SIGXCPU (or a limit on
/// CPU time would end nobody).
#[allow(unsafe_code)]
pub fn default_signals() {
    use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, signal, sigprocmask};
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
    // SAFETY: neither installs a handler, so nothing runs in a signal's context.
    let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    // SAFETY: as above.
    let _ = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) };
    // SAFETY: as above.
    let _ = unsafe { signal(Signal::SIGXCPU, SigHandler::SigDfl) };
}

/// Where the running image lies and which one it is: device, inode, size and time of change.
///
/// # Errors
///
/// Where /proc is not mounted.
pub fn image_identity() -> io::Result<[u64; 4]> {
    use std::os::unix::fs::MetadataExt;
    let meta = std::fs::metadata(OsStr::new("/proc/self/exe"))?;
    let changed = (meta.mtime() as u64)
        .wrapping_mul(1_000_000_000)
        .wrapping_add(meta.mtime_nsec() as u64);
    Ok([meta.dev(), meta.ino(), meta.size(), changed])
}
