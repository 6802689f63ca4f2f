//! `inputs` and `outputs` of a task: bound once, and rendered for each instance.

use std::path::Path;

use crate::files::{Files, Input};
use crate::problem::{Findings, Problem, quoted};
use crate::spec::Task;
use crate::template::Template;
use crate::template::bind::{Bound, Fields, Row, Scope};
use crate::text::Text;

/// The files of a task's instances, not yet substituted.
#[derive(Debug)]
pub(super) struct FilesRecipe {
    dir: Text,
    /// With those that are patterns.
    inputs: Vec<(Bound, bool)>,
    outputs: Vec<Bound>,
}

impl FilesRecipe {
    pub(super) fn makes(&self) -> bool {
        !self.outputs.is_empty()
    }

    pub(super) fn files(&self, row: &Row) -> Files {
        let input = |(bound, is_pattern): &(Bound, bool)| match is_pattern {
            false => Input::Path(bound.render(row, 1)),
            true => Input::Pattern(bound.render_pattern(row)),
        };
        Files {
            dir: self.dir.clone(),
            inputs: self.inputs.iter().map(input).collect(),
            outputs: self.outputs.iter().map(|bound| bound.render(row, 1)).collect(),
        }
    }
}

/// The files of a task, where it names any.
pub(super) fn recipe(
    task: &Task,
    scope: &Scope<'_>,
    dir: &Path,
    findings: &mut Findings,
) -> Option<FilesRecipe> {
    // They are what an instance is known by, whichever attempt it is.
    let scope = Scope {
        attempts: false,
        ..*scope
    };
    let bind = |template: &Template, findings: &mut Findings| {
        let bound = scope.bind(template, findings);
        if bound.has_nul() {
            let title = "the path holds a NUL byte";
            findings.add(Problem::at(template.span.clone(), title));
        }
        bound
    };
    let draft = &task.draft;
    let inputs: Vec<Bound> = draft
        .inputs
        .iter()
        .flatten()
        .map(|input| bind(input, findings))
        .collect();
    let mut outputs: Vec<Bound> = Vec::new();
    let many = draft.foreach.is_some() || draft.matrix.is_some();
    for template in draft.outputs.iter().flatten() {
        let output = bind(template, findings);
        let at = template.span.clone();
        if output.is_pattern() {
            let help = "name each file that is made; `*`, `?` and `[` can stand in `inputs` only";
            findings.add(Problem::at(at, "an output cannot be a pattern").help(help));
        } else if many && output.is_constant() && *scope.fields != Fields::Unknown {
            let title = format!(
                "every instance of {} would make the same file",
                quoted(&task.name)
            );
            findings.add(Problem::at(at, title).help("put a placeholder into the path, `{index}` for one"));
        } else if inputs.contains(&output) {
            let help = "a file that an instance changes is never as it was when it began";
            findings.add(Problem::at(at, "the file is an input, too").help(help));
        } else if outputs.contains(&output) {
            findings.add(Problem::at(at, "the output is named twice"));
        }
        outputs.push(output);
    }
    let named = !inputs.is_empty() || !outputs.is_empty();
    named.then(|| FilesRecipe {
        dir: Text::from(std::os::unix::ffi::OsStrExt::as_bytes(dir.as_os_str()).to_vec()),
        inputs: inputs
            .into_iter()
            .map(|bound| {
                let is_pattern = bound.is_pattern();
                (bound, is_pattern)
            })
            .collect(),
        outputs,
    })
}
