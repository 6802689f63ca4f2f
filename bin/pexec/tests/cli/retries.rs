//! Failures that get another chance, after a pause and for a reason.

use crate::support::Test;

#[test]
fn only_the_reasons_that_are_named_earn_another_attempt() {
    let done = Test::job(
        "[defaults]\nretries = 2\nretry_on = ['timeout']\n\
         [tasks.slow]\ntimeout = '100ms'\nshell = 'echo x >> slow; exec sleep 1000'\n\
         [tasks.wrong]\nshell = 'echo x >> wrong; exit 1'\n\
         [tasks.both]\nretry_on = ['exit', 'signal']\nshell = 'echo x >> both; test {attempt} -gt 1 || kill -9 $$; exit 1'",
    )
    .run()
    .code(1)
    .says(["3 failed"]);
    let lines = |name: &str| done.read(name).lines().count();
    assert_eq!(
        (lines("slow"), lines("wrong"), lines("both")),
        (3, 1, 3),
        "{done}"
    );
}

#[test]
fn a_pause_holds_no_worker() {
    // The second instance ends the run while the first one would wait for an hour.
    Test::job(
        "[run]\nworkers = 1\nhalt = 'now,success=1'\n[tasks.t]\nretries = 1\nbackoff = '1h..2h'\n\
         foreach = { values = [1, 2] }\nshell = 'test {item} = 2'",
    )
    .run()
    .code(0)
    .says(["1 of 2 succeeded, 1 not run"]);
}

#[test]
fn wrong_pauses_and_reasons_are_refused_at_their_place() {
    Test::job("[tasks.t]\ncommand = ['true']\nbackoff = '9s..1s'\nretry_on = ['exti']")
        .run()
        .code(2)
        .says([
            "job.toml:3:11",
            "shorter than the first",
            "job.toml:4:13",
            "`exit`?",
        ]);
}
