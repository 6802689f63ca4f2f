//! How problems are told: all of them, each at its place.

use std::path::Path;

use pexec_job::planner::{self, Overrides};

use crate::{Job, assert_says};

#[test]
fn every_problem_is_listed_with_line_column_and_the_line_itself() {
    let toml = r#"nmae = "x"
[run]
workers = "fifty"
output = "groupd"
halt = "nevr"
[tasks.build]
comand = ["a"]
[tasks.test]
needs = ["biuld"]
foreach = { values = [1], vales = 2 }
command = ["echo", "{itm}"]
timeout = 5
retries = -1
env = { T = { value = "x", secret = "yes" } }
[tasks.c]
"#;
    let text = Job::new(toml).refused();
    assert_says(
        &text,
        [
            "job.toml:1:1\n",
            "unknown key `nmae`",
            "`name`?",
            "job.toml:3:11\n",
            "`fifty` is no number of workers",
            "job.toml:4:10\n",
            "`grouped`?",
            "job.toml:5:8\n",
            "`nevr` is no policy to halt by",
            "job.toml:7:1\n",
            "unknown key `comand` in task `build`",
            "`command`?",
            "job.toml:9:10\n",
            "no task `biuld`",
            "`build`?",
            "job.toml:10:27\n",
            "unknown key `vales` in `foreach`",
            "`values`?",
            "job.toml:11:21\n",
            "unknown placeholder `{itm}`",
            "`{item}`?",
            "11 | command = [\"echo\", \"{itm}\"]\n   |                     ^^^^^",
            "job.toml:12:11\n",
            "expected a duration like \"1m30s\", found an integer",
            "job.toml:13:11\n",
            "-1 is out of range",
            "job.toml:14:37\n",
            "expected `true` or `false`, found a string",
            "job.toml:15:8\n",
            "task `c` has nothing to run",
        ],
    );
    assert_eq!(text.matches("error:").count(), 12, "and nothing else:\n{text}");
    assert_eq!(Job::new(toml).load().err().expect("refused").len(), 12);
}

#[test]
fn every_mistake_of_syntax_is_listed_and_what_else_is_certain() {
    let toml =
        "[tasks.a]\ncommand = ['x']\nlabel = \"open\nretries = yes\ntimeuot = '1s'\ncommand = ['z']\n[run\n";
    let text = Job::new(toml).refused();
    assert_says(
        &text,
        [
            "job.toml:3:14\n",
            "job.toml:4:11\n",
            "job.toml:5:1\n",
            "`timeout`?",
            "job.toml:6:1\n",
            "duplicate key",
            "job.toml:7:5\n",
        ],
    );
    assert_eq!(
        text.matches("error:").count(),
        5,
        "what was made of a broken line is not told:\n{text}"
    );
    let absent = Job::new("[tasks.a]\ncommand = x\ntimeuot = '1s'\n").refused();
    assert_says(&absent, ["job.toml:2:", "job.toml:3:1", "`timeout`?"]);
    assert!(
        !absent.contains("nothing to run"),
        "it may stand where the mistake is:\n{absent}"
    );
}

#[test]
fn a_placeholder_is_underlined_wherever_it_stands() {
    for (toml, place) in [
        ("[tasks.a]\ncommand = [\"\\t{é}\"]", "job.toml:2:15"),
        ("[tasks.a]\nshell = '''\necho {x}\n'''", "job.toml:3:6"),
        (
            "[tasks.a]\nshell = \"\"\"\n\\u0041 {y} {y2}\"\"\"",
            "job.toml:3:8",
        ),
        ("[tasks.\"a\"]\ncommand = ['{x}']", "job.toml:2:13"),
        ("tasks.a.command = ['é{x}']", "job.toml:1:22"),
    ] {
        assert_says(&Job::new(toml).refused(), [&*format!("{place}\n")]);
    }
}

#[test]
fn braces_that_do_not_match_are_told() {
    let text = Job::new("[tasks.a]\ncommand = ['awk', '{print $1}', '}', 'a {', '{}', '{{ok}}']").refused();
    assert_says(
        &text,
        [
            "`{print $1}`",
            "for a brace, write `{{`",
            "a `}` without",
            "a `{` that is not closed",
            "`{}`",
        ],
    );
    assert_eq!(text.matches("error:").count(), 4, "{text}");
}

#[test]
fn a_default_that_is_wrong_is_listed_once() {
    let text =
        Job::new("[defaults]\ntimeout = 'x'\nlabel = '{nope}'\ncommand = ['x']\n[tasks.a]\n[tasks.b]\n")
            .refused();
    assert_eq!(text.matches("error:").count(), 2, "{text}");
}

#[test]
fn a_file_that_cannot_be_a_job_is_refused_with_its_name() {
    let load = |path: &Path| {
        let problems = planner::load(path, &Overrides::default()).err().expect("refused");
        assert_eq!(problems.len(), 1);
        problems.render(false)
    };
    assert_says(&load(Path::new("no/such.toml")), ["no/such.toml", "No such file"]);
    assert_says(&load(Path::new("/")), ["cannot read /", "directory"]);
    assert_says(&load(Path::new("/dev/zero")), ["/dev/zero", "larger than"]);
    let binary = Job::new(b"[tasks.a]\ncommand = ['\xff']\n");
    assert_says(&binary.refused(), ["not UTF-8", "job.toml:2:13"]);
    for empty in ["", "\n\n", "# nothing\n", "[tasks]", "name = 'x'"] {
        assert_says(&Job::new(empty).refused(), ["there are no tasks", "job.toml"]);
    }
}

#[test]
fn variables_that_are_not_there_or_go_in_circles_are_told() {
    let job = Job::new("[vars]\nroot = 'x'\n[tasks.a]\ncommand = ['x']").set("rot", "y");
    assert_says(&job.refused(), ["`--set`", "`rot`", "`root`?"]);
    let job = Job::new("[tasks.a]\ncommand = ['x']").set("x", "y");
    assert_says(&job.refused(), ["no variable `x`", "no `[vars]`"]);
    let toml = "[vars]\na = '{b}'\nb = '{c}'\nc = '{b}'\nitem = 1\n[tasks.a]\ncommand = ['x']";
    assert_says(
        &Job::new(toml).refused(),
        ["name each other: `b`, `c`", "`item` cannot be a variable"],
    );
    let text =
        Job::new("[vars]\na = '{itm}'\n[tasks.a]\nforeach = { glob = '{item}' }\ncommand = ['x']").refused();
    assert_says(
        &text,
        ["job.toml:2:6", "job.toml:4:21", "only variables can stand here"],
    );
}

#[test]
fn colour_is_only_there_when_asked_for() {
    let problems = Job::new("").load().err().expect("refused");
    assert!(problems.render(true).contains("\u{1b}["));
    assert!(!problems.render(false).contains('\u{1b}'));
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let text = Job::new("[tasks.a]\n\"\\u001b[2Jx\" = 1\ncommand = ['{\x7f}']\n").refused();
    assert!(!text.contains(['\u{1b}', '\u{7f}']), "{text:?}");
}
