//! What each placeholder of a string stands for, decided once per task; and the string of one instance.
//!
//! After binding nothing can go wrong any more: an instance's strings are made without a way to fail.

use crate::problem::nearest::nearest;
use crate::problem::{Findings, Problem, quoted};
use crate::spec::vars::Vars;
use crate::template::facet::Facet;
use crate::template::{Hole, Piece, Template, meaningless};
use crate::text::Text;

/// What an instance is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    /// The item, where the task has a source.
    pub(crate) item: Option<Text>,
    /// The fields of a row, in the order of the source's columns.
    pub(crate) columns: Vec<Text>,
    /// The values of the matrix, in the order of its keys.
    pub(crate) keys: Vec<Text>,
    /// From 0, in source order.
    pub(crate) index: u64,
}

/// The placeholders that a task's source brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fields {
    /// There is no source.
    None,
    /// `{item}` and its parts.
    Item,
    /// `{item}` (the row) and these columns.
    Columns(Vec<String>),
    /// The source was not looked at or is wrong itself: any placeholder may be right.
    Unknown,
}

/// The placeholders that mean something in a task's strings.
pub(crate) struct Scope<'a> {
    pub(crate) task: &'a str,
    pub(crate) vars: &'a Vars,
    pub(crate) fields: &'a Fields,
    pub(crate) keys: &'a [String],
    pub(crate) run_id: &'a str,
    /// `{attempt}` means something; not in a label, which stays the same.
    pub(crate) attempts: bool,
}

/// A string of which every placeholder is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bound(pub(crate) Vec<Part>);

/// A part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// What the job file says.
    Literal(String),
    /// What is substituted.
    Slot(Slot),
}

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot {
    /// The same in all instances: a variable, the run's id.
    Fixed(String),
    /// Bytes from the command line or the environment.
    Given(Text),
    Item(Facet),
    Column(usize),
    Key(usize),
    Index,
    Attempt,
    /// In a task that is not planned.
    Nothing,
}

impl Scope<'_> {
    /// Binds a string. A placeholder that means nothing here is a problem, and so is one that means two things.
    pub(crate) fn bind(&self, template: &Template, findings: &mut Findings) -> Bound {
        let part = |piece: &Piece| match piece {
            Piece::Literal(text) => Part::Literal(text.clone()),
            Piece::Hole(hole) => Part::Slot(self.slot(hole, findings)),
        };
        Bound(template.pieces.iter().map(part).collect())
    }

    fn slot(&self, hole: &Hole, findings: &mut Findings) -> Slot {
        let mut meanings = self.meanings(&hole.name);
        match (meanings.len(), self.fields) {
            (1, _) => meanings.remove(0).1,
            (0, Fields::Unknown) => Slot::Nothing,
            (0, _) => {
                findings.add(self.unknown(hole));
                Slot::Nothing
            }
            _ => {
                let whose: Vec<&str> = meanings.iter().map(|(whose, _)| *whose).collect();
                let title = format!(
                    "{} means two things: {}",
                    quoted(&format!("{{{}}}", hole.name)),
                    whose.join(" and ")
                );
                findings.add(Problem::at(hole.span.clone(), title).help("rename the one that you can"));
                Slot::Nothing
            }
        }
    }

    /// Whose it is and what it stands for; more than one is a problem.
    fn meanings(&self, name: &str) -> Vec<(&'static str, Slot)> {
        let mut found = Vec::new();
        let facet = Facet::ALL.iter().find(|(known, _)| *known == name);
        match (facet, self.fields) {
            (Some((_, Facet::Whole)), Fields::Columns(_)) => {
                found.push(("the row", Slot::Item(Facet::Whole)));
            }
            (Some((_, facet)), Fields::Item | Fields::Unknown) => {
                found.push(("the item", Slot::Item(*facet)));
            }
            _ => {}
        }
        match name {
            "index" => found.push(("the instance's number", Slot::Index)),
            "attempt" if self.attempts => found.push(("the attempt's number", Slot::Attempt)),
            "run_id" => found.push(("the run's id", Slot::Fixed(self.run_id.to_owned()))),
            _ => {}
        }
        if let Fields::Columns(columns) = self.fields
            && let Some(at) = columns.iter().position(|column| column == name)
        {
            found.push(("a column", Slot::Column(at)));
        }
        if let Some(at) = self.keys.iter().position(|key| key == name) {
            found.push(("a key of the matrix", Slot::Key(at)));
        }
        if let Some(value) = self.vars.get(name) {
            found.push(("a variable", Slot::Fixed(value.to_owned())));
        }
        found
    }

    fn unknown(&self, hole: &Hole) -> Problem {
        let problem = meaningless(hole);
        let columns: &[String] = match self.fields {
            Fields::Columns(columns) => columns,
            Fields::None | Fields::Item | Fields::Unknown => &[],
        };
        let of_item = Facet::ALL.iter().map(|(name, _)| *name);
        let known = of_item
            .clone()
            .filter(|name| match self.fields {
                Fields::None => false,
                Fields::Columns(_) => *name == "item",
                Fields::Item | Fields::Unknown => true,
            })
            .chain(columns.iter().map(String::as_str))
            .chain(self.keys.iter().map(String::as_str))
            .chain(self.vars.names())
            .chain(["index", "run_id"])
            .chain(self.attempts.then_some("attempt"));
        let help = if of_item.clone().any(|name| name == hole.name) {
            match self.fields {
                Fields::Columns(_) => {
                    "a row has columns, no parts of a path; name one of its columns".to_owned()
                }
                _ => format!("task {} has no `foreach`, so it has no item", quoted(self.task)),
            }
        } else if hole.name == "attempt" {
            "what stands here is the same in every attempt".to_owned()
        } else if hole.name.is_empty() {
            "write `{item}` for the item, `{{}}` for a pair of braces".to_owned()
        } else if let Some(near) = nearest(&hole.name, known.clone()) {
            format!("did you mean {}?", quoted(&format!("{{{near}}}")))
        } else if let Some(near) = nearest(&hole.name, of_item.clone())
            && *self.fields == Fields::None
        {
            let task = quoted(self.task);
            format!("did you mean `{{{near}}}`? task {task} has no `foreach`, so it has no item")
        } else {
            let known: Vec<String> = known.take(20).map(|name| format!("`{{{name}}}`")).collect();
            format!("known here: {}; for a brace, write `{{{{`", known.join(" "))
        };
        problem.help(help).absence()
    }
}

