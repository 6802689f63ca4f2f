//! Starting a program as the leader of a process group of its own, at the least cost: the child borrows this process's
//! memory until it has become the program, so nothing is copied, and all that it does is a few system calls on values
//! that lay ready before. The C library's `posix_spawn` does the same, but asks and sets every signal's disposition
//! one by one and maps a stack each time, which is a tenth of what a short command costs.
//!
//! What the program finds: the given streams and no other descriptor that is closed on exec, the caller's signal mask,
//! SIGPIPE as a program expects it, and no handler.
#![allow(unsafe_code)]

use std::ffi::{CString, OsStr, c_char, c_int, c_void};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::ptr;
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SigSet, SigmaskHow};

use crate::confine::Confines;
use crate::reap;

/// A program and what it is given.
#[derive(Debug)]
pub struct Launch<'a> {
    /// The program, looked for in the `PATH` that it is given unless there is a `/` in it, and its arguments.
    pub argv: &'a [&'a OsStr],
    /// Its whole environment, `NAME=VALUE` each.
    pub env: Environment,
    /// Its working directory; a relative program is relative to it.
    pub dir: &'a OsStr,
    /// Standard input, output and error.
    pub streams: [BorrowedFd<'a>; 3],
    /// What it may use.
    pub confines: Confines,
    /// The [door](crate::cgroup::Leaf::door) of the cgroup that it runs in, if that is not ours.
    pub door: Option<BorrowedFd<'a>>,
}

/// Variables for a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(Strings);

impl Environment {
    /// The variables of this process.
    pub fn inherited() -> Environment {
        let mut env = Environment::default();
        for (name, value) in std::env::vars_os() {
            env.0.push(&[name.as_bytes(), b"=", value.as_bytes()]);
        }
        env
    }

    /// Sets a variable, whatever it was before.
    pub fn set(&mut self, name: &OsStr, value: &OsStr) {
        let same = |set: &[u8]| {
            let rest = set.strip_prefix(name.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"="))
        };
        if self.0.iter().any(same) {
            let mut kept = Strings::default();
            for other in self.0.iter().filter(|set| !same(set)) {
                kept.push(&[other]);
            }
            self.0 = kept;
        }
        self.0.push(&[name.as_bytes(), b"=", value.as_bytes()]);
    }

    fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.0
            .iter()
            .find_map(|set| set.strip_prefix(name)?.strip_prefix(b"="))
    }
}

/// Strings as the kernel reads them: one behind the other, each with a zero at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Strings {
    bytes: Vec<u8>,
    /// Where each one ends, its zero included.
    ends: Vec<usize>,
}

impl Strings {
    /// One more, of these parts.
    fn push(&mut self, parts: &[&[u8]]) {
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.push(0);
        self.ends.push(self.bytes.len());
    }

    /// All of them, without their zeros.
    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(from, to)| &self.bytes[from..to - 1])
    }

    /// Pointers to each, and a null one behind. They are good for as long as this is not changed.
    fn pointers(&self) -> io::Result<Vec<*const c_char>> {
        if self.iter().any(|text| text.contains(&0)) {
            let why = "there is a zero byte in an argument or a variable";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let each = self.iter().map(|text| text.as_ptr().cast());
        Ok(each.chain([ptr::null()]).collect())
    }
}

/// Room for what the child does, which is no more than calls of the kernel, one inside the other at most.
const STACK: usize = 32 << 10;

/// Where a program is looked for if the environment does not say.
const USUAL_PATH: &[u8] = b"/bin:/usr/bin";

/// Everything that the child needs, and the place for why it failed.
struct Recipe<'a> {
    /// Where the program may be.
    candidates: &'a [*const c_char],
    argv: &'a [*const c_char],
    env: &'a [*const c_char],
    dir: &'a CString,
    streams: [c_int; 3],
    confines: Confines,
    door: Option<BorrowedFd<'a>>,
    /// The caller's signal mask.
    mask: SigSet,
    /// An error number; 0: none.
    failed: AtomicI32,
}

