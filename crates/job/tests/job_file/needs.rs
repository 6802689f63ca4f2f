//! Tasks that need tasks.

use pexec_job::plan::Plan;

use crate::{Job, assert_says};

fn shape(plan: &Plan) -> Vec<(&str, &[usize])> {
    let shape = plan
        .tasks
        .iter()
        .map(|task| (task.name.as_str(), task.needs.as_slice()));
    shape.collect()
}

const DIAMOND: &str = "[tasks.last]\nneeds = ['left', 'right', 'left']\ncommand = ['x']\n\
    [tasks.free]\ncommand = ['x']\n[tasks.right]\nneeds = ['first']\ncommand = ['x']\n\
    [tasks.left]\nneeds = ['first']\ncommand = ['x']\n[tasks.first]\ncommand = ['x']\n";

#[test]
fn a_task_comes_after_what_it_needs_and_otherwise_as_in_the_file() {
    let plan = Job::new(DIAMOND).plan();
    assert_eq!(
        shape(&plan),
        [
            ("free", &[] as &[usize]),
            ("first", &[]),
            ("right", &[1]),
            ("left", &[1]),
            ("last", &[2, 3])
        ]
    );
}

#[test]
fn only_some_take_what_they_need_as_done() {
    let plan = Job::new(DIAMOND).only("last").only("right").plan();
    assert_eq!(shape(&plan), [("right", &[] as &[usize]), ("last", &[0])]);
}

#[test]
fn what_is_not_wanted_is_checked_but_not_opened() {
    let toml = "[tasks.a]\nforeach = { csv = 'made-by-another' }\ncommand = ['{column}']\n[tasks.b]\ncommand = ['x']";
    assert_says(&Job::new(toml).refused(), ["made-by-another", "job.toml:2:19"]);
    assert_eq!(shape(&Job::new(toml).only("b").plan()), [("b", &[] as &[usize])]);
    let toml = format!("{toml}\n[tasks.c]\ncommand = ['{{nonsense}}']");
    assert_says(&Job::new(toml).only("b").refused(), ["`{nonsense}`"]);
}

#[test]
fn a_cycle_lists_its_members_and_only_those() {
    let toml = "[tasks.a]\nneeds = ['b']\ncommand = ['x']\n[tasks.b]\nneeds = ['c']\ncommand = ['x']\n\
        [tasks.c]\nneeds = ['b']\ncommand = ['x']\n[tasks.d]\nneeds = ['d']\ncommand = ['x']\n";
    let text = Job::new(toml).refused();
    assert_says(
        &text,
        [
            "a cycle: `b` needs `c` needs `b`",
            "job.toml:5:10",
            "task `d` needs itself",
            "job.toml:11:10",
        ],
    );
    assert_eq!(text.matches("error:").count(), 2, "{text}");
}

#[test]
fn a_long_cycle_and_a_long_chain_are_no_trouble() {
    let task = |n: usize, next: usize| format!("[tasks.t{n}]\nneeds = ['t{next}']\ncommand = ['x']\n");
    let circle: String = (0..20_000).map(|n| task(n, (n + 1) % 20_000)).collect();
    assert_says(
        &Job::new(circle).refused(),
        ["`t0` needs `t1` needs", "19980 more"],
    );
    let mut chain: String = (0..20_000).map(|n| task(n, n + 1)).collect();
    chain.push_str("[tasks.t20000]\ncommand = ['x']");
    assert_eq!(Job::new(chain).plan().tasks[0].name, "t20000");
}

#[test]
fn a_default_need_does_not_need_itself() {
    let plan = Job::new("[defaults]\nneeds = ['setup']\ncommand = ['x']\n[tasks.a]\n[tasks.setup]\n").plan();
    assert_eq!(shape(&plan), [("setup", &[] as &[usize]), ("a", &[0])]);
}

#[test]
fn an_unknown_need_or_choice_is_told_with_the_nearest() {
    let toml = "[tasks.build]\ncommand = ['x']\n[tasks.test]\nneeds = ['biuld', 'test']\ncommand = ['x']\n";
    let text = Job::new(toml).refused();
    assert_says(
        &text,
        ["no task `biuld`", "job.toml:4:10", "`build`?", "needs itself"],
    );
    assert_says(
        &Job::new(DIAMOND).only("rigth").refused(),
        ["`--only`", "`rigth`", "`right`?"],
    );
    assert_says(
        &Job::new(DIAMOND).only("zzz").refused(),
        ["expected one of `last`, `free`"],
    );
}
