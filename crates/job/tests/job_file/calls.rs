//! `call` and `args`: what they become, and what is said about wrong ones.

use std::path::PathBuf;

use pexec_job::call::Argument;
use pexec_job::work::Work;
use serde::{Deserialize, Serialize};

use super::{Job, assert_says, take};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
struct Size {
    width: u16,
}

#[pexec::task(name = "resize")]
fn resize(path: PathBuf, size: Size, quality: Option<u8>) -> Result<String, String> {
    Ok(format!("{path:?} {} {quality:?}", size.width))
}

#[pexec::task(name = "ready")]
fn ready() {}

/// The arguments of its only task's calls.
#[track_caller]
fn arguments(job: &Job) -> Vec<Vec<Option<Argument>>> {
    let instances = take(&mut job.plan(), 0);
    let call = |work| match work {
        Work::Call(call) => call.arguments,
        Work::Command(command) => panic!("not a call: {command:?}"),
    };
    instances
        .iter()
        .map(|instance| call((instance.work)(1)))
        .collect()
}

fn text(text: &str) -> Argument {
    Argument::Text(text.into())
}

fn size(width: Argument) -> Argument {
    Argument::Table(vec![("width".to_owned(), width)])
}

#[test]
fn arguments_come_by_name_or_by_place_with_their_placeholders_filled() {
    let by_name = Job::new(
        "[tasks.a]\nforeach = { values = ['x', 'y'] }\ncall = 'resize'\n\
         args = { size = { width = '{index}' }, path = 'in/{item}' }",
    );
    let expected = ["x", "y"]
        .into_iter()
        .zip(["0", "1"])
        .map(|(item, index)| vec![Some(text(&format!("in/{item}"))), Some(size(text(index))), None]);
    assert_eq!(arguments(&by_name), expected.collect::<Vec<_>>());

    let by_place =
        Job::new("[vars]\nwide = 9\n[tasks.a]\ncall = 'resize'\nargs = ['a b', { width = '{wide}' }, 80]");
    let expected = vec![
        Some(text("a b")),
        Some(size(text("9"))),
        Some(Argument::Integer(80)),
    ];
    assert_eq!(arguments(&by_place), [expected]);
    assert_eq!(arguments(&Job::new("[tasks.a]\ncall = 'ready'")), [vec![]]);
}

#[test]
fn the_defaults_may_hold_the_function_and_a_task_its_arguments() {
    let job = Job::new(
        "[defaults]\ncall = 'resize'\nargs = ['p', { width = 1 }]\ncwd = '/'\ntimeout = '5s'\n\
         [tasks.a]\nargs = ['q', { width = 2 }]\n[tasks.b]\n[tasks.c]\ncommand = ['true']",
    );
    let mut plan = job.plan();
    assert_eq!([0, 1, 2].map(|at| plan.tasks[at].calls), [true, true, false]);
    let work = [0, 1, 2].map(|at| (take(&mut plan, at)[0].work)(1));
    let [Work::Call(a), Work::Call(b), Work::Command(c)] = work else {
        panic!("{work:?}")
    };
    assert_eq!(
        [&a.arguments[0], &b.arguments[0]],
        [&Some(text("q")), &Some(text("p"))]
    );
    assert_eq!(a.timeout, Some(std::time::Duration::from_secs(5)));
    assert_eq!(c.cwd, "/".into());
}

#[test]
fn an_unknown_function_is_refused_with_the_nearest_one() {
    let text = Job::new("[tasks.a]\ncall = 'resise'").refused();
    assert_says(
        &text,
        [
            "job.toml:2:8",
            "no function `resise` in this program",
            "did you mean `resize`?",
        ],
    );
    let text = Job::new("[tasks.a]\ncall = 'something else'").refused();
    assert_says(&text, ["expected one of `ready`, `resize`"]);
}

