//! A string of the job file with placeholders: `{item}`, `{{` for a brace.
//!
//! This file only takes a string apart. What a placeholder stands for is decided in `bind`, where it is known
//! which task the string belongs to; every placeholder knows its place in the file for that.

pub(crate) mod bind;
pub(crate) mod facet;
pub(crate) mod shell;

use crate::problem::{Findings, Problem, Span, quoted};

/// A string, taken apart.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    pub(crate) pieces: Vec<Piece>,
    /// The whole string in the file, its quotes included.
    pub(crate) span: Span,
}

/// A part of a string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Hole(Hole),
}

/// A placeholder.
#[derive(Clone, Debug)]
pub(crate) struct Hole {
    pub(crate) name: String,
    /// In the file, its braces included.
    pub(crate) span: Span,
}

/// Two are the same if they stand for the same, wherever they stand.
impl PartialEq for Hole {
    fn eq(&self, other: &Hole) -> bool {
        self.name == other.name
    }
}

impl Eq for Hole {}

impl Template {
    /// A string in which nothing is substituted.
    pub(crate) fn literal(text: impl Into<String>, span: Span) -> Template {
        Template {
            pieces: vec![Piece::Literal(text.into())],
            span,
        }
    }

    /// Takes `text` apart, which stands at `span` in the file; `place` tells where a part of it stands.
    pub(crate) fn parse(
        text: &str,
        span: Span,
        place: impl Fn(Span) -> Span,
        findings: &mut Findings,
    ) -> Template {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut at = 0;
        while let Some(found) = text[at..].find(['{', '}']) {
            literal.push_str(&text[at..at + found]);
            at += found;
            let rest = &text[at..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                literal.push_str(&rest[..1]);
                at += 2;
            } else if rest.starts_with('}') {
                findings.add(
                    Problem::at(place(at..at + 1), "a `}` without its `{`").help("for a brace, write `}}`"),
                );
                at += 1;
            } else {
                let end = rest[1..].find(['{', '}', '\n']).map(|end| end + 1);
                let Some(end) = end.filter(|end| rest[*end..].starts_with('}')) else {
                    findings.add(
                        Problem::at(place(at..at + 1), "a `{` that is not closed")
                            .help("for a brace, write `{{`"),
                    );
                    at += 1;
                    continue;
                };
                if !literal.is_empty() {
                    pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Hole(Hole {
                    name: rest[1..end].to_owned(),
                    span: place(at..at + end + 1),
                }));
                at += end + 1;
            }
        }
        literal.push_str(&text[at..]);
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal));
        }
        Template { pieces, span }
    }

    /// The placeholders.
    pub(crate) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Hole(hole) => Some(hole),
            Piece::Literal(_) => None,
        })
    }

    /// There is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// The problem of a placeholder that means nothing where it stands.
pub(crate) fn meaningless(hole: &Hole) -> Problem {
    Problem::at(
        hole.span.clone(),
        format!("unknown placeholder {}", quoted(&format!("{{{}}}", hole.name))),
    )
}
