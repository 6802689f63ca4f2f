//! Whose turn it is: priorities, groups, memory, and how long one may wait.

use std::collections::HashSet;
use std::time::Duration;

use pexec_job::event::{Kind, Outcome};
use pexec_job::plan::{Group, Start, TaskPlan};

use super::{Run, six, stream, task};

fn with(start: Start, task: TaskPlan) -> TaskPlan {
    TaskPlan { start, ..task }
}

impl Run {
    fn started(&self) -> Vec<String> {
        let story = self.record.story();
        let started = story.iter().filter_map(|told| told.strip_prefix("started "));
        started.map(|id| id.trim_end_matches(" 1").to_owned()).collect()
    }

    /// The most that ran at once among instances whose id this is true for.
    fn most_at_once(&self, of: impl Fn(&str) -> u64) -> u64 {
        let (mut now, mut most) = (0, 0);
        for event in &self.record.events {
            match &event.kind {
                Kind::Started { who, .. } => now += of(&who.task),
                Kind::Finished { who, .. } => now -= of(&who.task),
                _ => {}
            }
            most = most.max(now);
        }
        most
    }
}

fn priority(priority: i64) -> Start {
    Start {
        priority,
        ..Start::default()
    }
}

fn group(group: usize) -> Start {
    Start {
        group: Some(group),
        ..Start::default()
    }
}