impl Launch<'_> {
    /// Starts it. Back comes its process id, which is its group's too; reap it with [`reap`].
    ///
    /// # Errors
    ///
    /// What the kernel says, with its number: no such program or directory, no processes left, a bound that cannot be
    /// set (see [`refused`](crate::confine::refused)).
    pub fn start(&self) -> io::Result<i32> {
        let candidates = self.candidates();
        let mut argv = Strings::default();
        for word in self.argv {
            argv.push(&[word.as_bytes()]);
        }
        let dir = CString::new(self.dir.as_bytes())?;
        // A stream that lies where another one goes would be lost before its turn.
        let [stdin, stdout, stderr] = &self.streams;
        let high = [high(stdin)?, high(stdout)?, high(stderr)?];
        let at = |place: usize| high[place].as_ref().map_or(self.streams[place], AsFd::as_fd);
        let all = SigSet::all();
        let mut mask = SigSet::empty();
        let recipe = Recipe {
            candidates: &candidates.pointers()?,
            argv: &argv.pointers()?,
            env: &self.env.0.pointers()?,
            dir: &dir,
            streams: [0, 1, 2].map(|place| at(place).as_raw_fd()),
            confines: self.confines,
            door: self.door,
            // No handler of this process may run in the child, which has its memory: so nothing is let through
            // before there are none.
            mask: {
                nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_BLOCK, Some(&all), Some(&mut mask))?;
                mask
            },
            failed: AtomicI32::new(0),
        };
        let started = recipe.start();
        nix::sys::signal::pthread_sigmask(SigmaskHow::SIG_SETMASK, Some(&mask), None)?;
        let pid = started?;
        match recipe.failed.load(Ordering::Relaxed) {
            0 => Ok(pid),
            errno => {
                // It has ended already.
                let _ = reap::reap_blocking(pid);
                Err(io::Error::from_raw_os_error(errno))
            }
        }
    }

    /// Where the program may be, in order.
    fn candidates(&self) -> Strings {
        let program = self.argv.first().map_or(&b""[..], |word| word.as_bytes());
        let mut found = Strings::default();
        if program.is_empty() || program.contains(&b'/') {
            found.push(&[program]);
            return found;
        }
        let path = self.env.get(b"PATH").unwrap_or(USUAL_PATH);
        for dir in path.split(|byte| *byte == b':') {
            match dir {
                b"" => found.push(&[program]),
                dir => found.push(&[dir, b"/", program]),
            }
        }
        found
    }
}

/// A copy of a descriptor that is one of the first three.
fn high(fd: &BorrowedFd<'_>) -> io::Result<Option<OwnedFd>> {
    match fd.as_raw_fd() > 2 {
        true => Ok(None),
        false => fd.try_clone_to_owned().map(Some),
    }
}

impl Recipe<'_> {
    fn start(&self) -> io::Result<i32> {
        let mut stack = Vec::<u128>::with_capacity(STACK / size_of::<u128>());
        let top = stack.spare_capacity_mut().as_mut_ptr_range().end;
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        let recipe = ptr::from_ref(self).cast_mut().cast::<c_void>();
        // SAFETY: the child runs `become_it` on a stack of its own, which lives as long as this call: with VFORK that
        // returns only once the child has become another program or has ended. Until then this thread stands still, so
        // what the recipe refers to is there and nobody changes it. Every signal is blocked, so nothing else runs in the
        // child. It has this thread's record in the C library for its own, and uses nothing of it but the error number.
        let pid = unsafe { libc::clone(become_it, top.cast(), flags, recipe) };
        match pid {
            -1 => Err(io::Error::last_os_error()),
            pid => Ok(pid),
        }
    }

    /// Becomes the program, or tells why it cannot. System calls only: no allocation, no lock, no panic.
    fn carry_out(&self) -> io::Error {
        forget_handlers();
        let failed = |done: c_int| match done {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(()),
        };
        let prepare = || -> io::Result<()> {
            // SAFETY: a call on numbers.
            failed(unsafe { libc::setpgid(0, 0) })?;
            for (place, stream) in (0..).zip(self.streams) {
                // SAFETY: a call on numbers; the child's descriptors are its own.
                failed(unsafe { libc::dup2(stream, place) })?;
            }
            // SAFETY: a string with a zero at its end.
            failed(unsafe { libc::chdir(self.dir.as_ptr()) })?;
            self.confines.apply(self.door)?;
            self.mask.thread_set_mask()?;
            Ok(())
        };
        if let Err(error) = prepare() {
            return error;
        }
        let mut why = io::Error::from_raw_os_error(libc::ENOENT);
        for candidate in self.candidates.iter().filter(|path| !path.is_null()) {
            // SAFETY: strings with zeros at their ends, in lists with a null pointer at theirs.
            unsafe { libc::execve(*candidate, self.argv.as_ptr(), self.env.as_ptr()) };
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                // It may be further on. That one was there and may not be run is the better reason in the end.
                Some(libc::ENOENT | libc::ENOTDIR) if why.raw_os_error() == Some(libc::EACCES) => {}
                Some(libc::ENOENT | libc::ENOTDIR | libc::EACCES) => why = error,
                _ => return error,
            }
        }
        why
    }
}