impl Bound {
    /// The bytes of one attempt of one instance.
    pub(crate) fn render(&self, row: &Row, attempt: u32) -> Text {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Part::Slot(slot) => slot.render(row, attempt, &mut out),
            }
        }
        Text(out)
    }

    /// What the job file itself puts into it makes a pattern of it.
    pub(crate) fn is_pattern(&self) -> bool {
        self.0.iter().any(|part| match part {
            Part::Literal(text) | Part::Slot(Slot::Fixed(text)) => text.contains(['*', '?', '[']),
            Part::Slot(_) => false,
        })
    }

    /// The same as [`render`](Bound::render) for one that is a pattern: what an instance brings stands for itself.
    pub(crate) fn render_pattern(&self, row: &Row) -> Text {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) | Part::Slot(Slot::Fixed(text)) => out.extend_from_slice(text.as_bytes()),
                Part::Slot(slot) => {
                    let mut value = Vec::new();
                    slot.render(row, 1, &mut value);
                    for byte in value {
                        if b"*?[]\\".contains(&byte) {
                            out.push(b'\\');
                        }
                        out.push(byte);
                    }
                }
            }
        }
        Text(out)
    }

    /// It is the same in every instance.
    pub(crate) fn is_constant(&self) -> bool {
        self.0.iter().all(|part| match part {
            Part::Literal(_) | Part::Slot(Slot::Fixed(_) | Slot::Given(_) | Slot::Attempt) => true,
            Part::Slot(_) => false,
        })
    }

    /// What the job file itself puts into it holds a NUL byte, which no argument, path or variable can hold.
    pub(crate) fn has_nul(&self) -> bool {
        self.0.iter().any(|part| match part {
            Part::Literal(text) | Part::Slot(Slot::Fixed(text)) => text.contains('\0'),
            Part::Slot(_) => false,
        })
    }
}

impl Slot {
    fn render(&self, row: &Row, attempt: u32, out: &mut Vec<u8>) {
        match self {
            Slot::Given(text) => out.extend_from_slice(text.as_bytes()),
            Slot::Fixed(text) => out.extend_from_slice(text.as_bytes()),
            Slot::Item(facet) => {
                if let Some(item) = &row.item {
                    out.extend_from_slice(facet.of(item.as_bytes()));
                }
            }
            Slot::Column(at) => out.extend_from_slice(row.columns[*at].as_bytes()),
            Slot::Key(at) => out.extend_from_slice(row.keys[*at].as_bytes()),
            Slot::Index => out.extend_from_slice(row.index.to_string().as_bytes()),
            Slot::Attempt => out.extend_from_slice(attempt.to_string().as_bytes()),
            Slot::Nothing => {}
        }
    }
}
