//! What commands write, on its way to the sink.

use pexec_job::exec::Stream;

use super::{Run, task};

#[test]
fn output_comes_whole_with_its_streams_apart_and_failures_marked() {
    let mut run = Run::new();
    run.go(vec![task(
        "a",
        &[],
        &["echo out; echo err >&2", "printf half; exit 1"],
    )])
    .expect("a run");
    assert_eq!(
        run.record.whole["a/0"],
        (b"out\n".to_vec(), b"err\n".to_vec(), true)
    );
    assert_eq!(run.record.whole["a/1"], (b"half".to_vec(), b"".to_vec(), false));
    assert!(run.record.lines.is_empty(), "nothing streams unless asked for");
}

#[test]
fn output_is_given_before_the_end_is_told_and_spilled_files_are_removed_after() {
    let mut run = Run::new();
    run.options.inline_limit = 100;
    run.go(vec![task("a", &[], &["head -c 300000 /dev/zero"])])
        .expect("a run");
    assert_eq!(run.record.whole["a/0"].0, vec![0; 300_000]);
}

#[test]
fn lines_stream_whole_while_the_command_runs() {
    let mut run = Run::new();
    run.options.stream = true;
    // The second line can only be written after the first was seen to be out: by the file that the test makes.
    let dir = tempfile::tempdir().expect("a directory");
    let gate = dir.path().join("gate");
    let script = format!(
        "echo one; while ! [ -e {} ]; do sleep 0.02; done; printf 'tw'; echo o; printf end",
        gate.display()
    );
    struct Gate<'a>(&'a mut super::Record, std::path::PathBuf);
    impl pexec_job::run::Sink for Gate<'_> {
        fn event(&mut self, event: &pexec_job::event::Event) -> std::io::Result<()> {
            self.0.event(event)
        }
        fn output(&mut self, chunk: pexec_job::run::OutputChunk<'_>) -> std::io::Result<()> {
            std::fs::write(&self.1, "")?;
            self.0.output(chunk)
        }
    }
    let plan = pexec_job::plan::Plan::new("job", "/", vec![task("a", &[], &[&script])]);
    let pool = pexec::ThreadPool::builder().workers(1).build().expect("threads");
    let result = pexec_job::run::run(&pool, plan, run.options.clone(), &mut Gate(&mut run.record, gate));
    run.check(&result);
    let line = |text: &[u8]| ("a(0)".to_owned(), Stream::Stdout, text.to_vec(), true, true);
    assert_eq!(run.record.lines, [line(b"one"), line(b"two"), line(b"end")]);
    assert_eq!(run.record.whole["a/0"].0, b"one\ntwo\nend");
}

#[test]
fn a_line_of_a_megabyte_streams_in_pieces_that_join() {
    let mut run = Run::new();
    run.options.stream = true;
    run.go(vec![task(
        "a",
        &[],
        &["head -c 1000000 /dev/zero; echo; echo next >&2"],
    )])
    .expect("a run");
    let out: Vec<_> = run
        .record
        .lines
        .iter()
        .filter(|(_, s, ..)| *s == Stream::Stdout)
        .collect();
    assert!(out.len() > 1);
    assert_eq!(out.iter().map(|(_, _, l, ..)| l.len()).sum::<usize>(), 1_000_000);
    let marks: Vec<_> = out.iter().map(|(.., begins, ends)| (*begins, *ends)).collect();
    assert_eq!(marks[0], (true, false));
    assert_eq!(marks[marks.len() - 1], (false, true));
    assert!(
        marks[1..marks.len() - 1].iter().all(|m| *m == (false, false)),
        "{marks:?}"
    );
}

#[test]
fn a_flood_of_lines_arrives_complete() {
    let mut run = Run::new();
    run.options.stream = true;
    run.go(vec![task("a", &[], &["seq 200000", "seq 200000"])])
        .expect("a run");
    for label in ["a(0)", "a(1)"] {
        let lines = run.record.lines.iter().filter(|(l, ..)| l == label);
        let numbers =
            lines.map(|(_, _, line, ..)| String::from_utf8_lossy(line).parse::<u64>().expect("a number"));
        assert!(numbers.eq(1..=200_000), "{label}: every line, in order");
    }
}
