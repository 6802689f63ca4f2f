//! Which instances wait for their partners in another task. Pure: it knows what has become of partners, as digests, and
//! holds what waits for them.
//!
//! What always holds: who comes is let go exactly once, with everything that it waited for done, or with the first
//! reason why that will never be. Of a partner no more is kept than its digest and a number.

use std::collections::HashMap;

use crate::plan::{NeedEach, Pair};
use crate::text::Text;

/// All pairs of a run; `T` is who waits.
pub(super) struct Pairs<T> {
    edges: Vec<Edge>,
    /// By task: the edges that lead from it, and to it.
    needs: Vec<Vec<usize>>,
    needed: Vec<Vec<usize>>,
    waiting: HashMap<u64, Waiting<T>>,
    came: u64,
    /// By task, how many of it wait.
    held: Vec<usize>,
}

/// One task that waits for another.
struct Edge {
    need: usize,
    own: Vec<usize>,
    theirs: Vec<usize>,
    /// How many partners have not succeeded yet. Of a stream: of those that have come.
    partners: HashMap<Pair, u32>,
    /// All partners were known from the beginning.
    known: bool,
    /// Pairs that will never be done, and why.
    lost: HashMap<Pair, Lost>,
    waiting: HashMap<Pair, Vec<u64>>,
    /// The needed task is over, and this is said of pairs that have no partner.
    over: Option<Lost>,
}

struct Waiting<T> {
    task: usize,
    what: T,
    missing: usize,
}

/// Why someone need not wait any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The instance of this label failed.
    Failed(Text),
    /// A partner was not run.
    NotRun,
    /// There is no partner in this task.
    NoPartner(usize),
}

/// What becomes of someone who waited.
pub(super) type LetGo<T> = (T, Result<(), Lost>);

impl<T> Pairs<T> {
    /// From what each task needs.
    pub(super) fn new(tasks: impl IntoIterator<Item = Vec<NeedEach>>) -> Pairs<T> {
        let mut pairs = Pairs {
            edges: Vec::new(),
            needs: Vec::new(),
            needed: Vec::new(),
            waiting: HashMap::new(),
            came: 0,
            held: Vec::new(),
        };
        for (at, needs) in tasks.into_iter().enumerate() {
            pairs.needs.push(Vec::new());
            pairs.needed.push(Vec::new());
            pairs.held.push(0);
            for need in needs {
                pairs.needs[at].push(pairs.edges.len());
                pairs.needed[need.task].push(pairs.edges.len());
                pairs.edges.push(Edge {
                    need: need.task,
                    own: need.own,
                    theirs: need.theirs,
                    known: need.partners.is_some(),
                    partners: need.partners.unwrap_or_default(),
                    lost: HashMap::new(),
                    waiting: HashMap::new(),
                    over: None,
                });
            }
        }
        pairs
    }

    /// How long the longest chain of tasks is that ends in this one.
    pub(super) fn depth(&self, task: usize) -> u32 {
        // Needs point backwards, so this ends; chains are as short as people write them.
        let needs = self.needs[task].iter().map(|edge| self.edges[*edge].need);
        needs.map(|need| self.depth(need) + 1).max().unwrap_or(0)
    }

    /// The tasks whose instances wait for partners.
    pub(super) fn waiting_tasks(&self) -> Vec<usize> {
        (0..self.needs.len())
            .filter(|task| self.is_paired(*task))
            .collect()
    }

    /// Instances of the task wait for partners.
    pub(super) fn is_paired(&self, task: usize) -> bool {
        !self.needs[task].is_empty()
    }

    /// Others wait for instances of the task.
    pub(super) fn is_needed(&self, task: usize) -> bool {
        !self.needed[task].is_empty()
    }

    /// How many instances of the task wait.
    pub(super) fn held(&self, task: usize) -> usize {
        self.held[task]
    }

