//! The peers: programs of a folder that print records like ours. What is missing is skipped, and said.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::record::Record;

/// What can be run of the folder.
pub(crate) struct Peers {
    rust: Option<PathBuf>,
    limit: Option<PathBuf>,
    python: Option<PathBuf>,
    pub(crate) skipped: Vec<String>,
}

impl Peers {
    /// Looks for the folder, builds what is to be built.
    pub(crate) fn find(folder: Option<PathBuf>) -> Peers {
        let mut peers = Peers {
            rust: None,
            limit: None,
            python: None,
            skipped: Vec::new(),
        };
        let usual = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/peers");
        let folder = folder.unwrap_or(usual);
        if !folder.is_dir() {
            peers.skip(&format!(
                "all peers: there is no folder {} (choose one with --peers)",
                folder.display()
            ));
            return peers;
        }
        peers.rust = peers.build(&folder.join("rust"), "rsbench", "procspawn and rayon");
        peers.limit = peers.build(&folder.join("limit"), "limit", "the bound without a pool");
        let script = folder.join("python/bench.py");
        let works = Command::new("python3")
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        if script.is_file() && works.is_ok_and(|status| status.success()) {
            peers.python = Some(script);
        } else {
            peers.skip("multiprocessing.Pool: no python3, or no python/bench.py");
        }
        peers
    }

    fn skip(&mut self, why: &str) {
        eprintln!("pexec-bench: skipped: {why}");
        self.skipped.push(why.to_owned());
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
                .status()
        });
        match status {
            Ok(status) if status.success() => Some(built),
            Ok(status) => {
                self.skip(&format!("{what}: {binary} cannot be built ({status})"));
                None
            }
            Err(error) => {
                self.skip(&format!("{what}: {binary} cannot be built: {error}"));
                None
            }
        }
    }

    /// Runs what there is for a test, once.
    pub(crate) fn run(&mut self, test: &str, into: &mut Vec<Record>) {
        if let Some(rust) = self.rust.clone() {
            for words in rust_words(test) {
                self.take(Command::new(&rust).args(*words), into);
            }
        }
        if let Some(limit) = &self.limit {
            match test {
                "noop" => limit_record(limit, &["2", "1000000", "2000", "tp"], into),
                "rtt" => limit_record(limit, &["1", "200000", "2000", "rtt"], into),
                _ => {}
            }
        }
        if let Some(script) = self.python.clone()
            && ["noop", "rtt", "payload", "startup", "upfront"].contains(&test)
        {
            self.take(Command::new("python3").arg(script).args(["mppool", test]), into);
        }
    }

    /// Runs a program and takes its records. Some peers hang: it has two minutes.
    fn take(&mut self, command: &mut Command, into: &mut Vec<Record>) {
        let name = format!("{command:?}");
        let output = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .and_then(|mut child| {
                let pid = nix::unistd::Pid::from_raw(child.id() as i32);
                let (done, wait) = std::sync::mpsc::channel::<()>();
                let watchdog = std::thread::spawn(move || {
                    let late = wait.recv_timeout(Duration::from_secs(120)).is_err();
                    if late {
                        let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
                    }
                    late
                });
                let mut text = String::new();
                if let Some(mut out) = child.stdout.take() {
                    std::io::Read::read_to_string(&mut out, &mut text)?;
                }
                let _ = done.send(());
                let late = watchdog.join().unwrap_or(false);
                let status = child.wait()?;
                Ok((text, status, late))
            });
        match output {
            Ok((text, status, late)) => {
                into.extend(text.lines().filter_map(record));
                if late || !status.success() {
                    let why = if late {
                        "it took over two minutes".to_owned()
                    } else {
                        status.to_string()
                    };
                    self.skip(&format!("the rest of {name}: {why}"));
                }
            }
            Err(error) => self.skip(&format!("{name}: {error}")),
        }
    }
}

fn copy_of(package: &Path, to: &Path) -> std::io::Result<PathBuf> {
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent)?;
    }
    if Command::new("cp")
        .arg("-rT")
        .args([package, to])
        .status()?
        .success()
    {
        Ok(to.to_owned())
    } else {
        Err(std::io::Error::other(format!(
            "{} cannot be copied",
            package.display()
        )))
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

fn record(line: &str) -> Option<Record> {
    let json: serde_json::Value = serde_json::from_str(line).ok()?;
    let text = |key: &str| json.get(key)?.as_str().map(str::to_owned);
    let peer = match text("peer")?.as_str() {
        "mppool" => "multiprocessing.Pool".to_owned(),
        other => other.to_owned(),
    };
    Some(Record {
        test: text("test")?,
        peer,
        metric: text("metric")?,
        value: json.get("value")?.as_f64()?,
    })
}

/// `limit` speaks in words: "submit-each w=2 spin=2000: 7.64 M/s", "rtt spin=2000 p50 220ns p99 320ns".
fn limit_record(limit: &Path, words: &[&str], into: &mut Vec<Record>) {
    let Ok(output) = Command::new(limit).args(words).output() else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    let mut put = |test: &str, metric: &str, value: Option<f64>| {
        into.extend(value.map(|value| Record {
            test: test.to_owned(),
            peer: "peers/limit (no pool)".to_owned(),
            metric: metric.to_owned(),
            value,
        }));
    };
    let parts: Vec<&str> = text.split_whitespace().collect();
    let number = |at: usize, unit: &str| parts.get(at)?.trim_end_matches(unit).parse::<f64>().ok();
    if text.starts_with("rtt") {
        put("rtt", "p50_us", number(3, "ns").map(|ns| ns / 1e3));
        put("rtt", "p99_us", number(5, "ns").map(|ns| ns / 1e3));
    } else {
        let millions = parts.len().checked_sub(2).and_then(|at| number(at, "M/s"));
        put("noop", "tasks_per_s", millions.map(|m| m * 1e6));
    }
}
