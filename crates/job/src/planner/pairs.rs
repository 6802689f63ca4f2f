//! `needs_each`: which keys of the matrix two tasks share, how many instances each pair has, and whether everyone who
//! waits has someone to wait for. Sources of known length are read once more for that; streams are matched while they run.

use std::collections::HashMap;
use std::path::Path;

use super::product::Product;
use crate::plan::{Instances, NeedEach, Pair, SourceError, TaskPlan};
use crate::problem::{Findings, Problem, Span, quoted};
use crate::source;
use crate::spec::{Matrix, Origin, Task};
use crate::text::Text;

/// How many items without a partner are named.
const NAMED: usize = 3;

/// The tasks that each task waits for instance by instance: their positions, and where they are named.
pub(super) type Edges = Vec<Vec<(usize, Span)>>;

/// Refuses tasks that have no items to pair.
pub(super) fn check(tasks: &[Task], edges: &Edges, findings: &mut Findings) {
    for (at, needs) in edges.iter().enumerate() {
        for (need, span) in needs {
            for task in [&tasks[at], &tasks[*need]] {
                if task.draft.foreach.is_none() && task.draft.action.is_some() {
                    let title = format!(
                        "{} has no `foreach`: there are no items to pair",
                        quoted(&task.name)
                    );
                    let help =
                        "`needs_each` pairs equal items of two tasks; `needs` waits for the whole of one";
                    findings.add(Problem::at(span.clone(), title).help(help).absence());
                }
            }
        }
    }
}

/// What is known of the items of tasks that are planned.
pub(super) struct Known<'a> {
    tasks: &'a [Task],
    dir: &'a Path,
    /// Items that cannot be asked for a second time, by the task's position in the file.
    listed: HashMap<usize, Vec<Option<Text>>>,
}

impl<'a> Known<'a> {
    pub(super) fn new(tasks: &'a [Task], dir: &'a Path) -> Known<'a> {
        Known {
            tasks,
            dir,
            listed: HashMap::new(),
        }
    }

    /// Notes the items of a task whose source is a command: it is not run twice.
    pub(super) fn note(&mut self, at: usize, planned: &mut TaskPlan) {
        if !matches!(self.origin(at), Some(Origin::Command(_))) || planned.total.is_none() {
            return;
        }
        let instances = std::mem::replace(&mut planned.instances, Box::new(std::iter::empty()));
        let all: Vec<Result<_, SourceError>> = instances.collect();
        let step = self.product(at).map_or(1, |product| product.len().max(1)) as usize;
        let items = all
            .iter()
            .flatten()
            .step_by(step)
            .map(|instance| instance.item.clone());
        self.listed.insert(at, items.collect());
        planned.instances = Box::new(all.into_iter()) as Instances;
    }

    /// The edge from one task to the other, which is at `position` in the plan. Items without a partner are problems.
    pub(super) fn need(
        &self,
        at: usize,
        (need, span): (usize, &Span),
        position: usize,
        findings: &mut Findings,
    ) -> NeedEach {
        let (mine, others) = (self.axes(at), self.axes(need));
        let shared = mine.iter().enumerate().filter_map(|(own, (name, _))| {
            let theirs = others.iter().position(|(other, _)| other == name)?;
            Some((own, theirs))
        });
        let (own, theirs): (Vec<usize>, Vec<usize>) = shared.unzip();
        let partners = self.count(need, &theirs);
        if let Some(partners) = &partners {
            self.find_lonely(at, &own, partners, need, span, findings);
        }
        NeedEach {
            task: position,
            own,
            theirs,
            partners,
        }
    }

    /// How many instances of a task each pair has.
    fn count(&self, at: usize, axes: &[usize]) -> Option<HashMap<Pair, u32>> {
        let combinations = self.combinations(at, axes)?;
        let mut counts: HashMap<Pair, u32> = HashMap::new();
        for item in self.items(at)? {
            let item = Pair::of_item(item.as_ref());
            for (values, times) in &combinations {
                let count = counts.entry(item.with(values)).or_default();
                *count = count.saturating_add(*times);
            }
        }
        Some(counts)
    }

    fn find_lonely(
        &self,
        at: usize,
        axes: &[usize],
        partners: &HashMap<Pair, u32>,
        need: usize,
        span: &Span,
        findings: &mut Findings,
    ) {
        let (Some(items), Some(combinations)) = (self.items(at), self.combinations(at, axes)) else {
            return;
        };
        let mut lonely: u64 = 0;
        let mut named = Vec::new();
        for item in items {
            let digest = Pair::of_item(item.as_ref());
            for values in combinations.keys() {
                if partners.contains_key(&digest.with(values)) {
                    continue;
                }
                lonely += 1;
                if named.len() < NAMED {
                    let mut name = item.clone().unwrap_or_default().to_string();
                    for (axis, value) in axes.iter().zip(values) {
                        name += &format!(",{}={value}", self.axes(at)[*axis].0);
                    }
                    named.push(quoted(&name));
                }
            }
        }
        if lonely > 0 {
            let [mine, other] = [at, need].map(|at| quoted(&self.tasks[at].name));
            let more = match lonely - named.len() as u64 {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let title = format!(
                "{other} has no instance for {}{more}, which {mine} has",
                named.join(", ")
            );
            let help =
                "`needs_each` pairs equal items: the two tasks need the same source, or equal parts of it";
            findings.add(Problem::at(span.clone(), title).help(help));
        }
    }

    /// The items of a task, if they are known before it runs.
    fn items(&self, at: usize) -> Option<Box<dyn Iterator<Item = Option<Text>> + '_>> {
        if let Some(items) = self.listed.get(&at) {
            return Some(Box::new(items.iter().cloned()));
        }
        let origin = self.origin(at)?;
        if matches!(origin, Origin::Stdin | Origin::Broken | Origin::Command(_)) {
            return None;
        }
        // What cannot be read has been told, or is told when it is read for good.
        let opened = source::open(origin, self.dir, false).ok()?;
        opened.total?;
        Some(Box::new(opened.rows.map_while(Result::ok).map(|row| row.item)))
    }

    /// The different values of these keys of a task's matrix, and how many of its combinations have them.
    fn combinations(&self, at: usize, axes: &[usize]) -> Option<HashMap<Vec<Text>, u32>> {
        let product = self.product(at)?;
        let many = u32::try_from(product.len()).unwrap_or(u32::MAX);
        if axes.is_empty() || many == 0 {
            return Some((many > 0).then_some((Vec::new(), many)).into_iter().collect());
        }
        let mut combinations: HashMap<Vec<Text>, u32> = HashMap::new();
        for n in 0..product.len() {
            let values = product.get(n);
            let values = axes.iter().map(|axis| values[*axis].clone()).collect();
            *combinations.entry(values).or_default() += 1;
        }
        Some(combinations)
    }

    fn product(&self, at: usize) -> Option<Product> {
        match &self.tasks[at].draft.matrix {
            None => Some(Product::none()),
            Some(Matrix { broken: true, .. }) => None,
            Some(matrix) => Product::new(matrix).ok(),
        }
    }

    fn axes(&self, at: usize) -> &[(String, Vec<Text>)] {
        self.tasks[at]
            .draft
            .matrix
            .as_ref()
            .map_or(&[], |matrix| &matrix.axes)
    }

    fn origin(&self, at: usize) -> Option<&Origin> {
        self.tasks[at]
            .draft
            .foreach
            .as_ref()
            .map(|foreach| &foreach.origin)
    }
}
