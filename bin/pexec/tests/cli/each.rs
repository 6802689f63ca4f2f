//! `pexec each`: no job file, items from standard input or the command line.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::ffi::OsStrExt;

use crate::support::Test;

fn each(args: &[&str]) -> Test {
    Test::new().args(["each"]).args(args.iter().copied())
}

#[test]
fn items_are_the_lines_of_standard_input() {
    each(&["--", "echo", "<{}>"])
        .stdin("a b\n\n c")
        .run()
        .code(0)
        .stdout_lines(["<a b>", "<>", "< c>"]);
}

#[test]
fn nul_ends_items_where_asked_for() {
    each(&["-0", "--output", "ordered", "--", "printf", "<%s>", "{}"])
        .stdin(b"a\nb\0 \0c")
        .run()
        .code(0)
        .stdout("<a\nb>< ><c>");
    each(&["-0", "--", "printf", "%s", "{}"])
        .stdin(b"\xff\xfe\0")
        .run()
        .code(0)
        .stdout(b"\xff\xfe");
}

#[test]
fn items_after_three_colons_leave_standard_input_alone() {
    each(&["--", "echo", "{}", ":::", "a", "b c", ""])
        .stdin("unread\n")
        .run()
        .code(0)
        .stdout_lines(["a", "b c", ""]);
    each(&["--", "touch", "ran", ":::"]).run().code(0).stdout("");
    each(&["--", "echo", "{}", ":::", "a", ":::", "b"])
        .run()
        .code(2)
        .says([":::"]);
}

#[test]
fn an_argument_that_is_no_text_is_an_item_too() {
    Test::new()
        .args(["each", "--", "printf", "%s", "{}", ":::"])
        .args([OsStr::from_bytes(b"\xfe-\xff")])
        .run()
        .code(0)
        .stdout(b"\xfe-\xff");
}

#[test]
fn a_command_without_a_placeholder_gets_the_item_last() {
    each(&["--", "echo", "x"])
        .stdin("1\n2\n")
        .run()
        .code(0)
        .stdout_lines(["x 1", "x 2"]);
}

#[test]
fn other_braces_are_literal() {
    each(&["--", "awk", "BEGIN { print \"{item}\", ARGV[1] }", "{}"])
        .stdin("i\n")
        .run()
        .code(0)
        .stdout("{item} i\n");
}

#[test]
fn no_item_runs_as_code() {
    let done = each(&["--", "echo", "{}"])
        .stdin("$(touch ran)\n`touch ran`\n'; touch ran\n")
        .run()
        .code(0);
    assert!(!done.path("ran").exists(), "{done}");
}

#[test]
fn nothing_to_read_is_nothing_to_do() {
    each(&["--", "touch", "ran"]).run().code(0).stdout("");
}

#[test]
fn a_failure_is_named_and_the_rest_runs() {
    each(&[
        "--",
        "sh",
        "-c",
        "echo $1; echo oops >&2; test $1 != 2",
        "sh",
        "{}",
    ])
    .stdin("1\n2\n3\n")
    .run()
    .code(1)
    .says(["2 of 3 succeeded", "1 failed", "exit 1", "oops"])
    .stdout_lines(["1", "2", "3"]);
}

#[test]
fn items_run_as_they_arrive() {
    let mut started = each(&["-j2", "--", "echo", "{}"]).stdin_open().start();
    let mut output = BufReader::new(started.child.stdout.take().expect("a pipe"));
    for item in ["first", "second"] {
        writeln!(started.stdin.as_mut().expect("open"), "{item}").expect("read by pexec");
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        assert_eq!(line.trim_end(), item);
    }
    started.done().code(0);
}

#[test]
fn the_flags_of_run_hold() {
    each(&[
        "--retries",
        "2",
        "--output",
        "line",
        "--",
        "sh",
        "-c",
        "echo x >> tries; test $(wc -l < tries) = 3",
        "{}",
    ])
    .stdin("a\n")
    .run()
    .code(0)
    .says(["retried"]);
    each(&["--timeout", "100ms", "--", "sleep", "{}"])
        .stdin("60\n")
        .run()
        .code(1)
        .says(["timed out"]);
}
