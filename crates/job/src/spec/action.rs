//! What a task runs: `command`, `shell` or `call`, exactly one of them.

use super::keys::Keys;
use super::reader::{Reader, Table};
use crate::problem::nearest::nearest;
use crate::problem::{Problem, Span};
use crate::template::{Template, shell};

/// What a task runs.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    /// Program and arguments; at least one.
    Command(Vec<Template>),
    /// A script for `sh`.
    Shell(Template),
    /// A function of this program, by its name.
    Call(Name),
    /// Something that was reported already.
    Broken,
}

/// A name and its place.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// Those of which a task has one.
const ACTIONS: [&str; 3] = ["command", "shell", "call"];

/// The action, if the table has one.
pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_, '_>, whose: &str) -> Option<Action> {
    let mut present = ACTIONS.iter().filter_map(|key| Some((*key, table.place(key)?)));
    if let (Some((first, _)), Some((second, place))) = (present.next(), present.next()) {
        let title = format!("{whose} has both `{first}` and `{second}`");
        reader
            .findings
            .add(Problem::at(place, title).help("keep one of them"));
        return Some(Action::Broken);
    }
    if let Some(value) = table.get("command") {
        let help = "[\"program\", \"argument\"]";
        let Some(array) = reader.array(value, "an array of strings", help) else {
            return Some(Action::Broken);
        };
        if array.is_empty() {
            let title = "`command` is empty, so there is nothing to run";
            reader
                .findings
                .add(Problem::at(value.span(), title).help(format!("write it as `{help}`")));
            return Some(Action::Broken);
        }
        let words: Vec<Option<Template>> = array.iter().map(|value| reader.scalar(value)).collect();
        let Some(words) = words.into_iter().collect::<Option<Vec<Template>>>() else {
            return Some(Action::Broken);
        };
        if words[0].is_empty() {
            let title = "the program's name is empty";
            reader.findings.add(Problem::at(words[0].span.clone(), title));
        }
        return Some(Action::Command(words));
    }
    if let Some(value) = table.get("shell") {
        let Some(script) = reader.template(value, "a string") else {
            return Some(Action::Broken);
        };
        shell::check(&script, reader.findings);
        return Some(Action::Shell(script));
    }
    if let Some(value) = table.get("call") {
        let Some(text) = reader.string(value, "the name of a function, a string") else {
            return Some(Action::Broken);
        };
        let span = value.span();
        return Some(Action::Call(Name { text, span }));
    }
    // What a misspelt key was meant to be has been told.
    let meant = table
        .entries()
        .filter(|(key, ..)| !Keys::TASK.known.contains(key))
        .take(100)
        .filter_map(|(key, ..)| nearest(key, Keys::TASK.known.iter().copied()));
    let mut actions = meant.filter(|meant| ACTIONS.contains(meant));
    actions.next().map(|_| Action::Broken)
}
