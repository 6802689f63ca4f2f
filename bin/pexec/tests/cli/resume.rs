//! `--resume` and `--rerun-failed`: what has succeeded is not run again, everything else is.

use std::fs;

use serde_json::Value;

use crate::record::{record, records};
use crate::support::{Done, Test};

/// Each instance notes that it ran; `c` fails until there is a file `fixed`.
const JOB: &str = "[tasks.work]\nforeach = { values = ['a', 'b', 'c', 'd'] }\n\
    shell = 'echo {item} >> ran; echo out {item}; test {item} != c || test -e fixed'\n\
    [tasks.after]\nneeds = ['work']\nshell = 'echo after >> ran'\n";

#[track_caller]
fn ran(done: &Done) -> String {
    let mut lines: Vec<String> = done.read("ran").lines().map(str::to_owned).collect();
    lines.sort_unstable();
    fs::remove_file(done.path("ran")).expect("ours");
    lines.join(" ")
}

fn events(done: &Done) -> Vec<Value> {
    let text = fs::read_to_string(record(done).join("events.ndjson")).expect("there");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .collect()
}

#[test]
fn what_has_succeeded_is_not_run_again_and_opens_what_needs_it() {
    let done = Test::job(JOB).run().code(1);
    assert_eq!(ran(&done), "a b c d");
    let done = done.again("run job.toml --resume").code(1).stdout("out c\n");
    assert_eq!(ran(&done), "c");
    fs::write(done.path("fixed"), "").expect("written");
    let done = done.again("run job.toml --resume").code(0).stdout("out c\n");
    assert_eq!(ran(&done), "after c");
    let done = done.again("run job.toml --resume").code(0).stdout("");
    assert!(!done.path("ran").exists(), "{done}");
    let events = events(&done);
    for (seq, event) in events.iter().enumerate() {
        assert_eq!(event["seq"], seq, "one record, counted through");
    }
    let last = events.last().expect("some");
    assert_eq!(
        (&last["succeeded"], &last["kept"]),
        (&Value::from(5), &Value::from(5)),
        "{last}"
    );
    done.says(["5 of 5 succeeded", "5 kept", "going on with run"]);
}

#[test]
fn with_no_earlier_run_everything_runs_and_that_is_said() {
    let done = Test::job(JOB)
        .file("fixed", "")
        .args(["--resume"])
        .run()
        .code(0)
        .says(["no earlier run"]);
    assert_eq!(ran(&done), "a after b c d");
    let done = done.again("run job.toml --resume=20200101").code(2);
    assert!(!done.path("ran").exists(), "{done}");
    done.says(["no run `20200101`"]);
}

#[test]
fn each_job_goes_on_with_its_own_last_run() {
    let done = Test::job(JOB)
        .file("other.toml", JOB)
        .file("fixed", "")
        .run()
        .code(0);
    ran(&done);
    let done = done
        .again("run other.toml --resume")
        .code(0)
        .says(["no earlier run"]);
    assert_eq!(
        ran(&done),
        "a after b c d",
        "another job's successes are not its own"
    );
    let done = done.again("run job.toml --resume").code(0);
    assert!(!done.path("ran").exists(), "{done}");
    let ids: Vec<String> = records(&done, ".pexec/runs")
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .collect();
    let done = done
        .again("run job.toml --resume=2")
        .code(2)
        .says([ids[0].as_str(), ids[1].as_str()]);
    done.again(&format!("run job.toml --resume={}", ids[0])).code(0);
}

#[test]
fn an_instance_is_known_by_what_it_is_and_not_by_its_place() {
    let job = |values: &str, command: &str| {
        format!("[tasks.t]\nforeach = {{ values = [{values}] }}\nshell = '{command} {{item}} >> ran'")
    };
    let done = Test::job(&job("'a', 'b', 'c', 'b'", "echo")).run().code(0);
    assert_eq!(ran(&done), "a b b c");
    let again = |done: Done, values: &str, command: &str| {
        fs::write(done.path("job.toml"), job(values, command)).expect("written");
        done.again("run job.toml --resume").code(0)
    };
    let done = again(done, "'c', 'new', 'a', 'b'", "echo");
    assert_eq!(ran(&done), "new", "turned round, one added, one left out");
    let done = again(done, "'b', 'b', 'b', 'b'", "echo");
    assert_eq!(ran(&done), "b b", "as many are kept as have succeeded");
    let done = again(done, "'a', 'b'", "echo  -n");
    let both = ran(&done);
    assert!(
        both == "ab" || both == "ba",
        "another command is another instance: {both}"
    );
}

