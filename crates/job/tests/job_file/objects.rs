//! `foreach = { jsonl = .. }`: one JSON object a line.

use crate::{Job, assert_says};

fn job(argument: &str) -> Job {
    Job::new(format!(
        "[tasks.a]\nforeach = {{ jsonl = 'in' }}\ncommand = ['{argument}']"
    ))
}

#[test]
fn values_are_columns_by_their_keys() {
    let job = job("{name}|{n}|{ok}|{none}|{more}|{index}").file(
        "in",
        "{\"name\": \"a \\\"b\\\"\\u00e9\", \"n\": 1.50, \"ok\": true, \"none\": null, \"more\": {\"x\": [1, \"2 3\"]}}\r\n\
         \n\
         {\"more\":[],\"none\":\"\",\"ok\":false,\"n\":-1e400,\"name\":\"c\"}",
    );
    assert_eq!(
        job.lines(),
        [
            "a \"b\"é|1.50|true||{\"x\":[1,\"2 3\"]}|0",
            "c|-1e400|false||[]|1"
        ]
    );
    assert_eq!(job.plan().tasks[0].total, Some(2));
}

#[test]
fn the_item_is_the_row_as_compact_json_in_the_order_of_the_first() {
    let job = job("{item}").file(
        "in",
        "{ \"b\" : 1, \"a b\" : \"x \\\" y\" }\n{\"a b\":[ 1, 2 ],\"b\":null}\n",
    );
    assert_eq!(
        job.lines(),
        ["{\"b\":1,\"a b\":\"x \\\" y\"}", "{\"b\":null,\"a b\":[1,2]}"]
    );
    assert_eq!(job.labels()[1], "a({\"b\":null,\"a b\":[1,2]})");
}

#[test]
fn a_wrong_row_is_told_with_its_line_and_column() {
    for (text, what) in [
        ("{\"a\":1}\n{\"a\" 1}\n", "line 2, column 6 of in: expected `:`"),
        (
            "{\"a\":1}\n\n{\"a\":1} x\n",
            "line 3, column 9 of in: trailing characters",
        ),
        (
            "{\"a\":1}\n[1]\n",
            "line 2, column 1 of in: invalid type: sequence, expected an object",
        ),
        ("{\"a\":1}\n{\"a\":1", "line 2, column 6 of in: EOF while parsing"),
        (
            "{\"a\":1}\n{\"b\":1}\n",
            "line 2 of in has a key `b` that its first object does not have",
        ),
        ("{\"a\":1,\"b\":2}\n{\"a\":1}\n", "line 2 of in has no key `b`"),
        ("{\"a\":1,\"a\":2}\n", "line 1 of in has the key `a` twice"),
        ("{\"a\":\"x\\u0000\"}\n", "line 1 of in holds a NUL byte in `a`"),
        ("{\"a\":\"\\ud800\"}\n", "line 1"),
        ("\u{1}\n", "line 1, column 1 of in: "),
    ] {
        let refused = job("{a}").file("in", text).refused();
        assert_says(&refused, [what, "job.toml:2:21"]);
    }
    let refused = job("{a}").file("in", b"{\"a\":\"\xff\"}\n").refused();
    assert_says(&refused, ["line 1, column ", "unicode"]);
}

#[test]
fn a_file_without_rows_has_no_instances() {
    for text in ["", "\n \n", "\u{feff}\n"] {
        let plan = job("{whatever}").file("in", text).plan();
        assert_eq!(plan.tasks[0].total, Some(0), "{text:?}");
    }
    let job = job("{a}").file("in", "\u{feff}{\"a\":1}\n");
    assert_eq!(job.lines(), ["1"], "a byte order mark is no part of it");
}

#[test]
fn a_key_that_is_not_there_is_told_with_the_nearest() {
    let text = job("{nmae} {item.stem}").file("in", "{\"name\":1}\n").refused();
    assert_says(&text, ["`{nmae}`", "`{name}`?", "`{item.stem}`"]);
}

#[test]
fn a_pipe_of_objects_is_read_while_the_job_runs() {
    let job = job("{a}");
    let path = job.path("in");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("made");
    let writer = std::thread::spawn(move || std::fs::write(path, "{\"a\":1}\n{\"a\":2}\n").expect("read"));
    let mut plan = job.plan();
    assert_eq!(plan.tasks[0].total, None);
    assert_eq!(crate::take(&mut plan, 0).len(), 2);
    writer.join().expect("written");
}
