//! The peers: programs of a folder that print records like ours. What is missing is skipped, and said.

mod limit;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::child::{self, Ran};
use crate::record::Record;

/// Some peers hang.
const DEADLINE: Duration = Duration::from_secs(120);

/// What can be run of the folder.
#[derive(Default)]
pub(crate) struct Peers {
    rust: Option<PathBuf>,
    limit: Option<PathBuf>,
    python: Option<(PathBuf, PathBuf)>,
    skipped: Vec<String>,
}

impl Peers {
    /// Looks for the folder, builds what is to be built.
    pub(crate) fn find(folder: Option<PathBuf>) -> Peers {
        let mut peers = Peers::default();
        let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/peers");
        let folder = folder.unwrap_or(usual);
        if !folder.is_dir() {
            peers.skip(format!(
                "all peers: there is no folder {} (choose one with --peers)",
                folder.display()
            ));
            return peers;
        }
        peers.rust = peers.build(&folder.join("rust"), "rsbench", "procspawn, rayon, bare sockets");
        peers.limit = peers.build(&folder.join("limit"), "limit", "the bound without a pool");
        let script = folder.join("python/bench.py");
        if !script.is_file() {
            peers.skip(format!("multiprocessing.Pool: there is no {}", script.display()));
        } else if let Some(python) = python() {
            peers.python = Some((python, script));
        } else {
            peers.skip("multiprocessing.Pool: there is no python3");
        }
        peers
    }

    /// No peers, and why.
    pub(crate) fn none(why: &str) -> Peers {
        Peers {
            skipped: vec![why.to_owned()],
            ..Peers::default()
        }
    }

    /// What was not run, and why.
    pub(crate) fn skipped(&self) -> &[String] {
        &self.skipped
    }

    fn skip(&mut self, why: impl Into<String>) {
        let why = why.into();
        eprintln!("pexec-bench: skipped: {why}");
        if !self.skipped.contains(&why) {
            self.skipped.push(why);
        }
    }

    /// Builds in the folder for temporary files, because the peers' own may be read-only.
    fn build(&mut self, package: &Path, binary: &str, what: &str) -> Option<PathBuf> {
        let target = std::env::temp_dir().join("pexec-bench-peers");
        let built = target.join("release").join(binary);
        if built.is_file() {
            return Some(built);
        }
        eprintln!("pexec-bench: building {binary} ..");
        let status = copy_of(package, &target.join("src").join(binary)).and_then(|source| {
            Command::new("cargo")
                .args(["build", "--release", "--quiet", "--manifest-path"])
                .arg(source.join("Cargo.toml"))
                .arg("--target-dir")
                .arg(&target)
                .stdout(Stdio::null())
                .status()
        });
        let why = match status {
            Ok(status) if status.success() => return Some(built),
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        self.skip(format!("{what}: {binary} cannot be built: {why}"));
        None
    }

    /// Runs what there is for a test, once.
    pub(crate) fn run(&mut self, test: &str, into: &mut Vec<Record>) {
        if let Some(rust) = self.rust.clone() {
            for words in rust_words(test) {
                self.take(test, Command::new(&rust).args(*words), into);
            }
        }
        if let Some(limit) = &self.limit
            && let Err(why) = limit::run(limit, test, into)
        {
            self.skip(why);
        }
        if let Some((python, script)) = self.python.clone()
            && ["noop", "rtt", "payload", "startup", "upfront"].contains(&test)
        {
            self.take(
                test,
                Command::new(python).arg(script).args(["mppool", test]),
                into,
            );
        }
    }

    fn take(&mut self, test: &str, command: &mut Command, into: &mut Vec<Record>) {
        if test == "payload" {
            // The peer's memory is to be as cheap to touch as ours is, at least at its start.
            child::warm_memory();
        }
        let Ran { records, complete } = child::peer(command, DEADLINE);
        into.extend(records);
        if let Err(why) = complete {
            let program = Path::new(command.get_program()).file_name().unwrap_or_default();
            let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
            self.skip(format!(
                "the rest of {} {}: {why}",
                program.display(),
                words.join(" ")
            ));
        }
    }
}

/// The interpreter of the peers' own environment where there is one, else the system's.
fn python() -> Option<PathBuf> {
    let own = std::env::temp_dir().join("peers-venv/bin/python");
    [own, PathBuf::from("python3")].into_iter().find(|python| {
        Command::new(python)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    })
}

fn copy_of(package: &Path, to: &Path) -> std::io::Result<PathBuf> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let copied = Command::new("cp").arg("-rT").args([package, to]).status()?;
    if copied.success() {
        Ok(to.to_owned())
    } else {
        let what = format!("{} cannot be copied", package.display());
        Err(std::io::Error::other(what))
    }
}

fn rust_words(test: &str) -> &'static [&'static [&'static str]] {
    match test {
        "noop" => &[&["procspawn", "noop"], &["rayon"]],
        "rtt" => &[
            &["procspawn", "rtt"],
            &["pingpong", "unix-stream", "same"],
            &["pingpong", "unix-stream", "split"],
            &["pingpong", "unix-stream", "free"],
        ],
        "payload" => &[&["procspawn", "payload"]],
        "startup" => &[&["procspawn", "startup"]],
        "scale" => &[&["scale"]],
        _ => &[],
    }
}
