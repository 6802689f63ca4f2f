//! A program that embeds the whole command, with functions that behave and functions that do not.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use pexec::Failure;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Count {
    lines: usize,
    bytes: usize,
}

/// Counts the lines and bytes of a file.
///
/// Every line counts, the last one too.
#[pexec::task(name = "count")]
fn count(path: PathBuf) -> Result<Count, Failure> {
    let text = std::fs::read_to_string(&path)?;
    Ok(Count {
        lines: text.lines().count(),
        bytes: text.len(),
    })
}

/// Adds.
#[pexec::task]
fn add(a: i64, b: Option<i64>) -> i64 {
    a + b.unwrap_or(1)
}

/// Prints on both streams, a process of its own does too, and returns a text.
#[pexec::task(name = "say")]
fn say(words: String) -> String {
    print!("{words} ");
    let _ = std::io::stdout().flush();
    println!("printed");
    eprintln!("{words} told");
    let child = std::process::Command::new("sh")
        .args(["-c", "echo a child"])
        .status();
    assert!(child.is_ok_and(|status| status.success()), "a shell runs");
    format!("{words} returned")
}

/// Prints more than is kept in memory.
#[pexec::task(name = "flood")]
fn flood(bytes: usize) {
    let line = format!("{}\n", "x".repeat(99));
    let mut out = std::io::stdout().lock();
    for _ in 0..bytes / line.len() {
        let _ = out.write_all(line.as_bytes());
    }
}

/// Ends the whole process, in some way.
#[pexec::task(name = "crash")]
fn crash(how: String) {
    println!("before the end");
    eprintln!("about to {how}");
    match how.as_str() {
        "abort" => std::process::abort(),
        "exit" => std::process::exit(0),
        "panic" => panic!("on purpose"),
        _ => {}
    }
}

/// Fails until there are as many lines in a file as it takes.
#[pexec::task(name = "flaky")]
fn flaky(log: PathBuf, takes: usize, how: String) -> Result<String, Failure> {
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&log)?;
    writeln!(file, "{}", std::process::id())?;
    let tries = std::fs::read_to_string(&log)?.lines().count();
    if tries >= takes {
        return Ok(format!("good at {tries}"));
    }
    println!("try {tries}");
    eprintln!("no luck at {tries}");
    if how == "crash" {
        std::process::abort();
    }
    Err(Failure::msg(format!("not yet, at {tries}")))
}

/// Sleeps.
#[pexec::task(name = "nap")]
fn nap(ms: u64) {
    println!("asleep");
    std::thread::sleep(Duration::from_millis(ms));
}

/// How many descriptors its worker has open.
#[pexec::task(name = "descriptors")]
fn descriptors() -> Result<usize, Failure> {
    Ok(std::fs::read_dir("/proc/self/fd")?.count())
}

/// Where it runs.
#[pexec::task(name = "where")]
fn place() -> PathBuf {
    std::env::current_dir().unwrap_or_default()
}

fn main() -> ExitCode {
    // A command of its own, which hands everything on.
    if std::env::args_os().nth(1).is_some_and(|word| word == "jobs") {
        pexec::init();
        let words = std::env::args_os().skip(2);
        return pexec_cli::run(std::iter::once("embedder jobs".into()).chain(words));
    }
    pexec_cli::main()
}
