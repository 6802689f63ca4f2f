//! `foreach` over files, numbers and values.

use pexec_job::plan::SourceError;
use pexec_job::text::Text;

use crate::{Job, assert_says, command, take};

fn job(foreach: &str, argument: &str) -> Job {
    Job::new(format!(
        "[tasks.a]\nforeach = {{ {foreach} }}\ncommand = ['{argument}']"
    ))
}

#[test]
fn lines_are_kept_to_the_byte() {
    let job = job("lines = 'in'", "{item}").file("in", b" a \n\n\xff\r\nlast");
    let items: Vec<Text> = job
        .commands()
        .into_iter()
        .map(|mut command| command.argv.remove(0))
        .collect();
    let expected: [&[u8]; 4] = [b" a ", b"", b"\xff\r", b"last"];
    assert_eq!(items, expected.map(|line| Text(line.to_vec())));
    assert_eq!(job.plan().tasks[0].total, Some(4));
    let job = job.file("in", "a\n");
    assert_eq!(job.lines(), ["a"], "the last end is optional");
    let job = job.file("in", "");
    assert_eq!(job.plan().tasks[0].total, Some(0));
}

#[test]
fn standard_input_is_not_read_for_a_plan() {
    let plan = job("lines = '-'", "{item}").plan();
    assert_eq!(plan.tasks[0].total, None);
    let twice = "[tasks.a]\nforeach = { lines = '-' }\ncommand = ['x']\n[tasks.b]\nforeach = { lines = '-' }\ncommand = ['x']";
    assert_says(
        &Job::new(twice).refused(),
        ["both read standard input", "`a`", "`b`", "job.toml:5:21"],
    );
    Job::new(twice).only("b").plan();
}

#[test]
fn a_line_with_nul_is_refused_with_its_number() {
    let text = job("lines = 'in'", "{item}").file("in", b"a\nb\0c\n").refused();
    assert_says(&text, ["line 2 of in", "NUL", "job.toml:2:21"]);
}

#[test]
fn a_file_that_changes_after_the_plan_is_an_error_of_its_source() {
    for changed in ["a\n", "a\nb\nc\n"] {
        let job = job("lines = 'in'", "{item}").file("in", "a\nb\n");
        let plan = job.plan();
        let job = job.file("in", changed);
        let instances = plan.tasks.into_iter().next().expect("one").instances;
        let last = instances.last().expect("some");
        assert!(
            matches!(last, Err(SourceError(why)) if why.contains("changed")),
            "{changed:?}"
        );
        drop(job);
    }
}

#[test]
fn csv_rows_have_columns_by_name() {
    let csv = "name,file size,note\n\"a, \"\"b\"\"\",1,\"two\nlines\"\nc,2,\n";
    let rows = job("csv = 'in'", "{name}|{file size}|{note}|{index}").file("in", csv);
    assert_eq!(rows.lines(), ["a, \"b\"|1|two\\nlines|0", "c|2||1"]);
    assert_eq!(
        rows.labels(),
        ["a(\"a, \"\"b\"\"\",1,\"two\\nlines\")", "a(c,2,)"]
    );
    assert_eq!(rows.plan().tasks[0].total, Some(2));
    let job = job("csv = 'in'", "{a}").file("in", b"a\r\n\xff\r\n");
    let argv = command(&take(&mut job.plan(), 0)[0], 1).argv;
    assert_eq!(argv[0].as_bytes(), b"\xff");
    assert_eq!(job.file("in", "a,b\n").plan().tasks[0].total, Some(0));
}

#[test]
fn a_wrong_csv_file_is_told_with_its_line() {
    for (csv, what) in [
        ("a,b\n1,2\n3\n", "line 3 of in has 1 field"),
        ("a,b\n1,2,3\n", "line 2 of in has 3 fields"),
        ("a,b\n\"x\ny\",2\n3\n", "line 4 of in"),
        ("", "in is empty"),
        ("a,b,a\n", "two columns named `a`"),
        ("a,b\n1,2\n\"3,4\n5,6\n", "line 3 of in is never closed"),
        ("a\nx\0\n", "line 2 of in holds a NUL"),
    ] {
        let text = job("csv = 'in'", "{a}").file("in", csv).refused();
        assert_says(&text, [what, "job.toml:2:19"]);
    }
}

