//! Longest first: an instance that takes long and starts last is what everybody waits for in the end.
//!
//! Only the longest instances of a task are taken out of their order, for only they can make a run longer, and only so
//! many that memory does not grow with the task. The others follow as the source gives them.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use super::History;
use crate::plan::{Instance, Instances, Plan, SourceError, TaskPlan};
use crate::text::Text;

/// How many instances of a task are put in order.
const LONGEST: usize = 1024;
/// A difference below this is not worth another order.
const WORTH: Duration = Duration::from_millis(5);

/// What a history makes one expect of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Workload {
    /// All that is known of, one after the other.
    pub work: Duration,
    /// How many instances that is.
    pub known: u64,
    /// How many nothing is known of.
    pub unknown: u64,
}

/// Looks at what the plan's instances took in earlier runs and, with `longest_first`, lets those that took longest begin
/// where their source can be looked at without being used up.
pub fn arrange(plan: &mut Plan, history: &History, longest_first: bool) -> Workload {
    let mut workload = Workload::default();
    for task in &mut plan.tasks {
        match task.preview.as_ref().filter(|_| history.knows(&task.name)) {
            None => workload.unknown += task.total.unwrap_or(0),
            Some(preview) => {
                if let Some(longest) = preview().and_then(|all| look(&task.name, all, history, &mut workload))
                    && longest_first
                {
                    lead(task, longest);
                }
            }
        }
    }
    workload
}

/// One of the longest; the shortest of them is the greatest, so that a heap gives it up first.
struct Long {
    expected: Duration,
    instance: Instance,
}

impl Long {
    fn rank(&self) -> (Reverse<Duration>, u64) {
        (Reverse(self.expected), self.instance.index)
    }
}

impl PartialEq for Long {
    fn eq(&self, other: &Long) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Long {}

impl PartialOrd for Long {
    fn partial_cmp(&self, other: &Long) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Long {
    fn cmp(&self, other: &Long) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The longest instances, longest first; `None`: their order makes no difference, or the source broke.
fn look(task: &str, all: Instances, history: &History, workload: &mut Workload) -> Option<Vec<Long>> {
    let mut longest = BinaryHeap::new();
    let (mut work, mut known) = (Duration::ZERO, 0u32);
    for instance in all {
        let instance = instance.ok()?;
        let expected = history.expected(task, instance.item.as_ref())?;
        work += expected;
        known += 1;
        longest.push(Long { expected, instance });
        if longest.len() > LONGEST {
            longest.pop();
        }
    }
    workload.work += work;
    workload.known += u64::from(known);
    let longest = longest.into_sorted_vec();
    let mean = work.checked_div(known)?;
    (longest.first()?.expected > mean + mean / 4 + WORTH).then_some(longest)
}

/// Has these instances of the task begin.
fn lead(task: &mut TaskPlan, longest: Vec<Long>) {
    let mut taken: HashMap<u64, Option<Text>> = longest
        .iter()
        .map(|long| (long.instance.index, long.instance.item.clone()))
        .collect();
    let first = longest.into_iter().map(|long| Ok(long.instance));
    let rest = std::mem::replace(&mut task.instances, Box::new(std::iter::empty()));
    let name = task.name.clone();
    let rest = rest.filter_map(move |instance| match instance {
        Ok(instance) => match taken.remove(&instance.index) {
            None => Some(Ok(instance)),
            Some(item) if item == instance.item => None,
            // One would run twice, and one not at all.
            Some(_) => Some(Err(SourceError(format!(
                "the items of task {name} were changed while the job began"
            )))),
        },
        Err(error) => Some(Err(error)),
    });
    task.instances = Box::new(first.chain(rest));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::history;
    use super::*;

    fn instances(items: &[Text]) -> Instances {
        let items = items.to_vec();
        Box::new((0..).zip(items).map(|(index, item)| {
            Ok(Instance {
                index,
                label: item.clone(),
                item: Some(item),
                keys: Vec::new(),
                files: None,
                work: Box::new(|_| panic!("not asked for")),
            })
        }))
    }

    fn plan(items: Vec<Text>, previewed: Vec<Text>) -> Plan {
        let previewed = Arc::new(previewed);
        let total = items.len() as u64;
        let mut task = TaskPlan::new("t", Some(total), instances(&items));
        task.preview = Some(Box::new(move || Some(instances(&previewed))));
        Plan::new("j", "/", vec![task])
    }

    fn order(plan: Plan) -> Vec<Result<String, String>> {
        let tasks = plan.tasks.into_iter();
        tasks
            .flat_map(|task| task.instances)
            .map(|instance| match instance {
                Ok(instance) => Ok(format!("{} {}", instance.index, instance.label)),
                Err(error) => Err(error.0),
            })
            .collect()
    }

    fn texts(items: &[&str]) -> Vec<Text> {
        items.iter().map(|item| Text::from(*item)).collect()
    }

    #[test]
    fn the_longest_come_first_and_keep_their_places() {
        let items = texts(&["a", "b", "c", "new", "d"]);
        let mut plan = plan(items.clone(), items);
        let history = history(&[("a", 1.0), ("b", 9.0), ("c", 2.0), ("d", 4.0)]);
        let workload = arrange(&mut plan, &history, true);
        assert_eq!((workload.work, workload.known), (Duration::from_secs(20), 5));
        let expected = ["1 b", "3 new", "4 d", "2 c", "0 a"];
        assert_eq!(order(plan), expected.map(|name| Ok(name.to_owned())));
    }

    #[test]
    fn all_alike_stay_in_their_order() {
        let items = texts(&["a", "b", "c"]);
        let mut plan = plan(items.clone(), items);
        arrange(&mut plan, &history(&[("a", 1.0), ("b", 1.1), ("c", 1.2)]), true);
        assert_eq!(order(plan), ["0 a", "1 b", "2 c"].map(|name| Ok(name.to_owned())));
    }

    #[test]
    fn of_many_only_the_longest_leave_their_places() {
        let items: Vec<Text> = (0..5000).map(|n: u32| Text::from(n.to_string())).collect();
        let mut plan = plan(items.clone(), items);
        // The further behind, the longer.
        let names: Vec<String> = (0..5000).map(|n| n.to_string()).collect();
        let past: Vec<(&str, f64)> = names
            .iter()
            .map(String::as_str)
            .zip((0..).map(f64::from))
            .collect();
        arrange(&mut plan, &history(&past), true);
        let order = order(plan);
        assert_eq!(order.len(), 5000);
        let place = |n: u64| Ok(format!("{n} {n}"));
        let expected = (0..LONGEST as u64)
            .map(|n| place(4999 - n))
            .chain((0..5000 - LONGEST as u64).map(place));
        assert!(order.into_iter().eq(expected));
    }

    #[test]
    fn items_that_change_meanwhile_are_an_error_and_not_run_twice() {
        let mut plan = plan(texts(&["b", "a", "c"]), texts(&["a", "b", "c"]));
        arrange(&mut plan, &history(&[("a", 1.0), ("b", 9.0), ("c", 2.0)]), true);
        let order = order(plan);
        assert!(order.iter().any(Result::is_err), "{order:?}");
    }
}
