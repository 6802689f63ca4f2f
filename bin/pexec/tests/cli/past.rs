//! `runs` and `show`: what is in a record, told again.

use serde_json::Value;

use crate::record::record;
use crate::support::{Done, Test};

const JOB: &str = "name = 'demo'\n[tasks.sum]\nforeach = { values = ['a', 'b c'] }\nretries = 1\n\
    shell = 'echo out {item}; echo err >&2; printf tail; test {item} = a'\n\
    [tasks.next]\nneeds = ['sum']\ncommand = ['true']\n[tasks.one]\ncommand = ['printf', 'x\\ny']\n";

/// This after a run of the job; one instance at a time, so that they end in their order.
fn after(job: &str, script: &str) -> Done {
    Test::new().file("job.toml", job).shell(&format!(
        "pexec run job.toml -j1 --output none 2>run-said; {script}"
    ))
}

fn stdout(done: &Done) -> String {
    String::from_utf8_lossy(&done.stdout).into_owned()
}

#[test]
fn runs_are_listed_the_latest_first_with_what_came_of_them() {
    let done = after(
        JOB,
        "pexec run job.toml --only one --output none 2>>run-said; sed s/demo/other/ job.toml >other.toml; \
         pexec run other.toml --only one --output none 2>>run-said; pexec runs && pexec runs job.toml --format json >json",
    )
    .code(0);
    let text = stdout(&done);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{done}");
    assert!(
        lines[0].contains(" other  1 of 1 succeeded") && lines[0].ends_with("succeeded"),
        "{text}"
    );
    assert!(
        lines[2].contains(" demo  2 of 4 succeeded, 1 failed, 1 blocked") && lines[2].ends_with(": failed"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&done.read("json")).expect("json");
    let told: Vec<(&str, u64)> = json
        .as_array()
        .expect("a list")
        .iter()
        .map(|run| {
            (
                run["end"].as_str().expect("told"),
                run["planned"].as_u64().expect("told"),
            )
        })
        .collect();
    assert_eq!(told, [("succeeded", 1), ("failed", 4)]);
}

#[test]
fn a_run_that_was_killed_and_one_that_still_lasts_say_so() {
    let test = Test::new().file("job.toml", "[tasks.a]\nshell = 'touch here; sleep 60'");
    let done = test
        .shell(
            "pexec run job.toml 2>/dev/null & while ! test -e here; do sleep 0.01; done; pexec runs; kill -9 $!; wait $!; pexec runs; \
             pexec show; rm -r tmp/pexec-*",
        )
        .code(0);
    let text = stdout(&done);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("still running (process "), "{done}");
    assert!(lines[1].ends_with("killed: it has no last word"), "{done}");
    assert!(lines[3].starts_with("unfinished  a"), "{done}");
}

#[test]
fn no_run_is_an_empty_list() {
    Test::new()
        .args(["runs"])
        .run()
        .code(0)
        .stdout("")
        .says(["there is no run"]);
    Test::new()
        .args(["runs", "--format", "json"])
        .run()
        .code(0)
        .stdout("[]\n");
    Test::new()
        .args(["show"])
        .run()
        .code(2)
        .says(["there is no run yet"]);
}