#[test]
fn a_higher_priority_starts_first_and_equal_ones_in_the_order_of_the_plan() {
    let mut run = Run::new();
    run.options.jobs = 1;
    let finished = run
        .go(vec![
            task("a", &[], &["true"; 2]),
            with(priority(-1), task("b", &[], &["true"; 2])),
            with(priority(7), task("c", &[], &["true"; 2])),
            task("d", &[], &["true"]),
            // Ready only after the first of all, and before the rest then.
            with(priority(9), task("e", &[2], &["true"])),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [8, 8, 0, 0, 0, 0]);
    assert_eq!(
        run.started(),
        ["c/0", "c/1", "e/0", "a/0", "a/1", "d/0", "b/0", "b/1"]
    );
}

#[test]
fn no_more_of_a_group_run_at_once_than_its_limit_and_others_go_on_meanwhile() {
    let mut run = Run::new();
    run.options.jobs = 6;
    run.groups = vec![Group {
        name: "net".into(),
        limit: 2,
    }];
    let gates = tempfile::tempdir().expect("a directory");
    let done = gates.path().join("others");
    // Those of the group end only when all the others have: they held nobody back.
    let waits = format!("until test -e {}; do sleep 0.01; done", done.display());
    run.record.gate_at_end = Some(("other/19".to_owned(), done));
    let finished = run.go(vec![
        with(group(0), task("a", &[], &[waits.as_str(); 3])),
        with(group(0), task("b", &[], &[waits.as_str(); 3])),
        task("other", &[], &["true"; 20]),
    ]);
    assert_eq!(six(finished.expect("a run").state.counts()), [26, 26, 0, 0, 0, 0]);
    assert_eq!(run.most_at_once(|task| u64::from(task != "other")), 2);
}

#[test]
fn what_runs_never_takes_more_memory_than_there_is_and_the_big_one_gets_its_turn() {
    let mut run = Run::new();
    run.options.jobs = 4;
    run.memory = Some(10);
    let memory = |memory| Start {
        memory,
        ..Start::default()
    };
    let finished = run.go(vec![
        with(memory(4), task("small", &[], &["sleep 0.02"; 10])),
        with(memory(10), task("big", &[], &["true"; 2])),
        with(memory(3), task("late", &[], &["true"; 10])),
        task("free", &[], &["true"; 5]),
    ]);
    assert_eq!(six(finished.expect("a run").state.counts()), [27, 27, 0, 0, 0, 0]);
    let size = |task: &str| match task {
        "small" => 4,
        "big" => 10,
        "late" => 3,
        _ => 0,
    };
    assert!(run.most_at_once(size) <= 10);
    let started = run.started();
    let at = |id: &str| started.iter().position(|started| started == id).expect("started");
    assert!(at("big/1") < at("late/2"), "{started:?}");
}

#[test]
fn who_waits_too_long_is_a_timeout_and_was_never_started() {
    let mut run = Run::new();
    run.options.jobs = 1;
    let told = run.spill.path().join("told");
    let first = format!("until test -e {}; do sleep 0.01; done; rm {0}", told.display());
    run.record.gate_at_end = Some(("late/2".to_owned(), told));
    let late = Start {
        queue_timeout: Some(Duration::from_millis(80)),
        ..Start::default()
    };
    let finished = run
        .go(vec![
            task("a", &[], &[&first]),
            with(late, task("late", &[], &["false"; 3])),
            task("after", &[1], &["true"]),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [5, 1, 3, 0, 1, 0]);
    let why = Some("waited longer than 80ms to start".to_owned());
    for at in 0..3 {
        assert_eq!(
            run.record.ends(&format!("late/{at}")),
            [(Outcome::Timeout, why.clone())]
        );
    }
    let never = |event: &&pexec_job::event::Event| match &event.kind {
        Kind::Started { who, pid, .. } => who.task == "late" && pid.is_some(),
        _ => false,
    };
    assert_eq!(run.record.events.iter().filter(never).count(), 0);
}

#[test]
fn the_time_of_waiting_begins_when_what_is_needed_has_succeeded() {
    let mut run = Run::new();
    let patient = Start {
        queue_timeout: Some(Duration::from_secs(60)),
        ..Start::default()
    };
    let finished = run
        .go(vec![
            task("a", &[], &["sleep 0.1"]),
            with(patient.clone(), task("b", &[0], &["true"; 5])),
            with(
                patient,
                stream("s", &[0], std::iter::repeat_n("true", 200).map(Ok)),
            ),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [206, 206, 0, 0, 0, 0]);
}

#[test]
fn what_a_stream_gives_waits_from_when_it_came() {
    let mut run = Run::new();
    run.options.jobs = 1;
    let told = run.spill.path().join("told");
    let first = format!("until test -e {}; do sleep 0.01; done; rm {0}", told.display());
    run.record.gate_at_end = Some(("s/1".to_owned(), told));
    let late = Start {
        queue_timeout: Some(Duration::from_millis(50)),
        ..Start::default()
    };
    let finished = run
        .go(vec![
            task("a", &[], &[&first]),
            with(late, stream("s", &[], ["false", "false"].into_iter().map(Ok))),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [3, 1, 2, 0, 0, 0]);
}

#[test]
fn thousands_in_groups_with_priorities_and_memory_each_end_once() {
    let mut run = Run::new();
    run.options.jobs = 4;
    run.groups = vec![
        Group {
            name: "one".into(),
            limit: 1,
        },
        Group {
            name: "three".into(),
            limit: 3,
        },
    ];
    run.memory = Some(100);
    let start = |at: usize| Start {
        priority: (at % 3) as i64,
        group: [None, Some(0), Some(1)][at % 3],
        memory: [0, 30, 60, 100][at % 4],
        ..Start::default()
    };
    let names: Vec<String> = (0..12).map(|at| format!("t{at}")).collect();
    let tasks = names
        .iter()
        .enumerate()
        .map(|(at, name)| with(start(at), task(name, &[], &["exec true"; 60])));
    let finished = run.go(tasks.collect()).expect("a run");
    assert_eq!(six(finished.state.counts()), [720, 720, 0, 0, 0, 0]);
    let started = run.started();
    assert_eq!(started.iter().collect::<HashSet<_>>().len(), 720);
    let index = |task: &str| task[1..].parse::<usize>().expect("a number");
    assert_eq!(run.most_at_once(|task| u64::from(index(task) % 3 == 1)), 1);
    assert!(run.most_at_once(|task| u64::from(index(task) % 3 == 2)) <= 3);
    assert!(run.most_at_once(|task| start(index(task)).memory) <= 100);
}
