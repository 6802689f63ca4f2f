//! From a file to a plan: reads it, has it checked, and puts the tasks in order.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{self, Path, PathBuf};

use super::{Overrides, SecretsFrom, order, pairs, task};
use crate::plan::{Halt, Plan};
use crate::problem::nearest::advice;
use crate::problem::{Findings, Problem, Problems, quoted};
use crate::spec::{self, Spec};
use crate::text::Text;

/// The largest job file, in bytes.
const LARGEST: u64 = 64 << 20;

/// A job file as it was read: once, for a pipe tells its text only once.
#[derive(Debug)]
pub struct JobFile {
    path: PathBuf,
    bytes: Vec<u8>,
    /// It lies in a directory of its own, and is not what a pipe or a device told.
    lies: bool,
}

impl JobFile {
    /// Reads the file; `-` is standard input.
    ///
    /// # Errors
    ///
    /// When it cannot be read, or is far too large.
    pub fn read(path: &Path) -> Result<JobFile, Problems> {
        let general = |what: String| Problems::general([Problem::general(what)]);
        let (path, name, read) = match path == Path::new("-") {
            true => (
                Path::new("stdin"),
                "standard input".to_owned(),
                all(io::stdin().lock()).map(|bytes| (bytes, false)),
            ),
            false => (path, shown(path), read(path)),
        };
        let (bytes, lies) = read.map_err(|error| general(format!("cannot read {name}: {error}")))?;
        if bytes.len() as u64 > LARGEST {
            return Err(general(format!(
                "{name} is larger than {LARGEST} bytes: no job file"
            )));
        }
        Ok(JobFile {
            path: path.to_owned(),
            bytes,
            lies,
        })
    }

    /// The directory that it was named in, as it was named; of a pipe the current one.
    pub fn beside(&self) -> &Path {
        let dir = self.path.parent().filter(|_| self.lies);
        dir.filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."))
    }

    /// Its text, as far as it is one.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The name of its job, and the directory that it works in: what its records are found by. Nothing of it is
    /// planned; `None`: that would tell what is wrong.
    pub fn identity(&self, overrides: &Overrides) -> Option<(String, PathBuf)> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        let spec = spec::read(text, overrides, &mut Findings::default());
        Some((spec.name.unwrap_or_else(|| stem(&self.path)), self.dir().ok()?))
    }

    /// Checks and plans it. Its sources are opened, commands that list items are run; standard input is not read.
    ///
    /// # Errors
    ///
    /// All that is wrong with the file, its sources and the overrides.
    pub fn plan(&self, overrides: &Overrides) -> Result<Plan, Problems> {
        let name = shown(&self.path);
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text.to_owned(),
            Err(error) => {
                let at = error.valid_up_to();
                let mut findings = Findings::default();
                let title = "the file is not UTF-8, so it is no TOML";
                findings.add(Problem::at(at..at + 1, title).label("the first byte that is not UTF-8"));
                return Err(findings.into_problems(name, self.text()));
            }
        };
        let dir = match overrides.dir.clone().map_or_else(|| self.dir(), Ok) {
            Ok(dir) => dir,
            Err(error) => {
                let what = format!("cannot tell the directory of {name}: {error}");
                return Err(Problems::general([Problem::general(what)]));
            }
        };
        let mut findings = Findings::default();
        let spec = spec::read(&text, overrides, &mut findings);
        let broken = spec.broken;
        let secrets = spec.secrets.clone();
        let mut found = Findings::default();
        let planned = plan(spec, &self.path, dir, overrides, &mut found);
        if broken {
            found.retain(|problem| !problem.is_absence());
        }
        findings.extend(found);
        match planned {
            Some(plan) if findings.is_empty() => Ok(plan),
            _ => Err(findings.into_problems(name, text).hiding(secrets)),
        }
    }

    /// The directory that the file was named in, not the one that a link to it leads to.
    fn dir(&self) -> io::Result<PathBuf> {
        let mut dir = path::absolute(self.beside())?;
        // `.` at the end is what stands for a name without a directory.
        if dir.ends_with(".") {
            dir.pop();
        }
        Ok(dir)
    }
}

/// A path in a message.
fn shown(path: &Path) -> String {
    Text(path.as_os_str().as_bytes().to_vec()).to_string()
}

/// What a file holds, and whether it is one that lies in its directory.
fn read(path: &Path) -> io::Result<(Vec<u8>, bool)> {
    let file = File::open(path)?;
    let kind = file.metadata()?;
    if kind.is_dir() {
        return Err(io::Error::other("it is a directory, and a job file is expected"));
    }
    Ok((all(file)?, kind.is_file()))
}

