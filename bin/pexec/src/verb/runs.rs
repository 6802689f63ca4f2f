//! `pexec runs`: past runs, the latest first.

use pexec_job::planner::{JobFile, Overrides};
use pexec_job::record::{Record, Store};
use serde_json::{Value, json};

use crate::cli::{PastFormat, Runs};
use crate::exit::Exit;
use crate::past::{self, Head, stamp};
use crate::speech::{complain, refuse};
use crate::terminal::Terminal;
use crate::{answer, records, wording};

/// Lists them on standard output. A record that cannot be read is told of, and costs the others nothing.
pub(crate) fn runs(args: &Runs, terminal: Terminal) -> Exit {
    let file = match args.job.as_deref().map(JobFile::read).transpose() {
        Ok(file) => file,
        Err(problems) => return super::explain(&problems, terminal),
    };
    let job = match file.as_ref().map(|file| file.identity(&Overrides::default())) {
        None => None,
        Some(Some((name, _))) => Some(name),
        Some(None) => return refuse("the job file is not UTF-8, so it is no TOML"),
    };
    let store = match (&file, &args.run_dir) {
        (Some(file), None) => Store::beside(file.beside()),
        (_, run_dir) => past::store(run_dir.as_deref()),
    };
    let mut all = match store.list() {
        Ok(all) => all,
        Err(error) => return records::unusable(&error),
    };
    all.reverse();
    let mut unreadable = false;
    let mut heads = Vec::new();
    for record in all {
        match Head::read(&record) {
            Ok(head) if job.as_deref().is_none_or(|job| job == head.job()) => heads.push((record, head)),
            Ok(_) => {}
            Err(error) => {
                complain(&format!("run {}: {error}", record.id()));
                unreadable = true;
            }
        }
    }
    let printed = answer::print(&match args.format {
        PastFormat::Text => text(&heads, &store),
        PastFormat::Json => json(&heads),
    });
    match printed {
        Exit::Success if unreadable => Exit::Record,
        exit => exit,
    }
}

fn text(heads: &[(Record, Head)], store: &Store) -> Vec<u8> {
    if heads.is_empty() {
        complain(&format!("there is no run in {}", store.path().display()));
    }
    let line = |(record, head): &(Record, Head)| {
        let Some(began) = head.began() else {
            return format!("{}  {}\n", record.id(), head.end_in_full());
        };
        format!(
            "{}  {}  {}  {}, in {}: {}\n",
            record.id(),
            stamp(began),
            pexec_job::text::Text::from(head.job()),
            head.tally(),
            wording::span(head.elapsed()),
            head.end_in_full()
        )
    };
    heads.iter().map(line).collect::<String>().into_bytes()
}

fn json(heads: &[(Record, Head)]) -> Vec<u8> {
    let list = heads.iter().map(|(record, it)| head(record, it)).collect();
    format!("{:#}\n", Value::Array(list)).into_bytes()
}

/// A run for programs.
pub(super) fn head(record: &Record, head: &Head) -> Value {
    let counts = head.counts();
    json!({
        "run": record.id(),
        "job": head.job(),
        "began": head.began().map(|at| at.to_string()),
        "elapsed_us": u64::try_from(head.elapsed().as_micros()).unwrap_or(u64::MAX),
        "end": head.end(),
        "planned": counts.planned,
        "succeeded": counts.succeeded,
        "kept": counts.kept,
        "up_to_date": counts.up_to_date,
        "failed": counts.failed,
        "killed": counts.killed,
        "blocked": counts.blocked,
        "not_run": counts.not_run() + counts.running,
        "path": record.path().to_string_lossy(),
    })
}