#[test]
fn a_csv_file_may_begin_with_a_byte_order_mark_and_end_without_a_line_end() {
    let job = job("csv = 'in'", "{a}|{b c}").file("in", b"\xef\xbb\xbfa,b c\r\n1,\"x\r\ny\"\r\n3,4");
    assert_eq!(job.lines(), ["1|x\\r\\ny", "3|4"]);
    let job = job.file("in", b"\xef\xbb\xbf\"a\",\"b c\"\n1,2\n");
    assert_eq!(job.lines(), ["1|2"]);
}

#[test]
fn a_column_that_is_not_there_is_told_with_the_nearest() {
    let text = job("csv = 'in'", "{nmae} {item.stem}")
        .file("in", "name,size\nx,1\n")
        .refused();
    assert_says(
        &text,
        ["`{nmae}`", "`{name}`?", "`{item.stem}`", "a row has columns"],
    );
}

#[test]
fn a_placeholder_of_two_meanings_is_refused() {
    let text = job("csv = 'in'", "{index}").file("in", "index\n1\n").refused();
    assert_says(&text, ["means two things", "the instance's number and a column"]);
    Job::new("[vars]\nname = 1\n[tasks.a]\nforeach = { csv = 'in' }\ncommand = ['x']")
        .file("in", "name\n1\n")
        .plan();
    let toml = "[vars]\nsize = 1\n[tasks.a]\nmatrix = { size = [1] }\ncommand = ['{size}']";
    assert_says(&Job::new(toml).refused(), ["a key of the matrix and a variable"]);
}

#[test]
fn ranges_count() {
    assert_eq!(job("range = '1..4'", "{item}").lines(), ["1", "2", "3"]);
    assert_eq!(job("range = '-1..=1'", "{item}").lines(), ["-1", "0", "1"]);
    assert_eq!(job("range = '1..100/40'", "{item}").lines(), ["1", "41", "81"]);
    let plan = job("range = '0..1000000000000'", "{item}").plan();
    assert_eq!(plan.tasks[0].total, Some(1_000_000_000_000));
    for wrong in ["5", "5..1", "1..5/0", "a..b", "1..99999999999999999999"] {
        assert_says(
            &job(&format!("range = '{wrong}'"), "x").refused(),
            ["is no range", "job.toml:2:21"],
        );
    }
}

#[test]
fn values_are_any_scalars() {
    let job = job(
        "values = ['a {{x}}', 1_000, 0b11, 2.50, true, 2026-01-02, -7]",
        "{item}",
    );
    assert_eq!(
        job.lines(),
        ["a {x}", "1000", "3", "2.50", "true", "2026-01-02", "-7"]
    );
}

#[test]
fn a_pipe_is_read_while_the_job_runs() {
    let job = job("lines = 'pipe'", "{item}");
    let path = job.path("pipe");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("made");
    let writer = std::thread::spawn(move || std::fs::write(path, "a\nb\n").expect("read"));
    let mut plan = job.plan();
    assert_eq!(plan.tasks[0].total, None);
    assert_eq!(take(&mut plan, 0).len(), 2);
    writer.join().expect("written");
}

#[test]
fn a_source_that_is_not_there_is_told_at_its_place() {
    for source in ["lines = 'nowhere'", "csv = 'nowhere'", "jsonl = 'nowhere'"] {
        assert_says(
            &job(source, "x").refused(),
            ["cannot read nowhere", "No such file", "job.toml:2:"],
        );
    }
    assert_says(&job("lines = '.'", "x").refused(), ["it is a directory"]);
}

#[test]
fn numbers_that_do_not_multiply_are_refused() {
    let toml = "[tasks.a]\nforeach = { range = '0..9223372036854775807' }\nmatrix = { a = [1, 2, 3] }\ncommand = ['x']";
    assert_says(&Job::new(toml).refused(), ["more instances than can be counted"]);
}