    /// An instance about this has come: it is let go at once, or kept until it is.
    pub(super) fn come(
        &mut self,
        task: usize,
        item: Option<&Text>,
        keys: &[Text],
        what: T,
    ) -> Option<LetGo<T>> {
        let item = Pair::of_item(item);
        let mut missing = Vec::new();
        for &at in &self.needs[task] {
            let edge = &self.edges[at];
            let pair = item.with(edge.own.iter().map(|key| &keys[*key]));
            match edge.state(pair) {
                Ok(true) => {}
                Ok(false) => missing.push((at, pair)),
                Err(lost) => return Some((what, Err(lost))),
            }
        }
        if missing.is_empty() {
            return Some((what, Ok(())));
        }
        let id = self.came;
        self.came += 1;
        self.held[task] += 1;
        let waiting = Waiting {
            task,
            what,
            missing: missing.len(),
        };
        self.waiting.insert(id, waiting);
        for (at, pair) in missing {
            self.edges[at].waiting.entry(pair).or_default().push(id);
        }
        None
    }

    /// A stream gave an instance that others may wait for.
    pub(super) fn begin(&mut self, task: usize, item: Option<&Text>, keys: &[Text]) {
        for &at in &self.needed[task] {
            let edge = &mut self.edges[at];
            if !edge.known {
                let pair = edge.of_partner(item, keys);
                *edge.partners.entry(pair).or_default() += 1;
            }
        }
    }

    /// An instance that others may wait for has come to its end: those go who wait for nothing else, or for nothing
    /// any more.
    pub(super) fn end(
        &mut self,
        task: usize,
        item: Option<&Text>,
        keys: &[Text],
        how: Result<(), Lost>,
    ) -> Vec<LetGo<T>> {
        let mut gone = Vec::new();
        for at in self.needed[task].clone() {
            let edge = &mut self.edges[at];
            let pair = edge.of_partner(item, keys);
            let done = match &how {
                Ok(()) => {
                    let left = edge.partners.entry(pair).or_default();
                    *left = left.saturating_sub(1);
                    *left == 0
                }
                Err(lost) => {
                    edge.lost.entry(pair).or_insert_with(|| lost.clone());
                    true
                }
            };
            if done {
                let waiting = edge.waiting.remove(&pair).unwrap_or_default();
                self.let_go(waiting, &how, &mut gone);
            }
        }
        gone
    }

    /// Nothing of the task will come or end any more: who still waits for it waits in vain. `by` is what it was that
    /// kept the rest of it from coming.
    pub(super) fn over(&mut self, task: usize, by: Option<Text>) -> Vec<LetGo<T>> {
        let mut gone = Vec::new();
        for at in self.needed[task].clone() {
            let lost = match &by {
                Some(label) => Lost::Failed(label.clone()),
                None => Lost::NoPartner(task),
            };
            let edge = &mut self.edges[at];
            if edge.over.is_none() {
                edge.over = Some(lost.clone());
                let mut waiting: Vec<u64> = edge.waiting.drain().flat_map(|(_, ids)| ids).collect();
                // In the order in which they came.
                waiting.sort_unstable();
                self.let_go(waiting, &Err(lost), &mut gone);
            }
        }
        gone
    }

    fn let_go(&mut self, ids: Vec<u64>, how: &Result<(), Lost>, gone: &mut Vec<LetGo<T>>) {
        for id in ids {
            // Someone who was lost for another reason may still be named here.
            let Some(waiting) = self.waiting.get_mut(&id) else {
                continue;
            };
            waiting.missing -= 1;
            if (waiting.missing == 0 || how.is_err())
                && let Some(Waiting { task, what, .. }) = self.waiting.remove(&id)
            {
                self.held[task] -= 1;
                gone.push((what, how.clone()));
            }
        }
    }
}

impl Edge {
    fn of_partner(&self, item: Option<&Text>, keys: &[Text]) -> Pair {
        Pair::of_item(item).with(self.theirs.iter().map(|key| &keys[*key]))
    }

