//! What a run learns from the records of earlier ones.

use super::record::records;
use crate::support::Test;

const SLEEPS: &str =
    "[tasks.t]\nforeach = { values = ['0.01', '1', '0.02'] }\nshell = 'echo {item} >> ran; sleep {item}'";

#[test]
fn the_second_run_begins_with_what_took_longest() {
    let done = Test::job(SLEEPS)
        .args(["-j1"])
        .run()
        .code(0)
        .says(["first recorded run"]);
    assert_eq!(done.read("ran"), "0.01\n1\n0.02\n");
    let done = done
        .again("run job.toml -j1")
        .code(0)
        .does_not_say(["first recorded run"]);
    assert_eq!(done.read("ran").lines().nth(3), Some("1"), "{done}");
    assert_eq!(records(&done, ".pexec/runs").len(), 2);
    // In the order of the plan where the output is to come in it.
    let done = done.again("run job.toml -j1 --output ordered").code(0);
    assert_eq!(done.read("ran").lines().nth(6), Some("0.01"), "{done}");
    // Nothing is learnt where nothing is recorded.
    let done = done.again("run job.toml -j1 --no-record").code(0);
    assert_eq!(done.read("ran").lines().nth(9), Some("0.01"), "{done}");
}

#[test]
fn what_took_much_longer_than_last_time_is_told() {
    let job = "[tasks.t]\nforeach = { values = ['a', 'b'] }\ncommand = ['sh', '-c', 'sleep $(cat {item})']";
    let done = Test::job(job).file("a", "0").file("b", "0").run().code(0);
    std::fs::write(done.path("b"), "3").expect("written");
    done.again("run job.toml")
        .code(0)
        .says(["t(b) took 3", "last time"]);
}

#[test]
fn a_damaged_record_is_worth_what_can_be_read_of_it() {
    let done = Test::job(SLEEPS).args(["-j1"]).run().code(0);
    let events = records(&done, ".pexec/runs").remove(0).join("events.ndjson");
    let text = std::fs::read_to_string(&events).expect("events");
    std::fs::write(&events, text.replace("\"exit\":0", "\"exit\":7")).expect("written");
    let done = done.again("run job.toml -j1").code(0);
    assert_eq!(done.read("ran").lines().nth(3), Some("0.01"), "{done}");
}