fn all(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

pub(super) fn variables(path: &Path) -> Vec<(String, String)> {
    let Some(text) = read(path)
        .ok()
        .and_then(|(bytes, _)| String::from_utf8(bytes).ok())
    else {
        return Vec::new();
    };
    let overrides = Overrides {
        secrets: SecretsFrom::Nowhere,
        ..Overrides::default()
    };
    let spec = spec::read(&text, &overrides, &mut Findings::default());
    let value = |name: &str| Some((name.to_owned(), spec.vars.get(name)?.to_owned()));
    spec.vars.names().filter_map(value).collect()
}

/// The name of a job that has none.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str());
    stem.to_string_lossy().into_owned()
}

fn plan(
    spec: Spec,
    path: &Path,
    dir: PathBuf,
    overrides: &Overrides,
    findings: &mut Findings,
) -> Option<Plan> {
    let workers = match &overrides.workers {
        Some(text) => workers(text, findings),
        None => spec.workers,
    };
    let halt = halt(overrides, spec.halt, findings);
    if overrides.timeout == Some(std::time::Duration::ZERO) {
        findings.add(Problem::general("`--timeout`: expected more than nothing"));
    }
    let names: Vec<&str> = spec.tasks.iter().map(|task| task.name.as_str()).collect();
    for wanted in &overrides.only {
        if !names.contains(&wanted.as_str()) {
            let help = advice(wanted, names.iter().copied());
            findings.add(
                Problem::general(format!("`--only`: no task {}", quoted(wanted)))
                    .help(help)
                    .absence(),
            );
        }
    }
    let is_wanted = |name: &str| overrides.only.is_empty() || overrides.only.iter().any(|only| only == name);
    let needs = order::needs(&spec.tasks, findings);
    let each = order::needs_each(&spec.tasks, findings);
    let sequence = order::sequence(&spec.tasks, &order::all(&needs, &each), findings);
    pairs::check(&spec.tasks, &each, findings);
    task::one_reader(&spec.tasks, is_wanted, findings);
    let context = task::Context {
        vars: &spec.vars,
        dir: &dir,
        overrides,
        groups: &spec.groups,
        memory: spec.memory,
    };
    let mut known = pairs::Known::new(&spec.tasks, &dir);
    let is_paired = |at: usize| !each[at].is_empty() || each.iter().flatten().any(|(need, _)| *need == at);
    let mut positions = vec![None; spec.tasks.len()];
    let mut tasks = Vec::new();
    // What is not wanted is checked all the same, but its sources are left alone.
    for at in sequence {
        let wanted = is_wanted(&spec.tasks[at].name);
        let Some(mut planned) = task::plan(&spec.tasks[at], &context, wanted, findings) else {
            continue;
        };
        if wanted {
            if is_paired(at) {
                known.note(at, &mut planned);
            }
            let pairs = each[at].iter().filter_map(|(need, span)| {
                let position = positions[*need]?;
                Some(known.need(at, (*need, span), position, findings))
            });
            planned.needs_each = pairs.collect();
            planned.needs = needs[at].iter().filter_map(|need| positions[*need]).collect();
            positions[at] = Some(tasks.len());
            tasks.push(planned);
        }
    }
    Some(Plan {
        name: spec.name.unwrap_or_else(|| stem(path)),
        dir,
        workers,
        output: spec.output,
        halt,
        secrets: spec.secrets,
        groups: spec.groups,
        memory: spec.memory,
        whole: overrides.only.is_empty(),
        tasks,
    })
}

/// The policy that a flag asks for, or else the file.
pub(super) fn halt(overrides: &Overrides, written: Option<Halt>, findings: &mut Findings) -> Option<Halt> {
    let Some(text) = &overrides.halt else {
        return written;
    };
    match Halt::read(text) {
        Ok(halt) => halt,
        Err(why) => {
            let title = format!("`--halt`: {} is no policy", quoted(text));
            findings.add(Problem::general(title).help(why));
            None
        }
    }
}

/// The number of workers that a flag asks for.
pub(super) fn workers(text: &str, findings: &mut Findings) -> Option<usize> {
    match spec::workers(text, spec::cpus()) {
        Ok(workers) => Some(workers),
        Err(expected) => {
            let title = format!("`-j`: {} is no number of workers", quoted(text));
            findings.add(Problem::general(title).help(format!("expected {expected}")));
            None
        }
    }
}
