//! Files that tell of a run: `--report`, `--junit`, `--trace` and `--joblog`, and the same for past runs.

use nix::sys::signal::Signal;

use crate::support::{Done, Test};

const FLAGS: [&str; 8] = [
    "--report", "r.html", "--junit", "j.xml", "--trace", "t.json", "--joblog", "log",
];
const JOB: &str = "name = 'mixed'\n[tasks.a]\nforeach = { values = ['x', 'y', '</script>'] }\n\
    shell = 'echo seen {item}; echo sad >&2; test {item} != y'\n[tasks.b]\nneeds = ['a']\ncommand = ['true']";

#[track_caller]
fn tells(done: &Done) {
    let page = done.read("r.html");
    for part in [
        "1 of 4 failed",
        "a(y)",
        "seen y",
        "sad",
        "Content-Security-Policy",
        "a(\\u003c/script\\u003e)",
    ] {
        assert!(page.contains(part), "{part}\n{done}");
    }
    assert_eq!(page.matches("</script>").count(), 3);
    let junit = done.read("j.xml");
    for part in [
        "tests=\"4\" failures=\"1\"",
        "message=\"exit 1\"",
        "<system-out>seen y",
        "blocked: a(y) failed",
    ] {
        assert!(junit.contains(part), "{part}\n{junit}");
    }
    let trace: serde_json::Value = serde_json::from_str(&done.read("t.json")).expect("JSON");
    let slices = trace["traceEvents"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|e| e["ph"] == "X");
    assert_eq!(slices.count(), 3);
    let log = done.read("log");
    let mut ends: Vec<_> = log
        .lines()
        .skip(1)
        .map(|line| {
            let end: Vec<_> = line.split('\t').skip(6).collect();
            let (_, item) = end[2].rsplit_once(' ').expect("a command with its item");
            format!("{} {} {item}", end[0], end[1])
        })
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, ["0 0 '</script>'", "0 0 x", "1 0 y"]);
}

#[test]
fn a_run_is_told_of_in_every_form() {
    tells(&Test::job(JOB).args(FLAGS).run().code(1));
}

#[test]
fn without_a_record_the_files_are_the_same_and_nothing_else_is_left() {
    let done = Test::job(JOB).args(["--no-record"]).args(FLAGS).run().code(1);
    tells(&done);
    assert!(!done.path(".pexec").exists());
    let done = Test::new()
        .args(["each", "--report", "r.html", "--", "echo", "item"])
        .stdin("one\ntwo\n")
        .run()
        .code(0);
    let page = done.read("r.html");
    assert!(
        page.contains("All 2 succeeded") && page.contains("item one"),
        "{done}"
    );
}

#[test]
fn a_past_run_is_told_of_by_its_name() {
    let done = Test::job(JOB).run().code(1);
    let runs = std::fs::read_dir(done.path(".pexec/runs")).expect("a record");
    let id = runs
        .flatten()
        .next()
        .expect("one")
        .file_name()
        .into_string()
        .expect("text");
    let again = done.again(&format!(
        "report {} -o r.html --junit j.xml --trace t.json --joblog log",
        &id[..12]
    ));
    tells(&again.code(0));
    let log = done.read("log");
    done.again("report --joblog -").code(0).stdout(log);
    done.again("report 19 -o no.html").code(2).says(["19"]);
    done.again("report").code(2).says(["say what to write"]);
    done.again("report --run-dir nowhere -o no.html").code(2);
    assert!(!done.path("no.html").exists());
    done.again("report -o no/such/r.html")
        .code(5)
        .says(["no/such/r.html"])
        .does_not_say(["started"]);
}

#[test]
fn a_file_that_cannot_be_opened_starts_nothing() {
    for flag in ["--report", "--junit", "--trace", "--joblog"] {
        let done = Test::job("[tasks.a]\ncommand = ['touch', 'ran']")
            .args([flag, "no/such/file"])
            .run()
            .code(5);
        assert!(
            !done.path("ran").exists() && !done.path(".pexec").exists(),
            "{done}"
        );
        done.says(["no/such/file", "nothing was started"]);
    }
}

#[test]
fn a_file_that_cannot_be_written_is_said_and_the_others_are_written() {
    let done = Test::job("[tasks.a]\ncommand = ['touch', 'ran']")
        .args(["--report", "/dev/full", "--junit", "j.xml"])
        .run()
        .code(5);
    assert!(
        done.path("ran").exists() && done.read("j.xml").contains("testcase"),
        "{done}"
    );
    done.says(["cannot write /dev/full", "space", "1 succeeded"]);
}

#[test]
fn one_file_is_not_for_two_reports_and_standard_output_is_the_tasks() {
    let job = "[tasks.a]\ncommand = ['touch', 'ran']";
    let done = Test::job(job)
        .args(["--report", "f", "--trace", "./f"])
        .run()
        .code(2);
    assert!(!done.path("ran").exists());
    done.says(["two reports"]);
    Test::job(job)
        .args(["--joblog", "-"])
        .run()
        .code(2)
        .says(["standard output"]);
}

#[test]
fn an_earlier_report_stays_until_the_run_is_over_and_a_stopped_run_has_one_too() {
    let mut started =
        Test::job("[tasks.a]\nforeach = { range = '0..4' }\nshell = 'echo {item} >> ran; exec sleep 1000'")
            .file("r.html", "the one before, which is longer than nothing")
            .args(["-j2", "--report", "r.html"])
            .start();
    started.wait_for_lines("ran", 2);
    let before = std::fs::read_to_string(started.path().join("r.html")).expect("there");
    assert!(before.starts_with("the one before"));
    let so_far = started.beside("report -o far.html").code(0).says(["still lasts"]);
    assert!(
        so_far
            .read("far.html")
            .contains("The record ends without a last word")
    );
    started.signal(Signal::SIGINT);
    let done = started.done().code(130);
    let page = done.read("r.html");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
    assert!(
        page.contains("Stopped by signal 2 (INT)") && page.contains("2 of 4 did not run"),
        "{done}"
    );
}

#[test]
fn no_report_holds_a_secret() {
    let job = "[tasks.a]\nforeach = { values = ['x', 'y'] }\n\
        env = { TOKEN = { value = 'hunter2-secret', secret = true } }\n\
        shell = 'echo out $TOKEN {item}; echo err $TOKEN >&2; test {item} = x'";
    for more in [&["--no-record"][..], &[]] {
        let done = Test::job(job).args(more).args(FLAGS).run().code(1);
        for file in ["r.html", "j.xml", "t.json", "log"] {
            assert!(!done.read(file).contains("hunter2"), "{file}\n{done}");
        }
        assert!(done.read("r.html").contains("out *** y"), "{done}");
    }
}

#[test]
fn a_resumed_run_is_told_of_as_one() {
    let done =
        Test::job("[tasks.a]\nforeach = { range = '0..5' }\nshell = 'test {item} != 3 || test -e mended'")
            .run()
            .code(1);
    std::fs::write(done.path("mended"), "").expect("written");
    let done = done
        .again("run job.toml --resume --report r.html --junit j.xml --trace t.json")
        .code(0);
    let page = done.read("r.html");
    assert!(
        page.contains("All 5 succeeded") && page.contains("Resumed once; the last time 4 were kept"),
        "{done}"
    );
    let junit = done.read("j.xml");
    assert!(
        junit.contains("tests=\"5\" failures=\"0\"") && junit.contains("flakyFailure"),
        "{junit}"
    );
    assert!(done.read("t.json").contains("\"name\":\"resumed\""), "{done}");
}
