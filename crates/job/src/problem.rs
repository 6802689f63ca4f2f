//! What is wrong with a job file: every problem found, each shown at its place in the text.
//!
//! Whoever checks something adds to `Findings`; nothing is shown before everything was looked at. What always
//! holds: a problem is listed once however often it was found, and the amount of text is bounded whatever the
//! file holds.

pub(crate) mod nearest;
mod render;

use std::collections::HashSet;
use std::fmt::{self, Write};
use std::ops::Range;

use crate::secrets::Secrets;

/// Where in the text of the job file, in bytes.
pub(crate) type Span = Range<usize>;

/// How many problems are kept; the rest is counted.
const KEPT: usize = 1000;

/// All that is wrong with a job: one problem or more.
///
/// ```
/// # use pexec_job::planner::{self, Overrides};
/// let Err(problems) = planner::load("no/such/job.toml".as_ref(), &Overrides::default()) else { panic!() };
/// assert_eq!(problems.len(), 1);
/// eprint!("{}", problems.render(false));
/// ```
#[derive(Debug)]
pub struct Problems {
    path: String,
    text: String,
    list: Vec<Problem>,
    total: usize,
    secrets: Secrets,
}

/// One thing that is wrong.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    /// `None`: not in the text (a flag, the file itself).
    span: Option<Span>,
    title: String,
    label: String,
    help: Vec<String>,
    /// It says that something is missing, so it means nothing where a part of the text could not be read.
    absence: bool,
}

impl Problem {
    /// A problem at a place in the job file. The title is a lower-case fragment.
    pub(crate) fn at(span: Span, title: impl Into<String>) -> Problem {
        Problem {
            span: Some(span),
            title: title.into(),
            label: String::new(),
            help: Vec::new(),
            absence: false,
        }
    }

    /// A problem that is not in the text.
    pub(crate) fn general(title: impl Into<String>) -> Problem {
        Problem {
            span: None,
            ..Problem::at(0..0, title)
        }
    }

    /// What stands beside the underlined text.
    pub(crate) fn label(mut self, label: impl Into<String>) -> Problem {
        self.label = label.into();
        self
    }

    /// What to do about it; nothing if `help` is empty.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Problem {
        let help = help.into();
        if !help.is_empty() {
            self.help.push(help);
        }
        self
    }

    pub(crate) fn span(&self) -> Option<&Span> {
        self.span.as_ref()
    }

    pub(crate) fn is_absence(&self) -> bool {
        self.absence
    }

    /// Marks a problem that says that something is missing.
    pub(crate) fn absence(mut self) -> Problem {
        self.absence = true;
        self
    }
}

/// Problems as they are found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Problem>,
    seen: HashSet<(Option<Span>, String)>,
    /// Found when enough were kept.
    more: usize,
}

impl Findings {
    /// Adds a problem, unless the same was found before: a default that is wrong is wrong in every task.
    pub(crate) fn add(&mut self, problem: Problem) {
        if self.is_full() {
            self.more += 1;
        } else if self.seen.insert((problem.span.clone(), problem.title.clone())) {
            self.list.push(problem);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What is added now is only counted, so nothing need be worked out for it.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= KEPT
    }

    /// Leaves out those that are not wanted.
    pub(crate) fn retain(&mut self, wanted: impl Fn(&Problem) -> bool) {
        self.list.retain(wanted);
    }

    /// Adds what another search found.
    pub(crate) fn extend(&mut self, other: Findings) {
        other.list.into_iter().for_each(|problem| self.add(problem));
        self.more += other.more;
    }

    /// The problems of the file `path` with this text.
    pub(crate) fn into_problems(mut self, path: String, text: String) -> Problems {
        // Stable: what was found at one place stays in the order in which it was found.
        self.list
            .sort_by_key(|problem| problem.span.as_ref().map(|span| (span.start, span.end)));
        Problems {
            path,
            text,
            total: self.list.len() + self.more,
            list: self.list,
            secrets: Secrets::default(),
        }
    }
}

impl Problems {
    /// Problems without a text to show.
    pub(crate) fn general(problems: impl IntoIterator<Item = Problem>) -> Problems {
        let mut findings = Findings::default();
        problems.into_iter().for_each(|problem| findings.add(problem));
        findings.into_problems(String::new(), String::new())
    }

    /// The same, shown without these.
    pub(crate) fn hiding(mut self, secrets: Secrets) -> Problems {
        self.secrets = secrets;
        self
    }

    /// How many there are, the ones that [`render`](Problems::render) does not list included.
    pub fn len(&self) -> usize {
        self.total
    }

    /// Never: there is at least one problem.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The text for standard error: a block for each problem, in the order of the file, at most 100 of them;
    /// it ends with a line's end. With `colour`, for a terminal.
    pub fn render(&self, colour: bool) -> String {
        let mut text = render::render(self, colour);
        self.secrets.hide_string(&mut text);
        text
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Problems {}

/// A name from the file as it is shown in a message: in backquotes, on one line, not too long.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", shown(name))
}

/// The same without the quotes.
pub(crate) fn shown(name: &str) -> String {
    const LONGEST: usize = 80;
    let mut text = String::new();
    for (n, c) in name.chars().enumerate() {
        if n == LONGEST {
            text.push_str("..");
            break;
        }
        if c.is_control() {
            let _ = write!(text, "{}", c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}
