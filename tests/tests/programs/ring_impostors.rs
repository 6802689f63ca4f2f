//! Workers that misuse the memory that they share with their supervisor: whatever they write there, only their own
//! task can suffer, they are replaced, and nobody hangs.

use pexec_tests::LeakSweep;
use pexec_tests::program::Ended;

use crate::impostors::all_under;

const TASKS: &str = "24 ended";

/// Plays all parts, a few at once; gives for each what was said of tasks that did not give their own value, and the
/// line about the pool.
fn play(parts: &[&str]) -> Vec<(String, Vec<String>, String)> {
    let ended = parts
        .chunks(6)
        .flat_map(|parts| all_under("with-ring-impostors", parts, false));
    ended
        .map(|(part, ended)| {
            let Ended {
                status,
                stdout,
                stderr,
            } = ended;
            assert!(
                status.success(),
                "a worker that {part}: {status} {stdout} {stderr}"
            );
            let mut lines: Vec<String> = stdout.lines().map(str::to_owned).collect();
            assert_eq!(
                lines.pop().as_deref(),
                Some("works"),
                "a worker that {part}: {stdout} {stderr}"
            );
            let pool = lines.pop().expect("a line about the pool");
            assert!(pool.starts_with(TASKS), "a worker that {part}: {stdout} {stderr}");
            (part, lines, pool)
        })
        .collect()
}

const NO_RESTART: &str = "24 ended, 0 restarts";
const ONE_RESTART: &str = "24 ended, 1 restarts";

#[test]
fn a_worker_that_misuses_the_memory_is_replaced_and_no_task_is_lost() {
    let _sweep = LeakSweep::new();
    let parts = [
        "sends bytes through its socket",
        "sends frames through its socket",
        "hangs up its socket",
        "says that more is written than its ring holds",
        "says that all there can be is written",
        "says that it has read what was not written",
        "takes back what it has read",
        "writes garbage",
        "announces an answer of 4 GiB",
        "answers for a task that nobody has",
        "answers for another cell",
        "skips what was not taken back, through its ring",
        "floods its socket with descriptors",
        "announces descriptors that it did not send",
        "announces descriptors twice",
        "announces descriptors in half a number",
    ];
    for (part, others, pool) in play(&parts) {
        assert!(others.is_empty(), "a worker that {part}: {others:?}");
        // What it was sent may have been taken back before anybody had a reason to look at what it has done.
        assert!(
            [ONE_RESTART, NO_RESTART].contains(&pool.as_str()),
            "a worker that {part}: {pool}"
        );
    }
}

#[test]
fn an_answer_that_was_given_counts_whatever_its_worker_does_next() {
    let _sweep = LeakSweep::new();
    let parts = [
        "takes back what it has written",
        "punches a hole into its memory",
        "answers the same twice",
        "dies behind its answer, the task still in its page",
    ];
    for (part, others, pool) in play(&parts) {
        assert_eq!(
            (others.len(), pool.as_str()),
            (1, ONE_RESTART),
            "a worker that {part}: {others:?}"
        );
        assert!(
            others[0].ends_with(" gave 7777"),
            "a worker that {part}: {others:?}"
        );
    }
}

#[test]
fn a_worker_that_dies_before_its_answer_is_whole_takes_its_own_task_along() {
    let _sweep = LeakSweep::new();
    let parts = [
        "dies before it publishes",
        "dies in the middle of a header",
        "dies in the middle of an answer that is longer than its ring",
    ];
    for (part, others, pool) in play(&parts) {
        assert_eq!(
            (others.len(), pool.as_str()),
            (1, ONE_RESTART),
            "a worker that {part}: {others:?}"
        );
        assert!(
            others[0].starts_with("Crashed ")
                && others[0].contains("SIGKILL")
                && others[0].contains("sending"),
            "a worker that {part}: {others:?}"
        );
    }
}

#[test]
fn a_worker_that_lies_about_itself_and_serves_well_does_no_harm() {
    let _sweep = LeakSweep::new();
    let parts = [
        "always wants to be woken",
        "rings without end",
        "scribbles over its page",
    ];
    for (part, others, pool) in play(&parts) {
        assert_eq!(
            (others.len(), pool.as_str()),
            (0, "24 ended, 0 restarts"),
            "a worker that {part}: {others:?}"
        );
    }
}

#[test]
fn a_worker_that_never_rings_reads_or_makes_sense_does_not_hold_the_others_up() {
    let _sweep = LeakSweep::new();
    let parts = [
        "never rings",
        "reads nothing from its ring",
        "sends bytes right behind its word that it is ready",
    ];
    for (part, others, _) in play(&parts) {
        let fine = others.iter().all(|line| line.ends_with(" gave 7777"));
        assert!(fine && others.len() < 2, "a worker that {part}: {others:?}");
    }
}

#[test]
fn groups_that_a_worker_must_not_name_are_not_signalled() {
    let _sweep = LeakSweep::new();
    // The supervisor leads a group of its own, and lives: the status says so.
    for (part, others, pool) in play(&["registers groups that are not its own"]) {
        assert_eq!(
            (others.len(), pool.as_str()),
            (1, ONE_RESTART),
            "a worker that {part}: {others:?}"
        );
        assert!(
            others[0].starts_with("Crashed "),
            "a worker that {part}: {others:?}"
        );
    }
}

#[test]
fn noise_in_the_shared_memory_ends_its_worker_and_spoils_no_other_workers_task() {
    let _sweep = LeakSweep::new();
    let parts = ["scribbles over its tasks' cells", "fills everything with noise"];
    for (part, others, _) in play(&parts) {
        // Those that the impostor has, or says that it has, may end with it; most others never go there.
        let crashed = others.iter().all(|line| line.starts_with("Crashed "));
        assert!(crashed && others.len() < 16, "a worker that {part}: {others:?}");
    }
}
