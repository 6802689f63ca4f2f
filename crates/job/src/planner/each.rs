//! `pexec each`: a plan of one task, without a file.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::instances::{Feed, Form, Label, Recipe, instances};
use super::product::Product;
use super::{Overrides, file};
use crate::command::default_kill;
use crate::limits::Limits;
use crate::plan::{Plan, Retry, SourceError, TaskPlan};
use crate::problem::{Findings, Problem, Problems};
use crate::source::{Rows, row};
use crate::spec::is_task_name;
use crate::template::bind::{Bound, Part, Slot};
use crate::template::facet::Facet;
use crate::text::Text;

/// What stands for the item.
const ITEM: &[u8] = b"{}";

pub(super) fn plan(
    argv: Vec<OsString>,
    items: Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send>,
    total: Option<u64>,
    overrides: &Overrides,
) -> Result<Plan, Problems> {
    let mut findings = Findings::default();
    let name = match argv.first() {
        None => {
            findings.add(Problem::general("there is no command to run").help("write one after `--`"));
            String::new()
        }
        Some(program) if program.is_empty() => {
            findings.add(Problem::general("the command's name is empty"));
            String::new()
        }
        Some(program) => name(program),
    };
    let chosen = overrides
        .workers
        .as_deref()
        .and_then(|text| file::workers(text, &mut findings));
    let halt = file::halt(overrides, None, &mut findings);
    if overrides.timeout == Some(Duration::ZERO) {
        findings.add(Problem::general("`--timeout`: expected more than nothing"));
    }
    let dir = std::env::current_dir()
        .map_err(|error| {
            let what = format!("cannot tell the current directory: {error}");
            findings.add(Problem::general(what));
        })
        .unwrap_or_default();
    if !findings.is_empty() {
        return Err(findings.into_problems(String::new(), String::new()));
    }
    let form = Form::Command(Recipe {
        argv: words(argv),
        env: Vec::new(),
        env_clear: false,
        dir: dir.clone(),
        cwd: None,
        stdin: Feed::Empty,
        stdout: None,
        stderr: None,
        timeout: overrides.timeout,
        kill: default_kill(),
        ok_exit: vec![0],
        limits: Limits::default(),
    });
    let label = Label::Usual {
        task: name.clone(),
        keys: Vec::new(),
    };
    let instances = Box::new(instances(
        rows(items),
        Product::none(),
        Arc::new(form),
        Arc::new(label),
        None,
        0,
    ));
    let task = TaskPlan {
        retry: Retry::times(overrides.retries.unwrap_or(0)),
        ..TaskPlan::new(name.clone(), total, instances)
    };
    Ok(Plan {
        workers: chosen,
        halt,
        ..Plan::new(name, dir, vec![task])
    })
}

/// The program's name is the task's, where a job file could have a task of that name: a record has one.
fn name(program: &OsStr) -> String {
    let name = Path::new(program).file_name().and_then(OsStr::to_str);
    name.filter(|name| is_task_name(name))
        .unwrap_or("each")
        .to_owned()
}

fn words(argv: Vec<OsString>) -> Vec<Bound> {
    let item = || Part::Slot(Slot::Item(Facet::Whole));
    let mut placed = false;
    let mut words: Vec<Bound> = Vec::with_capacity(argv.len() + 1);
    for word in argv {
        let word = word.into_vec();
        let mut parts = Vec::new();
        let mut rest = word.as_slice();
        while let Some(at) = rest.windows(ITEM.len()).position(|part| part == ITEM) {
            parts.push(Part::Slot(Slot::Given(Text(rest[..at].to_vec()))));
            parts.push(item());
            placed = true;
            rest = &rest[at + ITEM.len()..];
        }
        parts.push(Part::Slot(Slot::Given(Text(rest.to_vec()))));
        words.push(Bound(parts));
    }
    if !placed {
        words.push(Bound(vec![item()]));
    }
    words
}

fn rows(items: Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send>) -> Rows {
    let mut number = 0u64;
    Box::new(items.map(move |item| {
        number += 1;
        match item {
            Ok(item) if item.contains(&0) => Err(SourceError(format!(
                "item {number} holds a NUL byte, which no argument can hold (`-0` splits at them)"
            ))),
            Ok(item) => Ok(row(Text(item))),
            Err(error) => Err(SourceError(format!("cannot read items: {error}"))),
        }
    }))
}
