//! Values that are wrong, one by one: each is refused at its place.

use crate::{Job, assert_says};

/// What a line of a task says, where, and what it is told.
const TABLE: [(&str, &str, &str); 78] = [
    (
        "command = 'ls'",
        "2:11",
        "expected an array of strings, found a string",
    ),
    ("command = []", "2:11", "`command` is empty"),
    ("command = ['']", "2:12", "name is empty"),
    ("command = [['a']]", "2:12", "found an array"),
    ("command = ['x', 99999999999999999999]", "2:17", "too large"),
    ("command = [\"a\\u0000\"]", "2:12", "NUL"),
    (
        "command = ['x']\nshell = 'x'",
        "3:1",
        "both `command` and `shell`",
    ),
    ("shell = ['x']", "2:9", "expected a string, found an array"),
    (
        "command = ['x']\ninputs = 1",
        "3:10",
        "expected a path, or an array of paths",
    ),
    ("command = ['x']\ninputs = ['']", "3:11", "the path is empty"),
    (
        "command = ['x']\noutputs = 'a*'",
        "3:11",
        "an output cannot be a pattern",
    ),
    (
        "command = ['x']\noutputs = ['a', 'a']",
        "3:17",
        "the output is named twice",
    ),
    (
        "command = ['x']\ninputs = ['a']\noutputs = ['a']",
        "4:12",
        "the file is an input, too",
    ),
    (
        "command = ['x']\noutputs = ['{attempt}']",
        "3:13",
        "the same in every attempt",
    ),
    (
        "command = ['x']\nforeach = { values = [1, 2] }\noutputs = ['a']",
        "4:12",
        "would make the same file",
    ),
    (
        "command = ['x']\ninputs = \"a\\u0000\"",
        "3:10",
        "holds a NUL byte",
    ),
    ("command = ['x']\nmemory = 5", "3:10", "write the unit too"),
    ("command = ['x']\nmemory = '5M'", "3:10", "`5M` is no size"),
    ("command = ['x']\nmemory = '0MiB'", "3:10", "`0MiB` is no size"),
    ("command = ['x']\ncpu_time = 5", "3:12", "write the unit too"),
    ("command = ['x']\nopen_files = 3", "3:14", "3 is out of range"),
    ("command = ['x']\nnice = '5'", "3:8", "expected a whole number"),
    ("command = ['x']\nnice = 40", "3:8", "40 is out of range"),
    ("shell = ''", "2:9", "no command"),
    (
        "command = ['x']\nneeds = 'b'",
        "3:9",
        "expected an array of task names",
    ),
    (
        "command = ['x']\nneeds = [1]",
        "3:10",
        "expected the name of a task",
    ),
    ("command = ['x']\nlabel = 1", "3:9", "expected a string"),
    (
        "command = ['x']\nlabel = '{attempt}'",
        "3:10",
        "what stands here is the same in every attempt",
    ),
    ("command = ['x']\nstdin = 'f'", "3:9", "stdin = { file"),
    (
        "command = ['x']\nstdin = {}",
        "3:9",
        "exactly one of `file` and `text`",
    ),
    (
        "command = ['x']\nstdin = { file = 'a', text = 'b' }",
        "3:9",
        "exactly one of `file` and `text`",
    ),
    ("command = ['x']\nstdin = { flie = 'a' }", "3:11", "`file`?"),
    ("command = ['x']\nstdout = ''", "3:10", "the path is empty"),
    (
        "command = ['x']\nstdout = 'o'\nstderr = 'o'",
        "4:10",
        "the same file",
    ),
    (
        "command = ['x']\nforeach = { values = [1] }\nstdout = 'o'",
        "4:10",
        "the same file",
    ),
    ("command = ['x']\nenv = 'A=1'", "3:7", "expected a table"),
    (
        "command = ['x']\nenv = { 'A=B' = 1 }",
        "3:9",
        "cannot be the name",
    ),
    ("command = ['x']\nenv = { A = [1] }", "3:13", "found an array"),
    (
        "command = ['x']\nenv = { A = {} }",
        "3:13",
        "exactly one of `value` and `from_env`",
    ),
    (
        "command = ['x']\nenv = { A = { from_env = 'PEXEC_NOT_SET' } }",
        "3:26",
        "`PEXEC_NOT_SET` is not set",
    ),
    ("command = ['x']\nenv = { A = { vlaue = 1 } }", "3:15", "`value`?"),
    (
        "command = ['x']\nenv_clear = 'yes'",
        "3:13",
        "expected `true` or `false`",
    ),
    ("command = ['x']\ncwd = ['a']", "3:7", "expected a path"),
    ("command = ['x']\ntimeout = '0s'", "3:11", "zero"),
    ("command = ['x']\ntimeout = '-1s'", "3:11", "no duration"),
    (
        "command = ['x']\ntimeout = '99999999999999999999s'",
        "3:11",
        "no duration",
    ),
    ("command = ['x']\ntimeout = '5000years'", "3:11", "too long"),
    (
        "command = ['x']\nkill = 'TERM'",
        "3:8",
        "expected an array of signals",
    ),
    ("command = ['x']\nkill = []", "3:8", "names no signal"),
    ("command = ['x']\nkill = ['TREM 1s', 'KILL']", "3:9", "`TERM`?"),
    ("command = ['x']\nkill = ['TERM', 'KILL']", "3:9", "no wait"),
    (
        "command = ['x']\nkill = ['KILL', 'TERM']",
        "3:9",
        "nothing can come after KILL",
    ),
    (
        "command = ['x']\nkill = ['TERM soon', 'KILL']",
        "3:9",
        "no duration",
    ),
    ("command = ['x']\nqueue_timeout = 5", "3:17", "a duration like"),
    ("command = ['x']\npriority = 'high'", "3:12", "a whole number"),
    ("command = ['x']\ngroup = 'g'", "3:9", "no group `g`"),
    ("command = ['x']\nmemory = 5", "3:10", "512MiB"),
    ("command = ['x']\nbackoff = 5", "3:11", "expected a pause"),
    (
        "command = ['x']\nbackoff = '5'",
        "3:11",
        "no pause between attempts",
    ),
    (
        "command = ['x']\nbackoff = '2s..1s'",
        "3:11",
        "shorter than the first",
    ),
    ("command = ['x']\nretry_on = []", "3:12", "`retry_on` is empty"),
    (
        "command = ['x']\nretry_on = 'exit'",
        "3:12",
        "an array of reasons",
    ),
    ("command = ['x']\nretry_on = ['sginal']", "3:13", "`signal`?"),
    ("command = ['x']\nretries = 4294967296", "3:11", "out of range"),
    (
        "command = ['x']\nretries = 1.5",
        "3:11",
        "expected a whole number, found a float",
    ),
    (
        "command = ['x']\nok_exit = 0",
        "3:11",
        "expected an array of exit codes",
    ),
    ("command = ['x']\nok_exit = [256]", "3:12", "expected 0 to 255"),
    ("command = ['x']\nok_exit = []", "3:11", "nothing could succeed"),
    ("command = ['x']\nforeach = ['a']", "3:11", "foreach = { values"),
    ("command = ['x']\nforeach = {}", "3:11", "no source"),
    (
        "command = ['x']\nforeach = { glob = '*', values = [] }",
        "3:25",
        "two sources",
    ),
    (
        "command = ['x']\nforeach = { values = 'a' }",
        "3:22",
        "expected an array",
    ),
    (
        "command = ['x']\nforeach = { values = [\"\\u0000\"] }",
        "3:23",
        "NUL",
    ),
    ("command = ['x']\nmatrix = [1]", "3:10", "expected a table"),
    ("command = ['x']\nmatrix = {}", "3:10", "no keys"),
    (
        "command = ['x']\nmatrix = { index = [1] }",
        "3:12",
        "cannot be a key",
    ),
    (
        "command = ['x']\nmatrix = { a = [1], exclude = [{ b = 1 }] }",
        "3:34",
        "no key `b`",
    ),
    (
        "command = ['x']\nmatrix = { a = [1], exclude = [{ a = 2 }] }",
        "3:38",
        "no value of `a`",
    ),
];