extern "C" fn become_it(recipe: *mut c_void) -> c_int {
    // SAFETY: what `start` has given, which is there until this child has ended or become another program.
    let recipe = unsafe { &*recipe.cast::<Recipe<'_>>() };
    let error = recipe.carry_out();
    let errno = error.raw_os_error().unwrap_or(libc::EIO);
    recipe.failed.store(errno, Ordering::Relaxed);
    127
}

/// Puts every signal that has a handler back to its default, and SIGPIPE, which this process ignores. What the user has
/// had ignored stays so.
fn forget_handlers() {
    /// The last signal of the kernel.
    const LAST: c_int = 64;
    let mut default = MaybeUninit::<libc::sigaction>::zeroed();
    for signal in 1..=LAST {
        let mut now = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: reads no action, and writes one to a local of that type.
        let known = unsafe { libc::sigaction(signal, ptr::null(), now.as_mut_ptr()) } == 0;
        // SAFETY: zeroed at the start: numbers, and a pointer that may be null.
        let handler = unsafe { now.assume_init_ref() }.sa_sigaction;
        let is_handled = known && handler != libc::SIG_DFL && handler != libc::SIG_IGN;
        if is_handled || signal == libc::SIGPIPE {
            // SAFETY: zeros are the default action, with no flags and nothing blocked.
            unsafe { libc::sigaction(signal, default.as_mut_ptr(), ptr::null_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::confine::{kept_out, refused};
    use crate::reap::{Exit, reap_blocking};
    use std::fs::File;
    use std::io::Read;

    /// What the program writes, and how it ends.
    fn run(argv: &[&str], env: Environment, dir: &str, confines: Confines) -> io::Result<(String, Exit)> {
        let argv: Vec<&OsStr> = argv.iter().map(OsStr::new).collect();
        let null = File::open("/dev/null")?;
        let (mut ours, theirs) = io::pipe()?;
        let launch = Launch {
            argv: &argv,
            env,
            dir: OsStr::new(dir),
            streams: [null.as_fd(), theirs.as_fd(), theirs.as_fd()],
            confines,
            door: None,
        };
        let pid = launch.start()?;
        drop(theirs);
        let mut text = String::new();
        ours.read_to_string(&mut text)?;
        Ok((text, reap_blocking(pid)?.exit))
    }

    fn plain(argv: &[&str]) -> io::Result<(String, Exit)> {
        run(argv, Environment::inherited(), "/", Confines::default())
    }

    fn env(variables: &[(&str, &str)]) -> Environment {
        let mut env = Environment::default();
        for (name, value) in variables {
            env.set(OsStr::new(name), OsStr::new(value));
        }
        env
    }

    #[test]
    fn a_program_leads_its_group_in_its_directory_with_its_environment_and_nothing_else() {
        let script = "echo $$ $(ps -o pgid= -p $$); pwd; echo $A $B; ls /proc/self/fd | wc -l";
        let variables = [("A", "1"), ("B", "2"), ("A", "3"), ("PATH", "/usr/bin:/bin")];
        let (text, exit) = run(
            &["sh", "-c", script],
            env(&variables),
            "/usr",
            Confines::default(),
        )
        .expect("started");
        let lines: Vec<&str> = text.lines().collect();
        let ids: Vec<&str> = lines[0].split(' ').collect();
        assert_eq!(ids[0], ids[1], "{text}");
        let mut usual = std::process::Command::new("sh");
        let usual = usual
            .args(["-c", "ls /proc/self/fd | wc -l"])
            .output()
            .expect("started");
        let inherited = String::from_utf8_lossy(&usual.stdout).trim().to_owned();
        assert_eq!(lines[1..], ["/usr", "3 2", &inherited]);
        assert_eq!(exit, Exit::Code(0));
    }

    #[test]
    fn a_program_is_looked_for_in_the_path_that_it_is_given() {
        let path = |path: &str| env(&[("PATH", path)]);
        let run = |name: &str, dirs: &str, dir: &str| run(&[name], path(dirs), dir, Confines::default());
        assert!(run("true", "/nowhere:/dev/null:/usr/bin:/bin", "/").is_ok());
        // A part of it that is empty is the working directory.
        assert!(run("true", "/nowhere:", "/usr/bin").is_ok());
        assert!(run("./true", "/nowhere", "/usr/bin").is_ok());
        assert!(
            run_without_path().is_ok(),
            "there is a usual path for a program that is given none"
        );
        let errno = |name, dirs| run(name, dirs, "/").expect_err("refused").raw_os_error();
        assert_eq!(errno("true", "/nowhere"), Some(libc::ENOENT));
        assert_eq!(errno("", "/usr/bin"), Some(libc::ENOENT));
        // `/etc/passwd` is there, and is no program.
        assert_eq!(errno("passwd", "/nowhere:/etc:/nowhere"), Some(libc::EACCES));
    }

    fn run_without_path() -> io::Result<(String, Exit)> {
        run(&["true"], Environment::default(), "/", Confines::default())
    }

    #[test]
    fn programs_start_while_other_threads_allocate_and_start_theirs() {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                std::thread::spawn(move || {
                    for n in 0..25 {
                        let word = format!("{thread}-{n}").repeat(n + 1);
                        let (text, exit) = plain(&["echo", &word]).expect("started");
                        assert_eq!((text.trim(), exit), (word.as_str(), Exit::Code(0)));
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().expect("no program got another one's words");
        }
    }

    #[test]
    fn a_program_that_cannot_start_leaves_no_child() {
        let refused = plain(&["/nowhere/at/all"]).expect_err("not there");
        assert_eq!(refused.raw_os_error(), Some(libc::ENOENT));
        let refused = run(
            &["/bin/true"],
            Environment::inherited(),
            "/nowhere",
            Confines::default(),
        );
        assert_eq!(
            refused.expect_err("no such directory").raw_os_error(),
            Some(libc::ENOENT)
        );
        let zero = plain(&["/bin/true", "a\0b"]).expect_err("no argument has a zero");
        assert_eq!(zero.kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn signals_are_as_a_program_expects_them() {
        use nix::sys::signal::{SaFlags, SigAction, SigHandler, Signal, sigaction};
        extern "C" fn nothing(_: c_int) {}
        let handled = SigAction::new(SigHandler::Handler(nothing), SaFlags::SA_RESTART, SigSet::empty());
        // SAFETY: the handler does nothing.
        unsafe { sigaction(Signal::SIGWINCH, &handled) }.expect("set");
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGURG);
        blocked.thread_block().expect("blocked");
        let (text, _) = plain(&["cat", "/proc/self/status"]).expect("started");
        let mask = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            u64::from_str_radix(line.expect("told").trim(), 16).expect("a mask")
        };
        let bit = |signal: Signal| 1_u64 << (signal as i32 - 1);
        assert_eq!(mask("SigBlk:"), bit(Signal::SIGURG), "the mask is the caller's");
        assert_eq!(mask("SigCgt:"), 0);
        assert_eq!(mask("SigIgn:") & bit(Signal::SIGPIPE), 0);
        let own = SigSet::thread_get_mask().expect("known");
        assert_eq!(own, blocked, "and the caller has it again");
    }

    #[test]
    fn a_program_starts_with_its_confines() {
        let confines = Confines {
            open_files: Some(20),
            cpu_seconds: Some(7),
            nice: 3,
        };
        let script = "ulimit -Sn; ulimit -Hn; ulimit -St; nice";
        let (own, _) = plain(&["nice"]).expect("started");
        let own: i32 = own.trim().parse().expect("a number");
        let told = run(&["sh", "-c", script], Environment::inherited(), "/", confines);
        let (told, _) = told.expect("started");
        assert_eq!(told, format!("20\n20\n7\n{}\n", (own + 3).min(19)));
    }

    #[test]
    fn a_program_that_cannot_enter_its_cgroup_does_not_start() {
        let null = File::open("/dev/null").expect("opened to be read only");
        let launch = Launch {
            argv: &[OsStr::new("true")],
            env: Environment::inherited(),
            dir: OsStr::new("/"),
            streams: [null.as_fd(); 3],
            confines: Confines::default(),
            door: Some(null.as_fd()),
        };
        let error = launch.start().expect_err("refused");
        assert!(kept_out(&error), "{error}");
        let told = refused(&error).expect("one of ours");
        assert!(told.starts_with("it cannot enter its cgroup: "), "{told}");
        assert!(!kept_out(&io::Error::from_raw_os_error(libc::ENOENT)));
    }

    #[test]
    fn a_bound_that_cannot_be_set_is_named() {
        let confines = Confines {
            open_files: Some(1),
            ..Confines::default()
        };
        // The program itself is there: what it cannot do with one descriptor is load its library.
        let (_, exit) = run(&["/bin/true"], Environment::inherited(), "/", confines).expect("started");
        assert_ne!(exit, Exit::Code(0));
        assert_eq!(refused(&plain(&["/nowhere"]).expect_err("not there")), None);
    }
}