#[test]
fn only_what_failed_or_was_blocked_is_run_by_rerun_failed() {
    // With a place for one, the failure comes before the last two, which the signal keeps from running.
    let job = "[tasks.work]\nforeach = { values = ['good', 'bad', 'stop', 'late'] }\n\
        shell = 'echo {item} >> ran; test {item} != stop || kill -TERM $PPID_OF; test {item} != bad'\n";
    let job = job.replace(
        "kill -TERM $PPID_OF",
        "{{ kill -TERM $(cat supervisor); sleep 60; }}",
    );
    let job = format!("{job}[tasks.after]\nneeds = ['work']\nshell = 'echo after >> ran'\n");
    let done = Test::new()
        .file("job.toml", &job)
        .shell("echo $$ > supervisor; exec pexec run job.toml -j1")
        .code(143);
    assert_eq!(ran(&done), "bad good stop");
    let done = done.again("run job.toml --rerun-failed").code(1).says(["1 kept"]);
    assert_eq!(
        ran(&done),
        "bad",
        "the one that was stopped and the one that was not run did not fail"
    );
    fs::write(
        done.path("job.toml"),
        job.replace("test {item} != stop ||", "true ||"),
    )
    .expect("written");
    let done = done.again("run job.toml --resume -j1").code(1);
    assert_eq!(
        ran(&done),
        "bad good late stop",
        "another script is another instance"
    );
}

#[test]
fn blocked_instances_are_among_those_that_failed() {
    let done = Test::job(JOB).run().code(1);
    ran(&done);
    fs::write(done.path("fixed"), "").expect("written");
    let done = done.again("run job.toml --rerun-failed").code(0);
    assert_eq!(ran(&done), "after c");
}

#[test]
fn the_run_id_of_a_resumed_run_is_that_of_the_run() {
    let done = Test::job("[tasks.t]\nforeach = { values = ['a', 'b'] }\nshell = 'echo {run_id}; test {item} = a || test -e fixed'")
        .file("fixed", "")
        .run()
        .code(0);
    let first = done.sorted_lines()[0].clone();
    fs::remove_file(done.path("fixed")).expect("ours");
    let done = done.again("run job.toml --resume").code(0).stdout("");
    assert!(record(&done).ends_with(&first), "{done}");
}

#[test]
fn a_record_that_a_living_pexec_holds_is_refused_with_its_pid() {
    let mut holder = Test::job("[tasks.t]\nshell = 'echo >> ran; test -e go || sleep 60'").start();
    holder.wait_for_lines("ran", 1);
    let second = holder.beside("run job.toml --resume").code(5);
    second.says([format!("process id {}", holder.child.id()).as_str()]);
    fs::write(holder.path().join("go"), "").expect("written");
    holder.signal(nix::sys::signal::Signal::SIGKILL);
    let done = holder.done();
    let done = done.again("run job.toml --resume").code(0);
    assert_eq!(
        done.read("ran").lines().count(),
        2,
        "the lock went with its holder\n{done}"
    );
}

#[test]
fn a_damaged_record_is_refused_by_its_line_and_a_torn_end_is_cut_off() {
    let done = Test::job(JOB).file("fixed", "").run().code(0);
    ran(&done);
    let path = record(&done).join("events.ndjson");
    let whole = fs::read(&path).expect("there");
    fs::write(&path, &whole[..whole.len() - 30]).expect("written");
    let done = done
        .again("run job.toml --resume")
        .code(0)
        .says(["not written to its end", "cut off"]);
    assert!(!done.path("ran").exists(), "{done}");
    let mut hurt = fs::read(&path).expect("there");
    let third = hurt
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(2)
        .expect("lines")
        .0;
    hurt[third - 20] ^= 1;
    fs::write(&path, &hurt).expect("written");
    let done = done
        .again("run job.toml --resume")
        .code(5)
        .says(["line 3 of ", "damaged"]);
    assert!(!done.path("ran").exists(), "{done}");
    assert_eq!(fs::read(&path).expect("there"), hurt, "it was not touched");
    fs::write(&path, "{\"v\":9,\"crc\":\"00000000\"}\n").expect("written");
    done.again("run job.toml --resume=2").code(5).says(["version 9"]);
}

