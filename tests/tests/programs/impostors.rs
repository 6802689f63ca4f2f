//! Workers that break the protocol: each is ended and replaced, its tasks run elsewhere, nobody hangs.

use pexec_tests::program::Ended;
use pexec_tests::{LeakSweep, Program};

use crate::MISBEHAVE;

/// Starts a supervisor whose first worker plays the part and whose later ones are good, for each part at once.
fn all_at_once(parts: &[&str], always: bool) -> Vec<(String, Ended)> {
    all_under("with-impostors", parts, always)
}

/// Likewise, under the supervisor of this name.
pub(crate) fn all_under(supervisor: &str, parts: &[&str], always: bool) -> Vec<(String, Ended)> {
    let directory = tempfile::tempdir().expect("a directory");
    let started: Vec<(String, Program)> = parts
        .iter()
        .enumerate()
        .map(|(i, part)| {
            let once = directory.path().join(i.to_string());
            let mut env = vec![("MISBEHAVE", *part)];
            if !always {
                env.push(("MISBEHAVE_ONCE", once.to_str().expect("text")));
            }
            ((*part).to_owned(), Program::start(MISBEHAVE, &[supervisor], &env))
        })
        .collect();
    started
        .into_iter()
        .map(|(part, mut program)| {
            let ended = program.wait();
            program.assert_nothing_left();
            (part, ended)
        })
        .collect()
}

const GOOD: &str = "ok 40\nok 41\nok 42\nrestarts 1\n";

#[test]
fn a_worker_that_does_not_prove_itself_is_replaced_and_no_task_is_lost() {
    let _sweep = LeakSweep::new();
    let parts = [
        "is silent",
        "sends its hello a byte at a time",
        "exits with 0 at once",
        "exits with 7 at once",
        "aborts at once",
        "sends text",
        "announces a frame of 2 GiB",
        "closes its channel and stays",
        "has the wrong key",
        "is of another build",
        "names another slot",
        "names another generation",
        "names another pid",
        "sends half a hello and exits",
        "sends its hello twice",
        "never becomes ready and exits",
    ];
    for (part, ended) in all_at_once(&parts, false) {
        assert_eq!(ended.stdout, GOOD, "a worker that {part}; {}", ended.stderr);
    }
}

#[test]
fn a_worker_that_breaks_the_protocol_later_is_replaced_and_no_task_is_lost() {
    let _sweep = LeakSweep::new();
    let parts = [
        "is ready twice",
        "answers for a task that it does not have",
        "emits for a task that it does not run",
        "skips what was not taken back",
        "sends a call of its own",
        "announces a result of 4 GiB",
        "sends a kind that there is not",
        "reports a failure in garbage",
        "closes its channel in the middle of a result",
    ];
    for (part, ended) in all_at_once(&parts, false) {
        assert_eq!(ended.stdout, GOOD, "a worker that {part}; {}", ended.stderr);
    }
}

#[test]
fn a_second_answer_for_the_same_task_changes_nothing_and_ends_the_worker() {
    let _sweep = LeakSweep::new();
    let ended = all_at_once(&["answers twice"], false).remove(0).1;
    assert_eq!(
        ended.stdout, "ok 50\nok 41\nok 42\nrestarts 1\n",
        "{}",
        ended.stderr
    );
}

#[test]
fn a_result_that_cannot_be_decoded_fails_its_own_task_only() {
    let _sweep = LeakSweep::new();
    let ended = all_at_once(&["answers in garbage and exits"], false).remove(0).1;
    let lines: Vec<&str> = ended.stdout.lines().collect();
    assert!(
        lines[0].starts_with("Decode cannot deserialise the result of type `u64`"),
        "{ended:?}"
    );
    assert_eq!(lines[1..], ["ok 41", "ok 42", "restarts 1"], "{}", ended.stderr);
}

#[test]
fn a_worker_that_reads_nothing_is_ended_by_the_tasks_timeout() {
    let _sweep = LeakSweep::new();
    let ended = all_at_once(&["reads nothing once it is ready"], false)
        .remove(0)
        .1;
    assert!(ended.stdout.ends_with("restarts 1\n"), "{ended:?}");
}

#[test]
fn three_workers_in_a_row_that_do_not_prove_themselves_break_the_pool_with_the_reason() {
    let _sweep = LeakSweep::new();
    let parts = [
        ("exits with 0 at once", "exit code 0"),
        ("exits with 7 at once", "exit code 7"),
        ("aborts at once", "SIGABRT"),
        ("sends text", "frame refused"),
        ("announces a frame of 2 GiB", "frame refused"),
        (
            "has the wrong key",
            "handshake failed: the peer did not prove that it knows the key",
        ),
        ("is of another build", "of the program, this side"),
        (
            "names another slot",
            "handshake failed: the peer belongs to slot 1",
        ),
        (
            "names another generation",
            "handshake failed: the peer belongs to generation 2 of the slot",
        ),
        ("names another pid", "handshake failed: it says it is process"),
    ];
    let ended = all_at_once(&parts.map(|(part, _)| part), true);
    for ((part, ended), (_, reason)) in ended.iter().zip(parts) {
        let lines: Vec<&str> = ended.stdout.lines().collect();
        assert_eq!(lines.len(), 4, "a worker that {part}: {ended:?}");
        for line in &lines[..3] {
            assert!(line.starts_with("PoolBroken "), "a worker that {part}: {line}");
            assert!(
                line.contains("3 workers in a row did not become ready"),
                "a worker that {part}: {line}"
            );
            assert!(line.contains(reason), "a worker that {part}: {line}");
        }
    }
}