#[test]
fn each_wrong_value_is_refused_at_its_place_and_once() {
    for (task, place, what) in TABLE {
        let text = Job::new(format!("[tasks.a]\n{task}\n")).refused();
        assert_says(&text, [&*format!("job.toml:{place}\n"), what]);
        assert_eq!(text.matches("error:").count(), 1, "{task}:\n{text}");
    }
}

#[test]
fn wrong_tables_are_refused() {
    for (toml, place, what) in [
        ("tasks = 1", "1:9", "expected a table, found an integer"),
        ("tasks.a = 1", "1:11", "expected a table, found an integer"),
        (
            "[[tasks]]\ncommand = ['x']",
            "1:",
            "expected a table, found an array",
        ),
        ("[task.a]\ncommand = ['x']", "1:2", "`tasks`?"),
        ("name = 1\n[tasks.a]\ncommand = ['x']", "1:8", "expected a name"),
        ("run = 1\n[tasks.a]\ncommand = ['x']", "1:7", "expected a table"),
        (
            "[run]\nworkers = 0\n[tasks.a]\ncommand = ['x']",
            "2:11",
            "out of range",
        ),
        (
            "[run]\nworkers = '0%'\n[tasks.a]\ncommand = ['x']",
            "2:11",
            "no number of workers",
        ),
        (
            "[run]\noutput = true\n[tasks.a]\ncommand = ['x']",
            "2:10",
            "expected a string",
        ),
        (
            "[vars]\na = [1]\n[tasks.a]\ncommand = ['x']",
            "2:5",
            "found an array",
        ),
        (
            "[tasks.'a b']\ncommand = ['x']",
            "1:8",
            "cannot be the name of a task",
        ),
        (
            "[tasks.'']\ncommand = ['x']",
            "1:8",
            "cannot be the name of a task",
        ),
        (
            "[defaults]\ntimeot = '1s'\n[tasks.a]\ncommand = ['x']",
            "2:1",
            "in `[defaults]`",
        ),
    ] {
        let text = Job::new(toml).refused();
        assert_says(&text, [&*format!("job.toml:{place}"), what]);
        assert_eq!(text.matches("error:").count(), 1, "{toml}:\n{text}");
    }
}

#[test]
fn a_matrix_that_cannot_be_counted_is_refused() {
    let axis = |name: char| format!("{name} = [{}]", vec!["1"; 1000].join(","));
    let three = ['a', 'b', 'c'].map(axis).join(", ");
    let toml = format!("[tasks.a]\ncommand = ['x']\nmatrix = {{ {three}, exclude = [{{ a = 1 }}] }}");
    assert_says(
        &Job::new(toml).refused(),
        ["`exclude` works on up to", "job.toml:3:10"],
    );
    let toml = format!("[tasks.a]\ncommand = ['x']\nmatrix = {{ {three} }}");
    assert_eq!(Job::new(toml).plan().tasks[0].total, Some(1_000_000_000));
    let many: Vec<String> = ('a'..='h').map(axis).collect();
    let toml = format!("[tasks.a]\ncommand = ['x']\nmatrix = {{ {} }}", many.join(", "));
    assert_says(
        &Job::new(toml).refused(),
        ["more combinations than can be counted"],
    );
}