    /// Whether all partners are done.
    fn state(&self, pair: Pair) -> Result<bool, Lost> {
        if let Some(lost) = self.lost.get(&pair) {
            return Err(lost.clone());
        }
        match (self.partners.get(&pair), &self.over) {
            (Some(0), _) => Ok(true),
            (_, Some(lost)) => Err(lost.clone()),
            (Some(_), None) => Ok(false),
            (None, None) if self.known => Err(Lost::NoPartner(self.need)),
            (None, None) => Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Task 1 waits for task 0, and task 2 for both.
    fn pairs(partners: Option<&[(&str, u32)]>) -> Pairs<&'static str> {
        let need = |task, partners: Option<&[(&str, u32)]>| NeedEach {
            task,
            own: vec![],
            theirs: vec![],
            partners: partners.map(|known| {
                let counted = known
                    .iter()
                    .map(|(item, n)| (Pair::of_item(Some(&(*item).into())), *n));
                counted.collect()
            }),
        };
        Pairs::new([
            vec![],
            vec![need(0, partners)],
            vec![need(0, partners), need(1, None)],
        ])
    }

    fn text(item: &str) -> Text {
        item.into()
    }

    #[test]
    fn who_comes_waits_for_all_its_partners_and_for_no_others() {
        let mut pairs = pairs(Some(&[("a", 2), ("b", 1)]));
        assert_eq!(pairs.come(1, Some(&text("a")), &[], "a1"), None);
        assert_eq!(pairs.come(1, Some(&text("b")), &[], "b1"), None);
        assert_eq!((pairs.held(1), pairs.depth(1), pairs.depth(2)), (2, 1, 2));
        assert_eq!(pairs.end(0, Some(&text("a")), &[], Ok(())), []);
        assert_eq!(pairs.end(0, Some(&text("b")), &[], Ok(())), [("b1", Ok(()))]);
        assert_eq!(pairs.end(0, Some(&text("a")), &[], Ok(())), [("a1", Ok(()))]);
        assert_eq!(
            pairs.come(1, Some(&text("a")), &[], "again"),
            Some(("again", Ok(())))
        );
        assert_eq!(pairs.held(1), 0);
    }

    #[test]
    fn a_failure_is_the_end_of_those_that_wait_for_it_now_and_later() {
        let mut pairs = pairs(Some(&[("a", 2), ("b", 1)]));
        let lost = Lost::Failed("x(a)".into());
        assert_eq!(pairs.come(2, Some(&text("a")), &[], "a2"), None);
        let gone = pairs.end(0, Some(&text("a")), &[], Err(lost.clone()));
        assert_eq!(gone, [("a2", Err(lost.clone()))]);
        assert_eq!(
            pairs.end(1, Some(&text("a")), &[], Err(Lost::NotRun)),
            [],
            "it has gone"
        );
        assert_eq!(pairs.end(0, Some(&text("a")), &[], Ok(())), []);
        assert_eq!(
            pairs.come(1, Some(&text("a")), &[], "a1"),
            Some(("a1", Err(lost)))
        );
    }

    #[test]
    fn who_has_no_partner_is_told_so_at_once_or_when_a_stream_has_ended() {
        let mut known = pairs(Some(&[("a", 1)]));
        let lost = Err(Lost::NoPartner(0));
        assert_eq!(
            known.come(1, Some(&text("z")), &[], "z1"),
            Some(("z1", lost.clone()))
        );
        let mut streamed = pairs(None);
        streamed.begin(0, Some(&text("a")), &[]);
        for item in ["z", "a", "y"] {
            assert_eq!(streamed.come(1, Some(&text(item)), &[], item), None);
        }
        assert_eq!(streamed.end(0, Some(&text("a")), &[], Ok(())), [("a", Ok(()))]);
        assert_eq!(streamed.over(0, None), [("z", lost.clone()), ("y", lost.clone())]);
        assert_eq!(streamed.come(1, Some(&text("x")), &[], "x1"), Some(("x1", lost)));
        assert_eq!(
            streamed.come(1, Some(&text("a")), &[], "a1"),
            Some(("a1", Ok(())))
        );
    }

    #[test]
    fn equal_keys_of_the_matrix_belong_together() {
        let keys = |values: &[&str]| values.iter().map(|value| text(value)).collect::<Vec<_>>();
        let need = NeedEach {
            task: 0,
            own: vec![1],
            theirs: vec![0],
            partners: None,
        };
        let mut pairs = Pairs::new([vec![], vec![need]]);
        assert_eq!(pairs.come(1, Some(&text("a")), &keys(&["u", "big"]), "ub"), None);
        assert_eq!(pairs.come(1, Some(&text("a")), &keys(&["v", "big"]), "vb"), None);
        assert_eq!(
            pairs.come(1, Some(&text("a")), &keys(&["u", "small"]), "us"),
            None
        );
        let gone = pairs.end(0, Some(&text("a")), &keys(&["big", "w"]), Ok(()));
        assert_eq!(gone, [("ub", Ok(())), ("vb", Ok(()))]);
    }
}