#[test]
fn each_can_be_gone_on_with_where_it_was_recorded() {
    let line = "each --run-dir runs --resume -- sh -c 'echo $1 >> ran; test $1 = a' sh {} ::: a b";
    let done = Test::new().shell(&format!("pexec {line}")).code(1);
    assert_eq!(ran(&done), "a b");
    let done = done.shell(&format!("pexec {line}")).code(1);
    assert_eq!(ran(&done), "b");
    Test::new()
        .args(["each", "--resume", "--", "true", ":::", "x"])
        .run()
        .code(2)
        .says(["--run-dir"]);
}

#[test]
fn a_record_that_a_kill_left_empty_is_named_told_of_and_gone_on_with() {
    let job = "[tasks.a]\nforeach = { values = ['x', 'y'] }\nshell = 'echo {item}'\n";
    let done = Test::job(job).run().code(0);
    let whole = record(&done);
    let id = "20990101-000000-0000";
    let empty = done.path(".pexec/runs").join(id);
    // As far as the first moments of a run can get: each of these may be the last thing that was made.
    let made = ["lock", "events.ndjson", "output", "job.toml"];
    for parts in 2..=made.len() {
        fs::create_dir(&empty).expect("made");
        for name in &made[..parts] {
            fs::write(empty.join(name), "").expect("written");
        }
        let told = done.again("runs").code(0);
        let line = format!("{id}  killed before anything of it was recorded\n");
        assert!(told.stdout.starts_with(line.as_bytes()), "{told}");
        assert_eq!(told.stdout.iter().filter(|b| **b == b'\n').count(), 2, "{told}");
        let told = done.again("runs --format json").code(0);
        let runs: Value = serde_json::from_slice(&told.stdout).expect("JSON");
        assert_eq!((&runs[0]["run"], &runs[0]["end"]), (&id.into(), &"killed".into()));
        done.again("show")
            .code(0)
            .stdout(format!("run {id}: killed before anything of it was recorded\n"));
        done.again("report -o - last").code(0);
        // The latest of which anything is known is that of the first run.
        done.again("run job.toml --resume")
            .code(0)
            .stdout("")
            .says(["2 kept"]);
        let resumed = done.again(&format!("run job.toml -j1 --resume={id}"));
        resumed
            .code(0)
            .stdout("x\ny\n")
            .says(["going on with run 20990101-000000-0000, which was ended before anything"])
            .does_not_say(["kept"]);
        let kept = fs::read_to_string(empty.join("events.ndjson")).expect("there");
        let first: Value = serde_json::from_str(kept.lines().next().expect("a line")).expect("an event");
        assert_eq!(
            (&first["seq"], &first["resumed"]),
            (&0.into(), &Value::Null),
            "{first}"
        );
        done.again(&format!("show {id} a(x)")).code(0);
        done.again(&format!("replay {id} a(x)")).code(0).stdout("x\n");
        fs::remove_dir_all(&empty).expect("ours");
    }
    assert!(whole.exists());
}

#[test]
fn what_ran_by_an_earlier_form_of_the_job_file_is_told_and_replayed_by_that() {
    let job = |word: &str| {
        format!(
            "[tasks.a]\nforeach = {{ values = ['x', 'y'] }}\nshell = 'test {{item}} = x && echo {word}'\n"
        )
    };
    let done = Test::job(&job("old")).args(["-j1"]).run().code(1).stdout("old\n");
    fs::write(done.path("job.toml"), job("new").replace("= x", "!= x")).expect("written");
    done.again("run job.toml --resume --output none").code(1);
    fs::write(
        done.path("job.toml"),
        job("new").replace("'x', 'y'", "'y'").replace("= x", "!= x"),
    )
    .expect("written");
    let done = done.again("run job.toml --resume -j1").code(0).stdout("");
    let record = record(&done);
    let text = |name: &str| fs::read_to_string(record.join(name)).unwrap_or_default();
    assert!(text("job.toml").contains("old"), "it is as it was");
    assert!(text("job-2.toml").contains("new") && text("job-3.toml").contains("'y'"));
    assert!(!record.join("job-4.toml").exists());
    done.again("run job.toml --resume").code(0);
    assert!(!record.join("job-4.toml").exists(), "the same is kept once");
    // The last word on x is that of the job file between, which is not the latest.
    let told = done.again("show last a(x)").code(0);
    assert!(
        String::from_utf8_lossy(&told.stdout).contains("echo new"),
        "{told}"
    );
    done.again("replay last a(y)").code(0).stdout("new\n");
}

