//! What tasks write, in each of the modes.

use crate::support::Test;
use std::io::{BufRead, BufReader};

/// Three instances that end in the opposite order, and write at the start and at the end.
const OPPOSITE: &str = "[tasks.t]\nforeach = { values = ['c', 'b', 'a'] }\n\
    shell = 'echo {item}1; case {item} in c) f=b;; b) f=a;; a) f=.;; esac; while test ! -e $f; do sleep 0.01; done; \
    test $f = . || sleep 0.2; echo {item}2; echo {item}3 >&2; : > {item}'";

#[test]
fn grouped_output_comes_when_an_instance_ends() {
    Test::job(OPPOSITE)
        .args(["-j3"])
        .run()
        .code(0)
        .stdout("a1\na2\nb1\nb2\nc1\nc2\n")
        .says(["a3\nb3\nc3\n"]);
}

#[test]
fn ordered_output_comes_in_the_order_of_the_plan() {
    Test::job(OPPOSITE)
        .args(["-j3", "--output", "ordered"])
        .run()
        .code(0)
        .stdout("c1\nc2\nb1\nb2\na1\na2\n")
        .says(["c3\nb3\na3\n"]);
}

#[test]
fn the_job_file_can_choose_the_mode_and_the_flag_wins() {
    let job = format!("[run]\noutput = 'ordered'\n{OPPOSITE}");
    Test::job(&job)
        .args(["-j3"])
        .run()
        .code(0)
        .stdout("c1\nc2\nb1\nb2\na1\na2\n");
    Test::job(&job)
        .args(["-j3", "--output", "none"])
        .run()
        .code(0)
        .stdout("");
}

#[test]
fn ordered_output_survives_failures_retries_and_blocked_tasks() {
    Test::job(
        "[tasks.a]\nforeach = { values = [1, 2] }\nretries = 1\nshell = 'sleep 0.2; echo a{item}.{attempt}; test {item} = 2'\n\
         [tasks.b]\nneeds = ['a']\nforeach = { range = '0..3' }\ncommand = ['echo', 'b']\n\
         [tasks.c]\nforeach = { values = [1, 2] }\ncommand = ['echo', 'c{item}']",
    )
    .args(["-j3", "--output", "ordered"])
    .run()
    .code(1)
    .stdout("a1.1\na1.2\na2.1\nc1\nc2\n");
}

#[test]
fn lines_are_prefixed_and_come_as_they_are_written() {
    let done = Test::job(
        "[tasks.t]\nforeach = { values = ['x', 'y'] }\nshell = 'echo one; echo two >&2; printf three'",
    )
    .args(["--output", "line"])
    .run()
    .code(0)
    .stdout_lines(["t(x): one", "t(x): three", "t(y): one", "t(y): three"]);
    done.says(["t(x): two\n", "t(y): two\n"]);
}

#[test]
fn ordered_output_of_the_instance_whose_turn_it_is_comes_as_it_is_written() {
    let job = "[tasks.t]\nforeach = { range = '0..2' }\n\
        shell = 'echo early{item}; echo aside{item} >&2; until [ -e go{item} ]; do sleep 0.02; done; echo late{item}'";
    let job = job.replace("go{item}", "go");
    let mut started = Test::job(&job).args(["-j2", "--output", "ordered"]).start();
    let mut output = BufReader::new(started.child.stdout.take().expect("a pipe"));
    let mut next = move || {
        let mut line = String::new();
        output.read_line(&mut line).expect("a line");
        line
    };
    assert_eq!(next(), "early0\n", "while it still runs");
    std::fs::write(started.path().join("go"), "").expect("written");
    assert_eq!(
        [next(), next(), next(), next()],
        ["late0\n", "early1\n", "late1\n", ""]
    );
    let done = started.done().code(0);
    assert_eq!(done.stderr.matches("aside0").count(), 1, "{done}");
    assert_eq!(done.stderr.matches("aside1").count(), 1, "{done}");
}

#[test]
fn much_output_that_comes_early_stays_whole_and_in_order() {
    // The first writes a lot, runs on for a while, and fails; so does its second attempt. The others wait.
    let job = "[tasks.t]\nforeach = { range = '0..3' }\nretries = 1\n\
        shell = \"yes {item} | head -c 700000; sleep 0.4; yes {item} | head -c 700000; test {item} != 0\"";
    let done = Test::job(job).args(["-j3", "--output", "ordered"]).run().code(1);
    let expected = ["0\n", "0\n", "1\n", "2\n"]
        .map(|line| line.repeat(700_000))
        .concat();
    assert!(done.stdout == expected.as_bytes(), "{} bytes", done.stdout.len());
}

