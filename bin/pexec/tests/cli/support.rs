//! A test reads as one sentence: what is given, what is typed, what comes of it.
//!
//! Every run happens in a directory of its own, with `TMPDIR` in it and a mark in its environment; when it is
//! over, no file may be left in the one and no process with the other.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal};
use tempfile::TempDir;

/// Nothing takes this long; a run that does is killed and told of.
const WATCHDOG: Duration = Duration::from_secs(120);
const MARK: &str = "PEXEC_TEST_MARK";

/// What is given and typed.
pub(crate) struct Test {
    dir: Rc<TempDir>,
    args: Vec<OsString>,
    stdin: Option<Vec<u8>>,
    env: BTreeMap<String, String>,
    mark: String,
    /// Somebody else has files in the directory for temporary ones.
    shares: bool,
}

impl Test {
    /// An empty directory.
    pub(crate) fn new() -> Test {
        let dir = tempfile::Builder::new()
            .prefix("pexec-cli-")
            .tempdir()
            .expect("a directory");
        fs::create_dir(dir.path().join("tmp")).expect("a directory");
        Test::within(&Rc::new(dir))
    }

    fn within(dir: &Rc<TempDir>) -> Test {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let mark = format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        Test {
            dir: Rc::clone(dir),
            args: Vec::new(),
            stdin: Some(Vec::new()),
            env: BTreeMap::new(),
            mark,
            shares: false,
        }
    }

    /// `pexec run job.toml` with this job file.
    pub(crate) fn job(toml: &str) -> Test {
        Test::new().file("job.toml", toml).args(["run", "job.toml"])
    }

    /// A file in the directory.
    pub(crate) fn file(self, name: impl AsRef<OsStr>, content: impl AsRef<[u8]>) -> Test {
        let path = self.dir.path().join(name.as_ref());
        fs::create_dir_all(path.parent().expect("in the directory")).expect("a directory");
        fs::write(path, content).expect("written");
        self
    }

    /// More arguments.
    pub(crate) fn args<S: Into<OsString>>(mut self, args: impl IntoIterator<Item = S>) -> Test {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// What the command reads; otherwise nothing.
    pub(crate) fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Test {
        self.stdin = Some(bytes.as_ref().to_vec());
        self
    }

    /// Its input stays open, for [`Started::stdin`].
    pub(crate) fn stdin_open(mut self) -> Test {
        self.stdin = None;
        self
    }

    /// A variable in the environment.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Test {
        self.env.insert(name.to_owned(), value.to_owned());
        self
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The command, not started.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pexec"));
        self.prepare(command.args(&self.args));
        command
    }

    /// Another program instead of the command, not started, with `pexec` in its path.
    pub(crate) fn other(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.prepare(&mut command);
        command
    }

    /// This shell script instead of the command, with `pexec` in its path.
    pub(crate) fn shell(self, script: &str) -> Done {
        let mut command = self.other("sh");
        command.args(["-c", script]);
        self.finish(command)
    }

    fn prepare(&self, command: &mut Command) {
        hear_the_keys();
        let bin = Path::new(env!("CARGO_BIN_EXE_pexec"))
            .parent()
            .expect("a directory");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.dir.path())
            .env(MARK, &self.mark)
            .env("TMPDIR", self.dir.path().join("tmp"));
        command.env("PATH", format!("{}:{path}", bin.display()));
        for name in ["PEXEC_LOG", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command
            .envs(&self.env)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// Starts the command and leaves it running.
    pub(crate) fn start(self) -> Started {
        let command = self.command();
        self.started(command)
    }

    /// Starts this command, which was made by this test.
    pub(crate) fn started(self, mut command: Command) -> Started {
        let mut child = command.spawn().expect("the command starts");
        let mut stdin = child.stdin.take();
        let feeder = self
            .stdin
            .clone()
            .zip(stdin.take_if(|_| self.stdin.is_some()))
            .map(|(bytes, mut pipe)| {
                // A command that does not read its input is no error.
                thread::spawn(move || drop(pipe.write_all(&bytes)))
            });
        Started {
            test: self,
            child,
            stdin,
            feeder,
            until: Instant::now() + WATCHDOG,
        }
    }

    /// Runs the command to its end.
    pub(crate) fn run(self) -> Done {
        let command = self.command();
        self.finish(command)
    }

    fn finish(self, command: Command) -> Done {
        self.started(command).done()
    }
}

/// A running command.
pub(crate) struct Started {
    test: Test,
    pub(crate) child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    feeder: Option<thread::JoinHandle<()>>,
    until: Instant,
}

impl Started {
    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        self.test.path()
    }

    /// Another command in the same directory, while this one runs.
    pub(crate) fn beside(&self, words: &str) -> Done {
        let mut test = Test::within(&self.test.dir).args(words.split(' '));
        test.shares = true;
        test.run()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(self.child.id() as i32);
        nix::sys::signal::kill(pid, signal).expect("it still runs");
    }