#[test]
fn what_has_changed_since_the_record_is_told_by_the_plan_the_summary_and_the_events() {
    let job = |items: &str, word: &str| {
        format!(
            "[tasks.a]\nforeach = {{ values = [{items}] }}\nshell = 'echo {word} {{item}}'\n\
             [tasks.b]\ncommand = ['echo', '{word}']\n"
        )
    };
    let done = Test::job(&job("'x', 'y', 'z'", "old")).run().code(0);
    let done = done
        .again("run job.toml --resume")
        .code(0)
        .stdout("")
        .does_not_say(["since the record"]);
    // Another order and one more and less: the rest is what it was.
    fs::write(done.path("job.toml"), job("'z', 'new', 'x'", "old")).expect("written");
    let plan = done.again("plan job.toml --resume").code(0);
    plan.says(["1 to run, 3 kept; since the record: 1 new, 1 no longer in the job"]);
    let done = done.again("run job.toml --resume").code(0).stdout("old new\n");
    let done = done.says(["since the record: 1 new, 1 no longer in the job"]);
    // The command of one task is another one.
    let edited = job("'z', 'new', 'x'", "old").replace("['echo', 'old']", "['echo', 'edited']");
    fs::write(done.path("job.toml"), &edited).expect("written");
    let plan = done.again("plan job.toml --resume").code(0);
    let listed = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(
        listed.contains("run         b: its command has changed"),
        "{plan}"
    );
    let done = done.again("run job.toml --resume").code(0).stdout("edited\n");
    let done = done.says(["since the record: 1 changed, 1 no longer in the job"]);
    // A task is no longer there; that only one is asked for does not mean that the others are gone.
    let done = done
        .again("run job.toml --resume --only a")
        .code(0)
        .does_not_say(["changed"]);
    fs::write(
        done.path("job.toml"),
        edited.split("[tasks.b]").next().expect("a"),
    )
    .expect("written");
    let done = done.again("run job.toml --resume").code(0).stdout("");
    let done = done.says(["since the record: 2 no longer in the job"]);
    let told: Vec<Value> = events(&done)
        .into_iter()
        .filter(|event| event["type"] == "kept")
        .filter(|event| {
            ["changed", "new", "gone"]
                .iter()
                .any(|key| !event[*key].is_null())
        })
        .collect();
    let of = |n: usize| {
        (
            &told[n]["task"],
            &told[n]["changed"],
            &told[n]["new"],
            &told[n]["gone"],
        )
    };
    let (one, none) = (Value::from(1), Value::Null);
    let (a, b) = (Value::from("a"), Value::from("b"));
    assert_eq!(of(0), (&a, &none, &one, &one));
    assert!(
        told.iter().any(|it| it["task"] == b && it["changed"] == 1),
        "{told:?}"
    );
    assert!(
        told.iter().any(|it| it["task"] == b && it["gone"] == 1),
        "{told:?}"
    );
    let counts = &events(&done);
    let last = counts.last().expect("some");
    assert_eq!(
        (&last["planned"], &last["kept"]),
        (&3.into(), &3.into()),
        "{last}"
    );
}

#[test]
fn a_run_that_was_ended_early_has_nothing_new_when_it_is_gone_on_with() {
    let job = "[tasks.a]\nforeach = { range = '0..20' }\nshell = 'test {item} != 5 || test -e fixed'\n";
    let done = Test::job(job).args(["-j1", "--halt", "now,fail=1"]).run().code(3);
    fs::write(done.path("fixed"), "").expect("written");
    let done = done.again("run job.toml --resume").code(0);
    done.does_not_say(["since the record"]);
}
