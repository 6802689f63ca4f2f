//! Bad input: a clear error or the right result, and nothing started where the job is wrong.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::{Done, Test};

/// Refused with 2; `evidence` is what the job would have made.
#[track_caller]
fn refused(done: Done) -> Done {
    let done = done.code(2).stdout("");
    assert!(!done.path("ran").exists(), "something was started\n{done}");
    done
}

#[test]
fn a_missing_file_is_named() {
    refused(Test::new().args(["run", "nowhere.toml"]).run()).says(["nowhere.toml", "o such file"]);
    refused(Test::new().args(["check", "nowhere.toml"]).run()).says(["nowhere.toml"]);
}

#[test]
fn a_directory_is_no_job_file() {
    refused(Test::new().args(["run", "tmp"]).run()).says(["tmp", "directory"]);
}

#[test]
fn an_empty_file_has_no_tasks() {
    refused(Test::job("").run()).says(["job.toml", "task"]);
}

#[test]
fn garbage_is_refused_in_bounded_words() {
    let mut seed = 1u32;
    let garbage: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(1664525).wrapping_add(1013904223);
        (seed >> 24) as u8
    })
    .take(100_000)
    .collect();
    let done = refused(
        Test::new()
            .file("job.toml", garbage)
            .args(["run", "job.toml"])
            .run(),
    );
    assert!(
        done.stderr.len() < 200_000,
        "{} bytes of complaints",
        done.stderr.len()
    );
}

#[test]
fn ten_megabytes_of_mistakes_are_refused_in_bounded_words() {
    let toml = "this is no toml\n".repeat(10 << 16);
    let done = refused(Test::job(&toml).run());
    assert!(
        done.stderr.len() < 200_000,
        "{} bytes of complaints",
        done.stderr.len()
    );
}

#[test]
fn ten_megabytes_of_good_toml_are_read() {
    let values: Vec<String> = (0..1_000_000).map(|n| format!("'{n:07}'")).collect();
    let toml = format!(
        "[tasks.a]\nforeach = {{ values = [{}] }}\ncommand = ['true', '{{item}}']",
        values.join(",")
    );
    assert!(toml.len() > 9 << 20);
    Test::new()
        .file("job.toml", toml)
        .args(["check", "job.toml"])
        .run()
        .code(0)
        .says(["1,000,000"]);
}

#[test]
fn unknown_keys_are_listed_with_the_nearest_right_one() {
    let toml =
        "[tasks.a]\ncomand = ['touch', 'ran']\n[tasks.b]\ncommand = ['touch', 'ran']\ntimeuot = '1s'\n";
    refused(Test::job(toml).run()).says([
        "job.toml:2:1",
        "comand",
        "`command`",
        "job.toml:5:1",
        "timeuot",
        "`timeout`",
    ]);
}

#[test]
fn a_cycle_lists_its_members() {
    let toml = "[tasks.a]\nneeds = ['b']\ncommand = ['touch', 'ran']\n[tasks.b]\nneeds = ['a']\ncommand = ['true']\n";
    refused(Test::job(toml).run()).says(["cycle", "a", "b"]);
}

#[test]
fn a_misspelt_placeholder_or_task_is_refused() {
    refused(Test::job("[tasks.a]\nforeach = { values = [1] }\ncommand = ['touch', '{itm}']").run())
        .says(["itm", "item"]);
    refused(
        Test::job("[tasks.build]\ncommand = ['touch', 'ran']")
            .args(["--only", "biuld"])
            .run(),
    )
    .says(["biuld", "build"]);
    refused(
        Test::job("[tasks.build]\ncommand = ['touch', 'ran']")
            .args(["--set", "x=1"])
            .run(),
    )
    .says(["x"]);
}

#[test]
fn a_command_that_does_not_exist_ends_with_127() {
    Test::job("[tasks.a]\ncommand = ['no-such-command-anywhere']")
        .args(["--events", "events"])
        .run()
        .code(1)
        .says(["a", "no-such-command-anywhere", "1 failed"])
        .read("events")
        .contains("\"exit\":127")
        .then_some(())
        .expect("127 is recorded");
}

#[test]
fn a_command_that_may_not_run_ends_with_126() {
    let done = Test::job("[tasks.a]\ncommand = ['./plain']\n[tasks.b]\ncommand = ['./tmp']")
        .file("plain", "not executable")
        .args(["--events", "events"])
        .run()
        .code(1)
        .says(["2 failed"]);
    assert_eq!(done.read("events").matches("\"exit\":126").count(), 2, "{done}");
}

#[test]
fn foreach_over_nothing_succeeds() {
    for source in [
        "glob = '*.nothing'",
        "values = []",
        "range = '5..5'",
        "lines = 'empty'",
    ] {
        let toml = format!("[tasks.a]\nforeach = {{ {source} }}\ncommand = ['touch', 'ran']");
        let done = Test::job(&toml).file("empty", "").run().code(0).stdout("");
        assert!(!done.path("ran").exists());
    }
}