#[test]
fn show_tells_the_outcome_of_every_instance() {
    let done = after(JOB, "pexec show").code(0);
    let text = stdout(&done);
    let lines: Vec<&str> = text.lines().collect();
    assert!(
        lines[0].contains("of job demo") && lines[0].ends_with("failed"),
        "{text}"
    );
    for part in [
        "success     sum(a)",
        "failed      sum(b c)",
        "attempt 2: exit 1",
        "blocked     next: by sum(b c)",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(lines.len(), 5, "{text}");
}

#[test]
fn show_tells_all_that_is_known_of_one_instance() {
    // By its label, by the beginning of it, by its id; the run by the beginning of its id, from another directory.
    for name in ["'sum(b c)'", "'sum(b'", "sum/1"] {
        let done = after(
            JOB,
            &format!("mkdir sub; cd sub; pexec show --run-dir ../.pexec/runs $(ls ../.pexec/runs | cut -c1-12) {name}"),
        )
        .code(0);
        let text = stdout(&done);
        for part in [
            "sum(b c): failed: exit 1\n",
            "  command   sh -c ",
            "echo out",
            "'b c'\n",
            "  in        /",
            "  attempt 1 failed: exit 1, after ",
            "  attempt 2 failed: exit 1, after ",
            "worker ",
            "    standard output, 12 bytes:\n      out b c\n      tail\n",
            "    standard error, 4 bytes:\n      err\n",
        ] {
            assert!(text.contains(part), "{part}\n{done}");
        }
    }
}

#[test]
fn a_task_by_its_bare_name_is_all_its_instances() {
    let done = after(JOB, "pexec show last sum").code(0);
    let text = stdout(&done);
    assert!(
        text.starts_with("success     sum(a)") && text.lines().count() == 2,
        "{text}"
    );
    // One that has only one is told in full.
    assert!(stdout(&after(JOB, "pexec show last one")).contains("attempt 1 success"));
    assert!(stdout(&after(JOB, "pexec show last next")).starts_with("next: blocked: by sum(b c)\n"));
}

#[test]
fn the_output_of_one_instance_comes_byte_for_byte() {
    after(JOB, "pexec show last one --output").code(0).stdout("x\ny");
    after(JOB, "pexec show last 'sum(b c)' --output")
        .code(0)
        .stdout("out b c\ntail");
    after(JOB, "pexec show last next --output").code(0).stdout("");
    after(JOB, "pexec show last sum --output")
        .code(2)
        .says(["2 instances are meant"]);
}

#[test]
fn unknown_and_ambiguous_names_are_wrong_usage_with_candidates() {
    after(JOB, "pexec show last 'sum('")
        .code(2)
        .stdout("")
        .says(["more than one instance", "sum(a), sum(b c)"]);
    after(JOB, "pexec show last nothing")
        .code(2)
        .says(["no instance `nothing`"]);
    after(JOB, "pexec show 1999").code(2).says(["no run `1999`"]);
    after(
        JOB,
        "pexec run job.toml --only one --output none 2>/dev/null; pexec show 20",
    )
    .code(2)
    .says(["more than one run"]);
}

#[test]
fn a_damaged_record_is_told_with_its_line_and_5_and_the_others_are_listed() {
    let damage = "events=$(echo .pexec/runs/*/events.ndjson); sed -i '3s/\"task\"/\"tusk\"/' $events; \
                  pexec run job.toml --only one --output none 2>/dev/null;";
    let done = after(JOB, &format!("{damage} pexec runs"))
        .code(5)
        .says(["line 3 of", "is damaged"]);
    assert!(stdout(&done).contains("1 of 1 succeeded"), "{done}");
    after(JOB, &format!("{damage} pexec show $(ls .pexec/runs | head -n 1)"))
        .code(5)
        .stdout("")
        .says(["line 3 of"]);
    // One whose end was cut off is read as far as it goes.
    let done = after(
        JOB,
        "events=$(echo .pexec/runs/*/events.ndjson); truncate -s -20 $events; pexec show",
    )
    .code(0);
    assert!(
        stdout(&done)
            .lines()
            .next()
            .expect("told")
            .ends_with("killed: it has no last word"),
        "{done}"
    );
    done.says(["was not written to its end"]);
}

#[test]
fn what_a_terminal_would_obey_is_escaped_in_what_is_shown() {
    let job =
        "[tasks.a]\nforeach = { values = ['\\u001b[2J'] }\nshell = 'printf \"\\\\033[1mbold\\\\n\"; exit 1'";
    let done = after(
        &job.replace("'\\u001b[2J'", "\"\\u001b[2J\""),
        "pexec show; pexec show last a",
    )
    .code(0);
    assert!(!done.stdout.contains(&0x1b), "{done}");
    assert!(stdout(&done).contains("\\u{1b}[1mbold"), "{done}");
}

#[test]
fn the_summary_says_how_to_see_more_and_that_works() {
    for run in [
        "pexec run job.toml",
        "cd sub; pexec run ../job.toml",
        "pexec run job.toml --run-dir 'elsewhere'",
    ] {
        let done = Test::new().file("job.toml", JOB).file("sub/x", "").shell(&format!(
            "({run} --output none 2>said; code=$?; eval \"$(sed -n 's/^pexec: see more: //p' said)\"; exit $code)"
        ));
        assert!(
            stdout(&done).starts_with("sum(b c): failed: exit 1\n"),
            "{run}\n{done}"
        );
    }
    Test::new()
        .file("job.toml", JOB)
        .args(["run", "job.toml", "--no-record"])
        .run()
        .code(1)
        .does_not_say(["see more"]);
}

#[test]
fn show_tells_programs_all_that_it_tells_people() {
    let job = "[tasks.a]\nforeach = { values = ['x', 'y'] }\nretries = 1\nenv = { T = { value = 'hunter2', secret = true } }\n\
        shell = 'echo out; echo err >&2; test {item} = x'\n[tasks.b]\nneeds = ['a']\ncommand = ['true']\n";
    let done = Test::job(job).args(["-j1"]).run().code(1);
    let json = |words: &str| -> Value {
        let told = done.again(words).code(0);
        serde_json::from_slice(&told.stdout).unwrap_or_else(|error| panic!("{error}\n{told}"))
    };
    let all = json("show --format json");
    assert_eq!(
        (&all["end"], &all["planned"], &all["failed"], &all["blocked"]),
        (&"failed".into(), &3.into(), &1.into(), &1.into())
    );
    assert_eq!(
        all["dir"],
        done.path("")
            .canonicalize()
            .expect("there")
            .to_str()
            .expect("text")
    );
    let ends: Vec<_> = (0..3)
        .map(|n| (&all["instances"][n]["label"], &all["instances"][n]["end"]))
        .collect();
    let expected = ["a(x)", "success", "a(y)", "failed", "b", "blocked"].map(Value::from);
    assert_eq!(
        ends,
        [
            (&expected[0], &expected[1]),
            (&expected[2], &expected[3]),
            (&expected[4], &expected[5])
        ]
    );
    assert_eq!(all["instances"][2]["blocked_by"], "a(y)");
    assert_eq!(
        all["instances"][1]["attempts"].as_array().map(Vec::len),
        Some(1),
        "the last one"
    );

    let one = &json("show last a(y) --format json")["instances"][0];
    assert_eq!(one["command"][0], "sh");
    assert_eq!(one["env"]["T"], "***");
    let attempts = one["attempts"].as_array().expect("a list");
    assert_eq!(attempts.len(), 2);
    // What the events say of each, and nothing else, under the same names.
    let events = std::fs::read_to_string(record(&done).join("events.ndjson")).expect("there");
    let finished: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("an event"))
        .filter(|event: &Value| event["type"] == "finished" && event["id"] == one["id"])
        .collect();
    for (attempt, event) in attempts.iter().zip(&finished) {
        for (key, value) in event.as_object().expect("an object") {
            let ours = match key.as_str() {
                "id" | "task" | "index" | "label" | "item" | "key" => &one[key],
                "v" | "seq" | "t" | "type" | "crc" | "salt" => continue,
                _ => &attempt[key],
            };
            assert_eq!(ours, value, "{key}");
        }
        assert!(attempt["began"].is_string() && attempt["pid"].is_u64() && attempt["worker"].is_u64());
    }
    assert_eq!(finished.len(), 2);
    done.again("show last a(y) --format json --output").code(2);
}
