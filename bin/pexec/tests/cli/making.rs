//! `inputs` and `outputs`: what a record says was made is not made again.

use crate::support::Test;

const JOB: &str = "[tasks.copy]\nforeach = { values = ['a', 'b'] }\ninputs = '{item}'\noutputs = 'out/{item}'\n\
    shell = 'echo {item}; cp {item} out/{item}'";

#[test]
fn a_second_run_does_only_what_has_changed() {
    let script = "pexec run job.toml > first 2>&1 && pexec run job.toml > second 2> said && echo changed > b && pexec run job.toml";
    let done = Test::new()
        .file("job.toml", JOB)
        .file("a", "A")
        .file("b", "B")
        .shell(script)
        .code(0)
        .stdout("b\n")
        .says(["2 of 2 succeeded (1 up to date)"]);
    assert_eq!(done.read("second"), "");
    assert!(
        done.read("said").contains("2 of 2 succeeded (2 up to date)"),
        "{done}"
    );
    assert_eq!(done.read("out/b"), "changed\n");
}

#[test]
fn without_a_record_everything_runs() {
    let script = "pexec run job.toml > first && pexec run --no-record job.toml > second";
    let done = Test::new()
        .file("job.toml", JOB)
        .file("a", "A")
        .file("b", "B")
        .shell(script)
        .code(0)
        .does_not_say(["up to date"]);
    assert_eq!(done.read("second").lines().count(), 2, "{done}");
}

#[test]
fn half_an_output_of_a_killed_run_is_made_again() {
    // Its worker may get to removing what it has touched, before it is gone itself.
    let job = "[tasks.slow]\noutputs = 'out'\nshell = 'echo half > out; read nap < nap; sleep $nap; echo whole > out'";
    let script = "pexec run job.toml && rm out && echo 1000 > nap || exit
        pexec run job.toml & while [ ! -s out ]; do sleep 0.01; done; kill -9 $!; wait
        rm -r tmp/*; echo 0 > nap; test ! -e out || test \"$(cat out)\" = half || exit 9; pexec run job.toml";
    let done = Test::new()
        .file("job.toml", job)
        .file("nap", "0\n")
        .shell(script)
        .code(0)
        .does_not_say(["up to date"]);
    assert_eq!(done.read("out"), "whole\n");
}