#[test]
fn a_missing_source_is_refused() {
    for source in ["lines = 'nowhere'", "csv = 'nowhere'"] {
        let toml = format!("[tasks.a]\nforeach = {{ {source} }}\ncommand = ['touch', 'ran']");
        refused(Test::job(&toml).run()).says(["nowhere", "job.toml:2"]);
    }
}

#[test]
fn a_million_values_cost_nothing_until_they_run() {
    Test::job("[tasks.a]\nforeach = { range = '0..1000000' }\ncommand = ['true', '{item}']\n")
        .args(["--timeout", "1s"])
        .args(["--only", "b"])
        .file("job.toml", "[tasks.a]\nforeach = { range = '0..1000000' }\ncommand = ['true']\n[tasks.b]\ncommand = ['echo', 'b']")
        .run()
        .code(0)
        .stdout("b\n");
}

#[test]
fn names_with_newlines_quotes_and_bytes_that_are_no_text_arrive_as_they_are() {
    let names: [&[u8]; 6] = [
        b"new\nline",
        b"'single' \"double\"",
        b"\xff\xfe",
        b"$(touch ran)",
        b"`touch ran`",
        b"-n",
    ];
    let mut test = Test::job(
        "[tasks.argv]\nforeach = { glob = 'in/*' }\ncommand = ['cat', '{item}']\n\
         [tasks.shell]\nforeach = { glob = 'in/*' }\nshell = 'cat {item}'\n",
    );
    for name in names {
        let mut path = b"in/".to_vec();
        path.extend_from_slice(name);
        let mut content = name.to_vec();
        content.push(b'|');
        test = test.file(OsStr::from_bytes(&path), content);
    }
    let done = test.args(["--output", "ordered"]).run().code(0);
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let once = sorted
        .iter()
        .flat_map(|n| [n, b"|".as_slice()].concat())
        .collect::<Vec<u8>>();
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&once.repeat(2)),
        "{done}"
    );
    assert!(!done.path("ran").exists(), "an item ran as code\n{done}");
}

#[test]
fn an_item_longer_than_an_argument_can_be_fails_in_bounded_words() {
    let done = Test::new()
        .args(["each", "--", "touch", "{}"])
        .stdin(vec![b'x'; 3_000_000])
        .run()
        .code(1);
    assert!(
        done.stderr.len() < 2000,
        "{} bytes of complaints",
        done.stderr.len()
    );
    done.says(["too long", "1 failed"]);
}

#[test]
fn a_call_is_refused_where_there_are_no_functions_and_the_list_of_them_is_empty() {
    Test::job("[tasks.a]\ncall = 'resize'")
        .run()
        .code(2)
        .stdout("")
        .says([
            "no function `resize` in this program",
            "registered with #[pexec::task] in a program of your own",
        ]);
    Test::new()
        .args(["tasks"])
        .run()
        .code(0)
        .stdout("")
        .says(["pexec has no functions that a job file can call"]);
}

#[test]
fn a_command_line_in_quotes_is_told_from_a_program_that_is_not_there() {
    Test::new()
        .args(["each", "echo {}", ":::", "x"])
        .run()
        .code(1)
        .says(["`echo x` was given as one word", "leave out the quotes"]);
    Test::new()
        .args(["each", "no-such-program", ":::", "x"])
        .run()
        .code(1)
        .says(["no-such-program is in no directory of PATH"]);
}

#[test]
fn a_negative_number_is_no_flag() {
    Test::new()
        .args(["each", "-j", "-1", "--", "true", ":::", "x"])
        .run()
        .code(2)
        .says(["`-j`", "`-1` is no number of workers"]);
    Test::new()
        .args(["each", "--retries", "-1", "--", "true", ":::", "x"])
        .run()
        .code(2)
        .says(["--retries", "-1"]);
}

#[test]
fn a_job_file_may_be_a_pipe_and_is_read_once() {
    let done = Test::new()
        .args(["run", "-"])
        .stdin(
            "[tasks.a]\nforeach = { range = '0..2' }\ncommand = ['echo', '{item}']\nstdout = 'made-{item}'",
        )
        .run()
        .code(0);
    assert_eq!(done.read("made-1"), "1\n", "it works in the current directory");
    let shown = done.again("show last a(1)").code(0);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.starts_with("a(1): success"), "{shown}");
    // With a name of its own, and beside a pipe that nobody writes to.
    let script = "mkfifo in.toml idle.toml; echo \"[tasks.b]\nshell = 'echo b'\" > in.toml & \
        pexec run in.toml && pexec replay last b";
    Test::new().shell(script).code(0).stdout("b\nb\n");
}

#[test]
fn a_task_without_items_is_named() {
    Test::job(
        "[tasks.a]\nforeach = { glob = 'no-such-*' }\ncommand = ['cat', '{item}']\n[tasks.b]\nshell = 'echo b'",
    )
    .run()
    .code(0)
    .says(["no item for `a`", "1 of 1 succeeded"]);
    Test::new()
        .args(["each", "--run-dir", "runs", "--", "true"])
        .run()
        .code(0)
        .says(["nothing to run: there is no item\n"]);
}
