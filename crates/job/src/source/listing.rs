//! The lines that a command writes, as items.
//!
//! The command runs when its task is planned, in the job's directory, before anything of the job has started. What it
//! writes goes to a file without a name, so that memory does not grow with it, and is checked to its end: a list that
//! broke off half way would look like a whole one.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use super::{Lines, Opened, Trouble};
use crate::problem::{quoted, shown};
use crate::template::bind::Fields;
use crate::text::Text;

/// How much of its standard error is told when it fails.
const TOLD: usize = 2048;

/// Runs it and counts its lines.
pub(super) fn open(argv: &[Text], dir: &Path) -> Result<Opened, Trouble> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err(Trouble::new("the command is empty"));
    };
    let name = quoted(&program.to_string());
    let failed = |what: &str, error: io::Error| Trouble::new(format!("the command {name} {what}: {error}"));
    let mut listing = tempfile::tempfile().map_err(|error| failed("has no room for its lines", error))?;
    let mut child = Command::new(program.as_os_str())
        .args(arguments.iter().map(Text::as_os_str))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed("could not be started", error))?;
    let kept = keep(&mut child, &mut listing);
    if kept.is_err() {
        // Nobody reads what it writes any more.
        let _ = child.kill();
    }
    let status = child
        .wait()
        .map_err(|error| failed("could not be watched", error))?;
    let complaint = kept.map_err(|error| failed("wrote lines that could not be kept", error))?;
    if !status.success() {
        return Err(Trouble {
            what: format!("the command {name} {}", told(status)),
            help: complaint,
        });
    }
    let named = format!("the output of {name}");
    let total = count(&mut listing, &named)?;
    let rows = Lines::new(listing, named);
    Ok(Opened {
        fields: Fields::Item,
        total: Some(total),
        rows: Box::new(rows),
        again: None,
    })
}

/// Takes all that it writes; back comes the end of its standard error.
fn keep(child: &mut Child, listing: &mut File) -> io::Result<String> {
    let stderr = child.stderr.take();
    // Read beside the other one, or a command that fills it would wait for ever.
    let complaint = thread::Builder::new()
        .name("pexec-source".to_owned())
        .spawn(move || stderr.map(end_of).unwrap_or_default())?;
    let copied = match child.stdout.take() {
        Some(mut stdout) => io::copy(&mut stdout, listing),
        None => Ok(0),
    };
    copied?;
    listing.flush()?;
    Ok(complaint.join().unwrap_or_default())
}

fn end_of(mut stream: impl Read) -> String {
    let mut end = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        end.extend_from_slice(&buffer[..n]);
        end.drain(..end.len().saturating_sub(TOLD));
    }
    let text = String::from_utf8_lossy(&end);
    let lines: Vec<String> = text.trim().lines().map(shown).collect();
    match lines.is_empty() {
        true => String::new(),
        false => format!("it said:\n{}", lines.join("\n")),
    }
}

fn told(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("failed with exit {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

fn count(listing: &mut File, named: &str) -> Result<u64, Trouble> {
    let again = |error: io::Error| Trouble::new(format!("cannot read {named}: {error}"));
    listing.rewind().map_err(again)?;
    let handle = listing.try_clone().map_err(again)?;
    let mut total = 0;
    for line in Lines::new(handle, named.to_owned()) {
        line.map_err(|error| Trouble::new(error.0))?;
        total += 1;
    }
    // Both handles share one position.
    listing.rewind().map_err(again)?;
    Ok(total)
}