    /// Waits until there is a file of this name with at least this many lines.
    pub(crate) fn wait_for_lines(&mut self, name: &str, lines: usize) {
        let path = self.path().join(name);
        let enough = || fs::read_to_string(&path).is_ok_and(|text| text.lines().count() >= lines);
        while !enough() {
            assert!(Instant::now() < self.until, "no {lines} lines in {name}");
            assert!(
                self.child.try_wait().expect("ours").is_none(),
                "it ended before {name} had {lines} lines"
            );
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end without reading its output or closing its input.
    pub(crate) fn wait_for_end(&mut self) {
        while self.child.try_wait().expect("ours").is_none() {
            assert!(Instant::now() < self.until, "did not end within {WATCHDOG:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for its end, and that it leaves nothing behind.
    pub(crate) fn done(mut self) -> Done {
        self.stdin = None;
        let collect = |pipe: Option<Box<dyn Read + Send>>| {
            thread::spawn(move || {
                let mut bytes = Vec::new();
                if let Some(mut pipe) = pipe {
                    pipe.read_to_end(&mut bytes).expect("a pipe can be read");
                }
                bytes
            })
        };
        let stdout = collect(self.child.stdout.take().map(|p| Box::new(p) as _));
        let stderr = collect(self.child.stderr.take().map(|p| Box::new(p) as _));
        let mut late = false;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("ours") {
                break status;
            }
            if Instant::now() > self.until && !late {
                late = true;
                self.child.kill().expect("ours");
            }
            thread::sleep(Duration::from_millis(2));
        };
        let left = leftovers(&self.test.mark);
        let stdout = stdout.join().expect("collected");
        let stderr = String::from_utf8_lossy(&stderr.join().expect("collected")).into_owned();
        if let Some(feeder) = self.feeder.take() {
            feeder.join().expect("fed");
        }
        let done = Done {
            status,
            stdout,
            stderr,
            dir: Rc::clone(&self.test.dir),
        };
        assert!(!late, "did not end within {WATCHDOG:?}\n{done}");
        assert!(left.is_empty(), "processes left behind: {left:?}\n{done}");
        if status.signal() == Some(9) {
            // It could not tidy up; who comes after it in this directory is not to be blamed.
            let _ = fs::remove_dir_all(done.path("tmp"));
            fs::create_dir(done.path("tmp")).expect("ours");
        } else if !self.test.shares {
            let files: Vec<_> = fs::read_dir(done.path("tmp"))
                .expect("ours")
                .flatten()
                .map(|e| e.path())
                .collect();
            assert!(files.is_empty(), "files left behind: {files:?}\n{done}");
        }
        done
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // A test that fails on the way must not leave it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processes that carry the mark and do not go away by themselves soon.
fn leftovers(mark: &str) -> Vec<String> {
    let wanted = format!("{MARK}={mark}");
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let found: Vec<String> = fs::read_dir("/proc")
            .expect("proc")
            .flatten()
            .filter(|entry| {
                entry
                    .file_name()
                    .to_str()
                    .is_some_and(|n| n.parse::<u32>().is_ok())
            })
            .filter(|entry| {
                let environ = fs::read(entry.path().join("environ")).unwrap_or_default();
                environ.split(|&b| b == 0).any(|var| var == wanted.as_bytes())
            })
            .map(|entry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                format!(
                    "{} {}",
                    entry.file_name().to_string_lossy(),
                    String::from_utf8_lossy(&line).replace('\0', " ")
                )
            })
            .collect();
        if found.is_empty() || Instant::now() > until {
            return found;
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// What came of it.
pub(crate) struct Done {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    dir: Rc<TempDir>,
}

impl Done {
    /// It ended with this exit code.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Done {
        assert_eq!(self.status.code(), Some(code), "\n{self}");
        self
    }

    /// Exactly this was written to standard output.
    #[track_caller]
    pub(crate) fn stdout(self, expected: impl AsRef<[u8]>) -> Done {
        assert!(
            self.stdout == expected.as_ref(),
            "expected {:?}\n{self}",
            String::from_utf8_lossy(expected.as_ref())
        );
        self
    }

    /// These lines were written to standard output, in any order.
    #[track_caller]
    pub(crate) fn stdout_lines<'a>(self, expected: impl IntoIterator<Item = &'a str>) -> Done {
        let mut expected: Vec<&str> = expected.into_iter().collect();
        expected.sort_unstable();
        assert_eq!(self.sorted_lines(), expected, "\n{self}");
        self
    }

    /// The lines of standard output, sorted.
    pub(crate) fn sorted_lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = String::from_utf8_lossy(&self.stdout)
            .lines()
            .map(str::to_owned)
            .collect();
        lines.sort_unstable();
        lines
    }

    /// Standard error holds all of these.
    #[track_caller]
    pub(crate) fn says<'a>(self, parts: impl IntoIterator<Item = &'a str>) -> Done {
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not said\n{self}");
        }
        self
    }

    /// Standard error holds none of these.
    #[track_caller]
    pub(crate) fn does_not_say<'a>(self, parts: impl IntoIterator<Item = &'a str>) -> Done {
        for part in parts {
            assert!(!self.stderr.contains(part), "`{part}` is said\n{self}");
        }
        self
    }

    /// Another command in the same directory; its words have no spaces in them.
    #[track_caller]
    pub(crate) fn again(&self, words: &str) -> Done {
        Test::within(&self.dir).args(words.split(' ')).run()
    }

    /// A shell script in the same directory.
    pub(crate) fn shell(&self, script: &str) -> Done {
        Test::within(&self.dir).shell(script)
    }

    /// A path in the directory.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The text of a file in the directory.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}\n{self}"))
    }
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let cut = |text: &str| text.chars().take(4000).collect::<String>();
        let stdout = cut(&String::from_utf8_lossy(&self.stdout));
        write!(
            f,
            "{}\n--- stdout\n{stdout}\n--- stderr\n{}\n---",
            self.status,
            cut(&self.stderr)
        )
    }
}

/// Has commands hear the terminal's signals. A shell that runs the tests in the background has them ignored, and what was
/// ignored stays so in all that is started.
#[allow(unsafe_code)]
fn hear_the_keys() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
            // SAFETY: installs no handler, so nothing runs in a signal's context.
            unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl) }.expect("set");
        }
    });
}
