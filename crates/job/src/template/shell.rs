//! `shell` as a command: `sh -c SCRIPT sh VALUE..`.
//!
//! What always holds: no value is ever part of the script's text. The script names shell variables, quoted, and
//! a first line that this file writes fills them from the arguments, so whatever an item holds, no shell parses
//! it: not in a string that the check below judges wrongly, not in a shell that quotes in a way of its own. The
//! variables are not exported, and the arguments are gone before the script of the job file begins.
//!
//! The check is for the author: inside quotes the word would not be what it looks like.

mod context;

use std::fmt::Write;

use super::bind::{Bound, Part, Slot};
use super::{Hole, Piece, Template};
use crate::problem::{Findings, Problem, quoted};

/// The arguments, from the string and the same string bound.
pub(crate) fn argv(bound: &Bound) -> Vec<Bound> {
    let mut values: Vec<&Slot> = Vec::new();
    let mut script = String::new();
    for part in &bound.0 {
        match part {
            Part::Literal(text) => script.push_str(text),
            Part::Slot(slot) => {
                let at = values.iter().position(|value| *value == slot).unwrap_or_else(|| {
                    values.push(slot);
                    values.len() - 1
                });
                let _ = write!(script, "\"${{__pexec_{}}}\"", at + 1);
            }
        }
    }
    let literal = |text: &str| Bound(vec![Part::Literal(text.to_owned())]);
    let mut argv = vec![literal("sh"), literal("-c")];
    if values.is_empty() {
        argv.push(literal(&script));
        return argv;
    }
    let mut whole = String::new();
    for n in 1..=values.len() {
        let _ = write!(whole, "__pexec_{n}=${{{n}}};");
    }
    // On one line with the script: the shell counts lines in its messages.
    let _ = write!(whole, "shift {};{script}", values.len());
    argv.push(literal(&whole));
    argv.push(literal("sh"));
    argv.extend(
        values
            .into_iter()
            .map(|slot| Bound(vec![Part::Slot(slot.clone())])),
    );
    argv
}

/// Adds a problem for each placeholder that is not a bare word, or a bare part of one.
pub(crate) fn check(template: &Template, findings: &mut Findings) {
    for (hole, context) in template.holes().zip(context::contexts(&template.pieces)) {
        if let Some(where_) = context.wrong() {
            findings.add(problem(hole, where_));
        }
    }
    if !template.pieces.iter().any(|piece| match piece {
        Piece::Literal(text) => !text.trim().is_empty(),
        Piece::Hole(_) => true,
    }) {
        findings.add(Problem::at(template.span.clone(), "`shell` has no command in it"));
    }
}

fn problem(hole: &Hole, where_: &str) -> Problem {
    let name = format!("{{{}}}", hole.name);
    Problem::at(
        hole.span.clone(),
        format!("placeholder {} {where_} in a `shell` string", quoted(&name)),
    )
    .label("stands for one whole word, already quoted")
    .help("write it bare, outside of all quotes, or use `command`")
}
