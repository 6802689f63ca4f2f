//! Output and input of any size, any bytes, any order.

use std::os::unix::ffi::OsStringExt;

use pexec_job::command::Stdin;
use pexec_job::exec::{Captured, End};
use pexec_job::text::Text;

use super::{Attempt, bytes};

const TEN_MB: usize = 10_000_000;

#[test]
fn much_on_both_streams_at_once_is_kept_whole() {
    let both = "head -c 10000000 /dev/zero | tr '\\0' o & head -c 10000000 /dev/zero | tr '\\0' e >&2; wait";
    let attempt = Attempt::shell(both);
    let report = attempt.run(&[".pexec-t.err", ".pexec-t.out"]);
    assert_eq!(report.end, End::Exited(0));
    for (captured, byte) in [(&report.stdout, b'o'), (&report.stderr, b'e')] {
        assert!(
            matches!(captured, Captured::Spilled { .. }),
            "beyond the limit it lies in a file"
        );
        let bytes = bytes(captured);
        assert_eq!(bytes.len(), TEN_MB);
        assert!(bytes.iter().all(|&b| b == byte), "and the streams are not mixed");
        assert_eq!(captured.tail(3), [byte; 3]);
        captured.discard();
    }
    assert_eq!(
        std::fs::read_dir(attempt.dir.path())
            .expect("a directory")
            .count(),
        0
    );
}

#[test]
fn what_a_long_command_writes_can_be_seen_while_it_runs_and_travels_in_the_report_all_the_same() {
    let script = "echo one; echo aside >&2; until [ \"$(cat .pexec-t.out 2>&1)\" = one ] && [ -s .pexec-t.err ]; \
        do sleep 0.02; done; echo two; until [ \"$(cat .pexec-t.out | wc -l)\" = 2 ]; do sleep 0.02; done";
    // It ends because it has seen both, and leaves no file.
    let report = Attempt::shell(script).run(&[]);
    assert_eq!(report.end, End::Exited(0));
    assert_eq!(report.stdout, Captured::Inline(b"one\ntwo\n".to_vec()));
    assert_eq!(report.stderr, Captured::Inline(b"aside\n".to_vec()));
}

#[test]
fn what_was_seen_early_and_grows_beyond_the_limit_stays_whole() {
    let mut attempt =
        Attempt::shell("printf 123; until [ -s .pexec-t.out ]; do sleep 0.02; done; printf 456789");
    attempt.notes.inline_limit = 5;
    let report = attempt.run(&[".pexec-t.out"]);
    assert_eq!(report.end, End::Exited(0));
    assert_eq!(bytes(&report.stdout), b"123456789");
    report.stdout.discard();
}

#[test]
fn output_up_to_the_limit_travels_in_the_report_and_one_byte_more_goes_to_a_file() {
    for (size, leaves) in [(5, &[][..]), (6, &[".pexec-t.out"])] {
        let mut attempt = Attempt::shell(&format!("head -c {size} /dev/zero"));
        attempt.notes.inline_limit = 5;
        let report = attempt.run(leaves);
        assert_eq!(bytes(&report.stdout), vec![0; size]);
        assert_eq!(report.stdout.len(), size as u64);
    }
}

#[test]
fn ten_megabytes_of_text_go_through_cat() {
    let text: Vec<u8> = (0..TEN_MB).map(|i| (i % 251) as u8).collect();
    let attempt = Attempt::of(&["cat"]).with(|c| c.stdin = Stdin::Text(Text(text.clone())));
    let report = attempt.run(&[".pexec-t.out"]);
    assert!(bytes(&report.stdout) == text, "what went in came out");
}

#[test]
fn text_that_nobody_reads_breaks_nothing() {
    let attempt = Attempt::of(&["true"]).with(|c| c.stdin = Stdin::Text(Text(vec![b'x'; TEN_MB])));
    assert_eq!(attempt.run(&[]).end, End::Exited(0));
}