#[test]
fn missing_and_unknown_arguments_are_refused_with_the_signature() {
    for (args, place, why) in [
        ("", "2:8", "expected 3 arguments, found 0"),
        ("args = {}", "3:8", "`path: PathBuf` and `size: Size` are missing"),
        ("args = ['p']", "3:8", "expected 3 arguments, found 1"),
        ("args = { path = 'p' }", "3:8", "`size: Size` is missing"),
        (
            "args = { path = 'p', size = { width = 1 }, with = 2 }",
            "3:8",
            "it has no parameter `with`",
        ),
    ] {
        let text = Job::new(format!("[tasks.a]\ncall = 'resize'\n{args}")).refused();
        assert_says(
            &text,
            [
                &format!("job.toml:{place}"),
                &format!("wrong arguments: {why}"),
                "the function is `resize(path: PathBuf, size: Size, quality: Option<u8>) -> Result<String, String>`",
            ],
        );
        assert_eq!(text.matches("error:").count(), 1, "{text}");
    }
}

#[test]
fn a_value_of_the_wrong_type_is_refused_in_its_place_before_anything_starts() {
    for (args, place, says) in [
        (
            "['p', { width = 'wide' }]",
            "3:14",
            "wrong argument `size` for `resize`: invalid type: string \"wide\", expected u16",
        ),
        (
            "['p', { width = 70000 }]",
            "3:14",
            "invalid value: integer `70000`, expected u16",
        ),
        (
            "['p', { height = 1 }]",
            "3:14",
            "unknown field `height`, expected `width`",
        ),
        (
            "[3, { width = 1 }]",
            "3:9",
            "wrong argument `path` for `resize`: invalid type: integer `3`",
        ),
        (
            "['p', { width = 1 }, true]",
            "3:29",
            "wrong argument `quality` for `resize`: invalid type: boolean `true`",
        ),
    ] {
        let text = Job::new(format!("[tasks.a]\ncall = 'resize'\nargs = {args}")).refused();
        assert_says(&text, [&format!("job.toml:{place}"), says, "expected `"]);
    }
    let later = Job::new(
        "[tasks.a]\nforeach = { values = ['wide'] }\ncall = 'resize'\nargs = ['p', { width = '{item}' }]",
    );
    assert_eq!(
        arguments(&later).len(),
        1,
        "what an item holds is not known before"
    );
}

#[test]
fn every_mistake_in_the_arguments_is_listed() {
    let text = Job::new(
        "[tasks.a]\ncall = 'resize'\nargs = { path = '{itm}', size = { width = 'x' }, quality = 'y' }\ncwd = '/'",
    )
    .refused();
    assert_says(
        &text,
        [
            "unknown placeholder `{itm}`",
            "wrong argument `size`",
            "wrong argument `quality`",
            "`cwd` means nothing for a `call`",
        ],
    );
    assert_eq!(text.matches("error:").count(), 4, "{text}");
}

#[test]
fn a_task_runs_exactly_one_thing() {
    for (keys, says) in [
        (
            "call = 'ready'\ncommand = ['x']",
            "task `a` has both `command` and `call`",
        ),
        (
            "call = 'ready'\nshell = 'x'",
            "task `a` has both `shell` and `call`",
        ),
        ("command = ['x']\nargs = []", "task `a` has `args` and no `call`"),
        ("args = []", "task `a` has nothing to run"),
        ("cal = 'ready'", "did you mean `call`?"),
        (
            "call = ['ready']",
            "expected the name of a function, a string, found an array",
        ),
        (
            "call = 'ready'\nargs = 'x'",
            "expected a table or an array, found a string",
        ),
    ] {
        let text = Job::new(format!("[tasks.a]\n{keys}")).refused();
        assert_says(&text, [says]);
    }
    for key in [
        "stdin = { text = 'x' }",
        "env = { A = 'b' }",
        "env_clear = true",
        "kill = ['KILL']",
        "ok_exit = [1]",
    ] {
        let name = key.split(' ').next().expect("a word");
        let text = Job::new(format!("[tasks.a]\ncall = 'ready'\n{key}")).refused();
        assert_says(
            &text,
            ["job.toml:3:1", &format!("`{name}` means nothing for a `call`")],
        );
    }
}
