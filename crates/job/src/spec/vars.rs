//! `[vars]` and `--set`: the variables, each with its final value.

use std::collections::HashMap;

use super::reader::{Reader, Table};
use crate::planner::Overrides;
use crate::problem::nearest::{advice, one_of};
use crate::problem::{Problem, Span, quoted};
use crate::template::facet::Facet;
use crate::template::{Hole, Piece, Template, meaningless};

/// The longest value that variables may make of each other: doubling grows fast.
const LONGEST: usize = 1 << 20;

/// Variables with their values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vars {
    values: HashMap<String, String>,
    /// In the order of the file.
    names: Vec<String>,
    /// Which others the value of each was made of.
    made_of: HashMap<String, Vec<String>>,
}

impl Vars {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// The values of these, and of all that they were made of.
    pub(crate) fn behind<'v>(&'v self, names: impl Iterator<Item = &'v str>) -> Vec<&'v str> {
        let (mut seen, mut todo): (Vec<&str>, Vec<&str>) = (Vec::new(), names.collect());
        while let Some(name) = todo.pop() {
            if !seen.contains(&name) {
                seen.push(name);
                todo.extend(self.made_of.get(name).into_iter().flatten().map(String::as_str));
            }
        }
        seen.into_iter().filter_map(|name| self.get(name)).collect()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.names.iter().map(String::as_str)
    }

    /// The problem of a placeholder that is no variable, where nothing else can be meant.
    pub(crate) fn unknown(&self, hole: &Hole) -> Problem {
        let problem = meaningless(hole).label("only variables can stand here");
        let advised = advice(&hole.name, self.names());
        problem
            .help(if self.names.is_empty() {
                "there are no `[vars]`; for a brace, write `{{`".to_owned()
            } else {
                advised
            })
            .absence()
    }
}

/// Reads `[vars]`. A value may name other variables; one that is set from outside is taken as it is.
pub(super) fn read(reader: &mut Reader<'_>, top: &Table<'_, '_>, overrides: &Overrides) -> Vars {
    let set: HashMap<&str, &str> = overrides
        .set
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut names = Vec::new();
    let mut templates = HashMap::new();
    let mut spans = HashMap::new();
    if let Some(table) = top.get("vars").and_then(|value| reader.table(value)) {
        for (name, span, value) in Table::in_file_order(table).entries() {
            if reserved(name) {
                let title = format!("{} cannot be a variable", quoted(name));
                let help = format!("`{{{name}}}` has a meaning of its own; choose another name");
                reader.findings.add(Problem::at(span.clone(), title).help(help));
            }
            let template = reader.scalar(value);
            let value = match set.get(name) {
                Some(value) => Template::literal(*value, span.clone()),
                // What is wrong has been said; any value will do to go on.
                None => template.unwrap_or_else(|| Template::literal("", span.clone())),
            };
            names.push(name.to_owned());
            templates.insert(name.to_owned(), value);
            spans.insert(name.to_owned(), span.clone());
        }
    }
    let known = names.iter().map(String::as_str);
    for (name, _) in &overrides.set {
        if !templates.contains_key(name) {
            let help = match templates.is_empty() {
                true => "the job file has no `[vars]`".to_owned(),
                false => advice(name, known.clone()),
            };
            reader
                .findings
                .add(Problem::general(format!("`--set`: no variable {}", quoted(name))).help(help));
        }
    }
    let values = resolve(reader, &names, &templates, &spans);
    let holes = |template: &Template| template.holes().map(|hole| hole.name.clone()).collect();
    let made_of = templates
        .iter()
        .map(|(name, template)| (name.clone(), holes(template)));
    Vars {
        made_of: made_of.collect(),
        values,
        names,
    }
}

/// Each value once the variables that it names have theirs; those that go round in a circle are problems.
fn resolve(
    reader: &mut Reader<'_>,
    names: &[String],
    templates: &HashMap<String, Template>,
    spans: &HashMap<String, Span>,
) -> HashMap<String, String> {
    let mut values: HashMap<String, String> = HashMap::new();
    for name in names {
        // A stack of its own: the file decides how deep it gets.
        let mut path: Vec<&str> = vec![name];
        while let Some(&name) = path.last() {
            let template = &templates[name];
            let waits = template
                .holes()
                .map(|hole| hole.name.as_str())
                .find(|hole| templates.contains_key(*hole) && !values.contains_key(*hole));
            let circle = waits.and_then(|next| path.iter().position(|on_path| *on_path == next));
            match (waits, circle) {
                (Some(_), Some(from)) => {
                    let circle: Vec<String> = path[from..].iter().map(|name| quoted(name)).collect();
                    let title = format!("variables that name each other: {}", circle.join(", "));
                    reader.findings.add(Problem::at(spans[name].clone(), title));
                    values.insert(name.to_owned(), String::new());
                    path.pop();
                }
                (Some(next), None) => path.push(next),
                (None, _) => {
                    if !values.contains_key(name) {
                        let value = fill(reader, template, &values, names);
                        values.insert(name.to_owned(), value);
                    }
                    path.pop();
                }
            }
        }
    }
    values
}

fn fill(
    reader: &mut Reader<'_>,
    template: &Template,
    values: &HashMap<String, String>,
    names: &[String],
) -> String {
    let mut out = String::new();
    for piece in &template.pieces {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Hole(hole) => match values.get(&hole.name) {
                Some(value) => out.push_str(value),
                None => {
                    let known = names.iter().map(String::as_str);
                    let problem = meaningless(hole).label("only variables can stand here");
                    let help = advice(&hole.name, known.clone());
                    reader.findings.add(
                        problem
                            .help(if help.is_empty() { one_of(known) } else { help })
                            .absence(),
                    );
                }
            },
        }
        if out.len() > LONGEST {
            let title = format!("the variable is longer than {LONGEST} bytes");
            reader.findings.add(Problem::at(template.span.clone(), title));
            return String::new();
        }
    }
    out
}

/// Names that mean something in every task.
pub(super) fn reserved(name: &str) -> bool {
    Facet::ALL.iter().any(|(known, _)| *known == name) || ["index", "attempt", "run_id"].contains(&name)
}