#[test]
fn standard_input_is_empty_unless_given() {
    assert_eq!(bytes(&Attempt::of(&["cat"]).run(&[]).stdout), b"");
    let attempt = Attempt::of(&["cat"]);
    std::fs::write(attempt.dir.path().join("in"), "from a file").expect("written");
    let path = attempt.path("in");
    let attempt = attempt.with(|c| c.stdin = Stdin::File(path));
    assert_eq!(bytes(&attempt.run(&["in"]).stdout), b"from a file");
}

#[test]
fn arguments_environment_and_output_are_bytes() {
    let odd = Text(b"\xff\xfe \n'\"$x".to_vec());
    let attempt = Attempt::of(&["sh", "-c", "printf '%s|%s' \"$1\" \"$ODD\"", "sh"]).with(|c| {
        c.argv.push(odd.clone());
        c.env.push(("ODD".into(), odd.clone()));
    });
    let expected = [&odd.0[..], b"|", &odd.0].concat();
    assert_eq!(bytes(&attempt.run(&[]).stdout), expected);
}

#[test]
fn the_environment_is_inherited_changed_or_empty() {
    let report = Attempt::of(&["/usr/bin/env"]).with(|c| {
        c.env_clear = true;
        c.env.push(("A".into(), "1".into()));
        c.env.push(("A".into(), "2".into()));
    });
    assert_eq!(bytes(&report.run(&[]).stdout), b"A=2\n");
    let inherited = Attempt::shell("printf %s \"$PATH\"").run(&[]);
    assert_eq!(
        bytes(&inherited.stdout),
        std::env::var_os("PATH").expect("a PATH").into_vec()
    );
}

#[test]
fn a_descendant_that_keeps_the_output_open_is_ended_and_said_so() {
    let report = Attempt::shell("sleep 1000 & echo done").run(&[]);
    assert_eq!(report.end, End::Exited(0), "it counts by its exit code");
    assert!(report.leaky);
    assert_eq!(bytes(&report.stdout), b"done\n");
}

#[test]
fn a_descendant_that_has_left_the_group_does_not_hold_the_attempt_up() {
    let report = Attempt::shell("setsid sleep 7 & echo done").run(&[]);
    assert_eq!(report.end, End::Exited(0));
    assert!(report.leaky);
    assert_eq!(bytes(&report.stdout), b"done\n");
}

#[test]
fn a_descendant_that_closed_its_output_is_ended_without_a_word() {
    let report = Attempt::shell("sleep 1000 >/dev/null 2>&1 & echo done").run(&[]);
    assert_eq!(report.end, End::Exited(0));
    assert!(!report.leaky);
}

#[test]
fn a_command_that_closes_its_output_and_goes_on_is_waited_for() {
    let report = Attempt::shell("exec >&- 2>&-; sleep 0.3; exit 5").run(&[]);
    assert_eq!(report.end, End::Exited(5));
    assert!(!report.leaky);
}

#[test]
fn what_it_cost_is_the_kernels_word() {
    let report = Attempt::shell("i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done").run(&[]);
    assert!(report.user + report.system > std::time::Duration::ZERO);
    assert!(report.peak_rss > 100_000, "{} bytes", report.peak_rss);
    assert!(report.wall >= report.user, "one thread of one process");
}

#[test]
fn output_that_cannot_be_kept_is_a_fault_and_ends_the_command() {
    let mut attempt = Attempt::shell("while :; do echo much; done");
    attempt.notes.inline_limit = 10;
    attempt.notes.spill_dir = "/nonexistent/spill".into();
    let report = attempt.run(&[]);
    let fault = report.fault.expect("a fault");
    assert!(fault.contains("/nonexistent/spill"), "{fault}");
    assert_eq!(report.end, End::Signaled(15));
    assert_eq!(report.stopped, None, "nobody asked it to stop");
}
