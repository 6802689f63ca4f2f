//! What waits for what.

use pexec_job::event::Outcome;

use super::{Run, six, task};

#[test]
fn a_task_starts_after_every_instance_of_what_it_needs() {
    let mut run = Run::new();
    let finished = run
        .go(vec![
            task("a", &[], &["sleep 0.2", "true"]),
            task("b", &[0], &["true"]),
            task("c", &[0, 1], &["true"]),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [4, 4, 0, 0, 0, 0]);
    let at = |s| run.record.at(s);
    assert!(at("started b/0 1") > at("finished a/0 1 success").max(at("finished a/1 1 success")));
    assert!(at("started c/0 1") > at("finished b/0 1 success"));
    assert_eq!(
        run.record.story()[..4],
        ["run_started", "planned a 2", "planned b 1", "planned c 1"]
    );
}

#[test]
fn what_a_failure_blocks_is_named_and_the_rest_runs() {
    let mut run = Run::new();
    let finished = run
        .go(vec![
            task("a", &[], &["true", "echo oh no >&2; exit 3", "true"]),
            task("b", &[0], &["true", "true"]),
            task("c", &[1], &["true"]),
            task("d", &[], &["true"]),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [7, 3, 1, 0, 3, 0]);
    for blocked in ["blocked b/0 a(1)", "blocked b/1 a(1)", "blocked c/0 a(1)"] {
        run.record.at(blocked);
    }
    let [failure] = finished.state.failures() else {
        panic!("{:?}", finished.state.failures())
    };
    assert_eq!(
        (failure.who.label.to_string().as_str(), failure.why.as_str()),
        ("a(1)", "exit 3")
    );
    assert_eq!(failure.tail.as_bytes(), b"oh no\n");
    assert_eq!(finished.state.blocked_by(), [("a(1)".into(), 3)]);
}

#[test]
fn a_task_without_instances_is_done_and_a_plan_without_tasks_too() {
    let mut run = Run::new();
    let finished = run
        .go(vec![task("a", &[], &[]), task("b", &[0], &["true"])])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [1, 1, 0, 0, 0, 0]);
    assert_eq!(six(Run::new().go(vec![]).expect("a run").state.counts()), [0; 6]);
}

#[test]
fn a_diamond_of_many_instances_adds_up() {
    let mut run = Run::new();
    let many = vec!["true"; 50];
    let finished = run
        .go(vec![
            task("a", &[], &many),
            task("b", &[0], &many),
            task("c", &[0], &many),
            task("d", &[1, 2], &many),
        ])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [200, 200, 0, 0, 0, 0]);
    assert!(finished.state.planned_complete());
}

#[test]
fn thousands_of_commands_each_end_once() {
    let mut run = Run::new();
    let finished = run
        .go(vec![task("t", &[], &vec!["exec /bin/true"; 2000])])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [2000, 2000, 0, 0, 0, 0]);
    assert!((0..2000).all(|i| run.record.ends(&format!("t/{i}")) == [(Outcome::Success, None)]));
}

#[test]
fn the_order_of_one_worker_is_the_order_of_the_plan() {
    let mut run = Run::new();
    run.options.jobs = 1;
    run.go(vec![task("a", &[], &["true"; 5]), task("b", &[], &["true"; 5])])
        .expect("a run");
    let started: Vec<_> = run
        .record
        .story()
        .into_iter()
        .filter(|s| s.starts_with("started"))
        .collect();
    let expected: Vec<_> = ["a", "b"]
        .iter()
        .flat_map(|t| (0..5).map(move |i| format!("started {t}/{i} 1")))
        .collect();
    assert_eq!(started, expected);
}

#[test]
fn an_inline_executor_runs_a_plan_too() {
    let mut run = Run::new();
    run.options.stream = true;
    let tasks = vec![
        task("a", &[], &["echo 1", "echo 2"]),
        task("b", &[0], &["exit 1"]),
    ];
    let finished = run.go_on(&pexec::Inline::new(), tasks).expect("a run");
    assert_eq!(six(finished.state.counts()), [3, 2, 1, 0, 0, 0]);
    assert_eq!(run.record.lines.len(), 2);
}
