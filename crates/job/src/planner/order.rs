//! Who needs whom: names become positions, circles are found, and the tasks get an order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use super::pairs::Edges;
use crate::problem::nearest::advice;
use crate::problem::{Findings, Problem, Span, quoted};
use crate::spec::Task;

/// For each task the positions of those that it needs, each once.
pub(super) fn needs(tasks: &[Task], findings: &mut Findings) -> Vec<Vec<usize>> {
    let found = find(tasks, |task| &task.draft.needs, findings);
    let positions = |needs: Vec<(usize, Span)>| {
        let mut needs: Vec<usize> = needs.into_iter().map(|(at, _)| at).collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    };
    found.into_iter().map(positions).collect()
}

/// The same for those that it needs instance by instance, with the places where they are named.
pub(super) fn needs_each(tasks: &[Task], findings: &mut Findings) -> Edges {
    let mut found = find(tasks, |task| &task.draft.needs_each, findings);
    for needs in &mut found {
        needs.sort_by_key(|(at, span)| (*at, span.start));
        needs.dedup_by_key(|(at, _)| *at);
    }
    found
}

/// What each task waits for, one way or the other.
pub(super) fn all(needs: &[Vec<usize>], each: &Edges) -> Vec<Vec<usize>> {
    let both = needs.iter().zip(each).map(|(needs, each)| {
        let mut all: Vec<usize> = needs
            .iter()
            .copied()
            .chain(each.iter().map(|(at, _)| *at))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    });
    both.collect()
}

fn find<'t>(
    tasks: &'t [Task],
    of: impl Fn(&'t Task) -> &'t Option<Vec<(String, Span)>>,
    findings: &mut Findings,
) -> Edges {
    let positions: HashMap<&str, usize> = tasks
        .iter()
        .enumerate()
        .map(|(at, task)| (task.name.as_str(), at))
        .collect();
    let mut all = Vec::with_capacity(tasks.len());
    for task in tasks {
        let mut needs = Vec::new();
        for (name, span) in of(task).iter().flatten() {
            match positions.get(name.as_str()) {
                Some(at) => needs.push((*at, span.clone())),
                None => {
                    let help = match findings.is_full() {
                        true => String::new(),
                        false => advice(name, tasks.iter().map(|task| task.name.as_str())),
                    };
                    let title = format!("there is no task {}", quoted(name));
                    findings.add(
                        Problem::at(span.clone(), title)
                            .label(format!("{} needs it", quoted(&task.name)))
                            .help(help)
                            .absence(),
                    );
                }
            }
        }
        all.push(needs);
    }
    all
}

/// Positions in an order in which a task comes after what it needs, otherwise as in the file. Tasks that go round in
/// a circle are reported and come last.
pub(super) fn sequence(tasks: &[Task], needs: &[Vec<usize>], findings: &mut Findings) -> Vec<usize> {
    let mut missing: Vec<usize> = needs.iter().map(Vec::len).collect();
    let mut needed_by = vec![Vec::new(); tasks.len()];
    for (at, needs) in needs.iter().enumerate() {
        for need in needs {
            needed_by[*need].push(at);
        }
    }
    let mut ready: BinaryHeap<Reverse<usize>> = (0..tasks.len())
        .filter(|at| missing[*at] == 0)
        .map(Reverse)
        .collect();
    let mut order = Vec::with_capacity(tasks.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for later in &needed_by[at] {
            missing[*later] -= 1;
            if missing[*later] == 0 {
                ready.push(Reverse(*later));
            }
        }
    }
    if order.len() < tasks.len() {
        circles(tasks, needs, &missing, findings);
        order.extend((0..tasks.len()).filter(|at| missing[*at] > 0));
    }
    order
}

/// Every task that is left waits for another one that is left, so following one of these always ends in a circle.
fn circles(tasks: &[Task], needs: &[Vec<usize>], missing: &[usize], findings: &mut Findings) {
    let mut walked_in = vec![0; tasks.len()];
    for (start, left) in missing.iter().enumerate() {
        let walk = start + 1;
        let mut path = Vec::new();
        let mut at = start;
        let stuck = |at: usize| needs[at].iter().copied().find(|need| missing[*need] > 0);
        if *left == 0 {
            continue;
        }
        while walked_in[at] == 0 {
            walked_in[at] = walk;
            path.push(at);
            match stuck(at) {
                Some(next) => at = next,
                None => break,
            }
        }
        if walked_in[at] != walk {
            // It leads into a circle that was found before.
            continue;
        }
        if let Some(from) = path.iter().position(|on_path| *on_path == at) {
            findings.add(circle(tasks, &path[from..]));
        }
    }
}

fn circle(tasks: &[Task], members: &[usize]) -> Problem {
    const LISTED: usize = 20;
    let first = &tasks[members[0]];
    // Where the first says what it needs, or else its name, if `[defaults]` say it.
    let next = &tasks[members[1 % members.len()]].name;
    let span = first
        .draft
        .needs
        .iter()
        .chain(&first.draft.needs_each)
        .flatten()
        .find(|(name, _)| name == next)
        .map_or(first.span.clone(), |(_, span)| span.clone());
    if members.len() == 1 {
        return Problem::at(
            span,
            format!("a cycle: task {} needs itself", quoted(&first.name)),
        );
    }
    let mut names: Vec<String> = members
        .iter()
        .take(LISTED)
        .map(|at| quoted(&tasks[*at].name))
        .collect();
    if members.len() > LISTED {
        names.push(format!("{} more", members.len() - LISTED));
    }
    names.push(quoted(&first.name));
    Problem::at(span, format!("a cycle: {}", names.join(" needs ")))
        .label("none of them could ever start")
        .help("take one of the `needs` away")
}