#[test]
fn the_prefix_of_a_line_has_the_colour_of_its_task() {
    let job = "[tasks.a]\nforeach = { values = ['x', 'y'] }\nshell = 'echo one; echo two >&2'";
    let run = |env: &[(&str, &str)]| {
        let mut test = Test::job(job).args(["--output", "line"]);
        for (name, value) in env {
            test = test.env(name, value);
        }
        test.run().code(0)
    };
    let coloured = run(&[("CLICOLOR_FORCE", "1")]);
    let lines = coloured.sorted_lines();
    let start = |line: &String| line.split('m').next().unwrap_or_default().to_owned();
    assert_eq!(lines.len(), 2, "{coloured}");
    assert!(
        lines[0].starts_with("\x1b[") && lines[0].ends_with(":\x1b[0m one"),
        "{lines:?}"
    );
    assert_eq!(start(&lines[0]), start(&lines[1]), "one task, one colour");
    assert!(coloured.stderr.contains(":\x1b[0m two"), "{coloured}");
    let plain = ["a(x): one", "a(y): one"];
    drop(run(&[]).stdout_lines(plain));
    drop(run(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).stdout_lines(plain));
}

#[test]
fn a_line_is_shown_while_its_instance_still_runs() {
    let mut started =
        Test::job("[tasks.t]\nshell = 'echo early; while test ! -e go; do sleep 0.01; done; echo late'")
            .args(["--output", "line"])
            .start();
    let mut output = BufReader::new(started.child.stdout.take().expect("a pipe"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "t: early\n");
    std::fs::write(started.path().join("go"), "").expect("written");
    line.clear();
    output.read_line(&mut line).expect("a line");
    assert_eq!(line, "t: late\n");
    started.done().code(0);
}

#[test]
fn a_line_of_a_megabyte_stays_one_line() {
    let done = Test::job("[tasks.t]\nshell = \"head -c 1000000 /dev/zero | tr '\\\\0' x; echo\"")
        .args(["--output", "line"])
        .run()
        .code(0);
    assert_eq!(done.stdout.len(), "t: ".len() + 1_000_000 + 1);
}

#[test]
fn none_shows_only_the_tail_of_a_failure() {
    Test::job("[tasks.t]\nforeach = { values = ['x', 'y'] }\nshell = 'echo out; echo about {item} >&2; test {item} = x'")
        .args(["--output", "none"])
        .run()
        .code(1)
        .stdout("")
        .says(["t(y): about y"])
        .does_not_say(["about x"]);
}

#[test]
fn the_summary_begins_on_a_line_of_its_own() {
    let done = Test::job("[tasks.t]\nshell = 'printf aside >&2; printf out'")
        .run()
        .code(0)
        .stdout("out");
    assert!(done.stderr.starts_with("aside\npexec: 1 of 1"), "{done}");
}

#[test]
fn no_byte_is_changed_or_lost() {
    let bytes: Vec<u8> = (0..3_000_000u32)
        .map(|n| (n.wrapping_mul(2654435761) >> 24) as u8)
        .collect();
    for mode in ["grouped", "ordered"] {
        Test::job("[tasks.t]\ncommand = ['cat', 'bytes']")
            .file("bytes", &bytes)
            .args(["--output", mode])
            .run()
            .code(0)
            .stdout(&bytes);
    }
}

#[test]
fn large_output_of_many_is_not_mixed() {
    let done = Test::job(
        "[tasks.t]\nforeach = { values = ['a', 'b', 'c', 'd'] }\nshell = \"head -c 2000000 /dev/zero | tr '\\\\0' {item}\"",
    )
    .args(["-j4"])
    .run()
    .code(0);
    assert_eq!(done.stdout.len(), 8_000_000);
    let changes = done.stdout.windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert_eq!(changes, 3, "four pieces");
}

#[test]
fn a_full_disk_is_4_and_said() {
    Test::new()
        .file("job.toml", "[tasks.a]\ncommand = ['echo', 'x']")
        .shell("pexec run job.toml > /dev/full")
        .code(4)
        .says(["standard output", "space"]);
}

#[test]
fn a_closed_pipe_ends_the_run_silently_with_141() {
    let done = Test::new()
        .file("job.toml", "[tasks.a]\nforeach = { range = '0..100000' }\ncommand = ['echo', '{item}']")
        .shell("{ pexec run job.toml --output ordered; echo $? > code; } | head -n 2; while test ! -s code; do sleep 0.01; done")
        .code(0)
        .stdout("0\n1\n");
    assert_eq!(done.read("code"), "141\n", "{done}");
    assert_eq!(done.stderr, "");
}
