//! Groups, priorities, memory and waiting: what starts when more could.

use crate::support::Test;

/// Fails if it ever runs twice at once.
const ALONE: &str = "mkdir lock || exit 9; sleep 0.02; rmdir lock";

#[test]
fn a_group_of_one_never_runs_two_at_once() {
    Test::job(&format!(
        "[groups.db]\nlimit = 1\n[tasks.a]\ngroup = 'db'\nforeach = {{ range = '0..6' }}\nshell = '{ALONE}'\n\
         [tasks.b]\ngroup = 'db'\nforeach = {{ range = '0..6' }}\nshell = '{ALONE}'\n\
         [tasks.free]\nforeach = {{ range = '0..6' }}\ncommand = ['true']"
    ))
    .args(["-j4"])
    .run()
    .code(0)
    .says(["18 of 18 succeeded"]);
}

#[test]
fn a_group_is_filled_to_its_limit_and_not_beyond() {
    // The first ones wait until they have company, and three are never seen.
    let script = "touch running.{index}
until test $(ls running.* | wc -l) -ge 2 || test -e met; do sleep 0.01; done
touch met; sleep 0.05
test $(ls running.* | wc -l) -le 2 || exit 9
rm running.{index}";
    Test::job(&format!(
        "[groups.net]\nlimit = 2\n[tasks.t]\ngroup = 'net'\nforeach = {{ range = '0..4' }}\nshell = '''\n{script}'''"
    ))
    .args(["-j4"])
    .run()
    .code(0);
}

#[test]
fn memory_that_does_not_fit_together_does_not_run_together() {
    Test::job(&format!(
        "[run]\nmemory = '1GiB'\n[tasks.a]\nmemory = '600MiB'\nforeach = {{ range = '0..4' }}\nshell = '{ALONE}'\n\
         [tasks.b]\nmemory = '512MiB'\nforeach = {{ range = '0..4' }}\nshell = 'test ! -e lock || exit 9'"
    ))
    .args(["-j4"])
    .run()
    .code(0)
    .says(["8 of 8 succeeded"]);
}

#[test]
fn more_memory_than_there_is_is_a_mistake_of_the_file() {
    Test::job("[run]\nmemory = '1GiB'\n[tasks.a]\ncommand = ['true']\nmemory = '2GiB'")
        .run()
        .code(2)
        .says(["job.toml:5:10", "task `a` could never start", "which is 1GiB"]);
}

#[test]
fn higher_priorities_start_first() {
    let done = Test::job(
        "[tasks.low]\npriority = -1\nforeach = { range = '0..2' }\ncommand = ['echo', 'low {item}']\n\
         [tasks.plain]\ncommand = ['echo', 'plain']\n\
         [tasks.high]\npriority = 10\nforeach = { range = '0..2' }\ncommand = ['echo', 'high {item}']",
    )
    .args(["-j1"])
    .run()
    .code(0);
    drop(done.stdout("high 0\nhigh 1\nplain\nlow 0\nlow 1\n"));
}

#[test]
fn an_instance_that_waits_too_long_times_out_without_having_run() {
    let done = Test::job(
        "[tasks.a]\nshell = 'until grep -q waited events; do sleep 0.01; done'\n\
         [tasks.b]\nqueue_timeout = '100ms'\ncommand = ['touch', 'ran']",
    )
    .args(["-j1", "--events", "events"])
    .run()
    .code(1)
    .says([
        "b",
        "waited longer than 100ms to start",
        "1 of 2 succeeded, 1 failed",
    ]);
    assert!(!done.path("ran").exists());
}

#[test]
fn a_group_that_does_not_exist_is_told_with_the_nearest() {
    Test::job("[groups.network]\nlimit = 2\n[tasks.a]\ncommand = ['true']\ngroup = 'netwrok'")
        .run()
        .code(2)
        .says(["job.toml:5:9", "no group `netwrok`", "`network`?"]);
    Test::job("[groups.net]\n[groups.x]\nlimit = 0\n[tasks.a]\ncommand = ['true']\ngroup = 'net'")
        .run()
        .code(2)
        .says(["group `net` has no `limit`", "job.toml:3:9", "expected 1 to"]);
}
