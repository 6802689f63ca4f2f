//! Problems as text. Each is cut out of the file with its own line before it is drawn, so that a hundred problems
//! in ten megabytes cost a hundred lines.

use std::fmt::Write;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Problem, Problems, Span};

/// How many problems are listed.
const LISTED: usize = 100;
/// How much of a long line is shown on either side of the problem, in bytes.
const AROUND: usize = 60;

pub(super) fn render(problems: &Problems, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let lines = Lines::new(&problems.text);
    let mut out = String::new();
    for problem in problems.list.iter().take(LISTED) {
        let mut group = Level::ERROR
            .primary_title(problem.title.as_str())
            .elements([] as [Origin<'_>; 0]);
        if let Some(span) = &problem.span {
            group = place(group, problem, &problems.path, lines.window(span));
        } else if !problems.path.is_empty() {
            group = group.element(Origin::path(problems.path.as_str()));
        }
        for help in &problem.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    let unlisted = problems.total - problems.list.len().min(LISTED);
    if unlisted > 0 {
        let _ = writeln!(out, "and {unlisted} more problems\n");
    }
    out.pop();
    out
}

fn place<'a>(group: Group<'a>, problem: &'a Problem, path: &'a str, window: Window<'a>) -> Group<'a> {
    let mut annotation = AnnotationKind::Primary.span(window.span);
    if !problem.label.is_empty() {
        annotation = annotation.label(problem.label.as_str());
    }
    let snippet = Snippet::source(window.text)
        .line_start(window.line)
        .annotation(annotation);
    if window.cut {
        // The snippet alone would count the column from where the line is cut.
        let origin = Origin::path(path).line(window.line).char_column(window.column);
        return group.element(origin).element(snippet);
    }
    group.element(snippet.path(path))
}

/// Where the lines of a text begin.
struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
}

/// The part of a line that is shown.
struct Window<'a> {
    text: &'a str,
    /// In that text.
    span: Span,
    /// From 1.
    line: usize,
    /// From 1, in characters, of the whole line.
    column: usize,
    /// The text is not the whole line.
    cut: bool,
}

impl<'a> Lines<'a> {
    fn new(text: &'a str) -> Lines<'a> {
        let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let mut starts = vec![0];
        starts.extend(ends.map(|(at, _)| at + 1));
        Lines { text, starts }
    }

    fn window(&self, span: &Span) -> Window<'a> {
        let mut from = self.boundary(span.start);
        // What is missing at the end of the file is shown at the end of its last line with something in it.
        if from == self.text.len() && from > 0 {
            from = self.text.trim_end_matches(['\n', '\r']).len();
        }
        let number = self.starts.partition_point(|start| *start <= from).max(1);
        let start = self.starts[number - 1];
        let end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |length| start + length);
        let end = start + self.text[start..end].trim_end_matches('\r').len();
        let from = from.min(end);
        let to = self.boundary(span.end).clamp(from, end);
        let shown_from = self.boundary(start.max(from.saturating_sub(AROUND)));
        let shown_to = self.boundary(end.min(from + 2 * AROUND));
        // A line of usual length is shown whole.
        let (shown_from, shown_to) = if end - start <= 3 * AROUND {
            (start, end)
        } else {
            (shown_from, shown_to)
        };
        Window {
            text: &self.text[shown_from..shown_to],
            span: from - shown_from..to.min(shown_to) - shown_from,
            line: number,
            column: self.text[start..from].chars().count() + 1,
            cut: shown_to - shown_from < end - start,
        }
    }

    /// The nearest place at or before `at` where a character begins.
    fn boundary(&self, at: usize) -> usize {
        self.text.floor_char_boundary(at)
    }
}
