//! Secrets: a command gets them, and nothing that pexec writes down or tells has them, in whatever form.

use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::Value;

use crate::support::{Done, Test};

const SECRET: &str = "s3cr3t/Wort";

/// A job that puts its secret wherever it can: into labels and items, arguments, output, error texts, the names of
/// commands, and beside bytes that are no text.
const JOB: &str = "# s3cr3t/Wort, do not tell\n\
    name = 'job of s3cr3t/Wort'\n\
    [vars]\npw = \"s3cr3t\\u002fWort\"\n\
    [defaults]\nenv = { TOKEN = { value = '{pw}', secret = true } }\n\
    [tasks.show]\nforeach = { lines = 'list' }\nlabel = 'show {item}'\n\
    shell = 'echo $TOKEN {item}; echo to-stderr $TOKEN >&2; test {index} = 0'\n\
    [tasks.split]\nshell = 'printf s3cr; sleep 0.2; printf 3t/Wo; sleep 0.2; echo rt'\n\
    [tasks.long]\nshell = 'yes \"0123456789 $TOKEN\" | head -n 20000; seq 1000 >&2; echo \"$TOKEN\" >&2; exit 3'\n\
    [tasks.tail]\nshell = 'printf %s \"$TOKEN\" >&2; head -c 4090 /dev/zero | tr \"\\\\0\" x >&2; exit 3'\n\
    [tasks.missing]\ncommand = ['/nowhere/{pw}', '{pw}']\n\
    [tasks.after]\nneeds = ['show']\nlabel = 'after {pw}'\ncommand = ['true']\n";

fn test(job: &str) -> Test {
    // Bytes that are no UTF-8, so that texts have their base64 form.
    Test::new()
        .file("job.toml", job)
        .file("list", b"s3cr3t/Wort\n\xff s3cr3t/Wort \xff\nplain\n")
}

/// The bytes hold the secret, or the end of one that was cut.
fn tells(bytes: &[u8]) -> bool {
    let has = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    has(SECRET.as_bytes()) || has(b"r3t/Wort") || has(b"s3cr3t/")
}

/// The texts of a line of events, those in base64 as well.
fn texts(value: &Value, out: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => out.push(text.clone().into_bytes()),
        Value::Array(values) => values.iter().for_each(|value| texts(value, out)),
        Value::Object(entries) => {
            for (key, value) in entries {
                match (key.as_str(), value) {
                    ("base64", Value::String(text)) => out.push(
                        base64::engine::general_purpose::STANDARD
                            .decode(text)
                            .expect("base64"),
                    ),
                    _ => texts(value, out),
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[track_caller]
fn assert_events_tell_nothing(done: &Done, name: &str) {
    let text = std::fs::read(done.path(name)).expect("written");
    assert!(!tells(&text), "{}", String::from_utf8_lossy(&text));
    let mut found = Vec::new();
    for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        texts(&serde_json::from_slice(line).expect("json"), &mut found);
    }
    assert!(
        found.iter().any(|text| text.contains(&0xff)),
        "none was in base64"
    );
    for text in found {
        assert!(!tells(&text), "{}", String::from_utf8_lossy(&text));
    }
}

#[test]
fn the_command_has_it_and_standard_output_is_as_the_command_wrote_it() {
    let done = test(JOB)
        .args(["run", "job.toml", "--only", "show", "--output", "ordered"])
        .run()
        .code(1);
    assert_eq!(
        done.stdout, b"s3cr3t/Wort s3cr3t/Wort\ns3cr3t/Wort \xff s3cr3t/Wort \xff\ns3cr3t/Wort plain\n",
        "{done}"
    );
}

#[test]
fn events_and_what_pexec_says_hold_no_secret_in_any_form() {
    let done = test(JOB)
        .args(["run", "job.toml", "--events", "events", "--output", "none"])
        .run()
        .code(1)
        .stdout("")
        .says([
            "***",
            "command not found: /nowhere/***",
            "show plain",
            "blocked by show",
        ]);
    assert!(!tells(done.stderr.as_bytes()), "{done}");
    assert_events_tell_nothing(&done, "events");
    let events = done.read("events");
    assert!(
        events.contains("job of ***") && events.contains("after ***"),
        "{events}"
    );
}

#[test]
fn a_prefix_of_a_line_is_told_without_it() {
    let done = test(JOB)
        .args(["run", "job.toml", "--only", "show", "--output", "line"])
        .run()
        .code(1);
    let lines = done.sorted_lines();
    assert!(lines.iter().any(|line| line.starts_with("show ***")), "{done}");
}

#[test]
fn a_secret_from_the_environment_is_hidden_too_and_one_that_is_missing_is_told_by_name() {
    let job = JOB.replace(
        "{ value = '{pw}', secret = true }",
        "{ from_env = 'KEY', secret = true }",
    );
    let done = test(&job)
        .env("KEY", SECRET)
        .args(["run", "job.toml", "--events", "events", "--output", "none"])
        .run()
        .code(1);
    assert!(!tells(done.stderr.as_bytes()), "{done}");
    assert_events_tell_nothing(&done, "events");
    test(&job)
        .args(["run", "job.toml"])
        .run()
        .code(2)
        .says(["`KEY` is not set"]);
}

/// Every file below a directory.
fn files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files(&path, out),
            false => out.push(path),
        }
    }
}

#[test]
fn no_file_of_a_record_holds_a_secret_and_the_rest_is_whole() {
    let done = test(JOB)
        .args(["run", "job.toml", "--output", "none", "--set", "pw=s3cr3t/Wort"])
        .run()
        .code(1);
    let mut found = Vec::new();
    files(&done.path(".pexec"), &mut found);
    for path in &found {
        let content = std::fs::read(path).expect("ours");
        assert!(
            !tells(&content),
            "{}: {}",
            path.display(),
            String::from_utf8_lossy(&content)
        );
    }
    let of = |name: &str| {
        let path = found.iter().find(|path| path.ends_with(name)).expect("recorded");
        std::fs::read(path).expect("ours")
    };
    let run = found
        .iter()
        .find(|path| path.ends_with("events.ndjson"))
        .expect("recorded");
    let relative = run
        .strip_prefix(done.path(""))
        .expect("in it")
        .to_str()
        .expect("text")
        .to_owned();
    assert_events_tell_nothing(&done, &relative);
    // The job file is one still.
    let job = String::from_utf8(of("job.toml")).expect("text");
    assert!(
        job.contains("pw = \"***\"") && job.starts_with("# ***, do not tell"),
        "{job}"
    );
    // What was kept is told as it is kept: each attempt's output begins where the one before ends.
    let output = of("output");
    let mut pieces = Vec::new();
    for line in done.read(&relative).lines() {
        let event: Value = serde_json::from_str(line).expect("json");
        if let Some(at) = event["output_at"].as_u64() {
            let len = |name: &str| event[name].as_u64().expect("told");
            pieces.push((at, len("stdout"), len("stderr"), event["task"].clone()));
        }
    }
    pieces.sort_by_key(|piece| piece.0);
    let mut end = 0;
    for (at, stdout, stderr, _) in &pieces {
        assert_eq!(*at, end);
        end = at + stdout + stderr;
    }
    assert_eq!(end, output.len() as u64);
    let kept = |task: &str| {
        let (at, stdout, stderr, _) = pieces.iter().find(|piece| piece.3 == task).expect("kept");
        let (at, stdout, stderr) = (*at as usize, *stdout as usize, *stderr as usize);
        (
            &output[at..at + stdout],
            &output[at + stdout..at + stdout + stderr],
        )
    };
    assert_eq!(kept("split").0, b"***\n");
    let (long, errors) = kept("long");
    assert_eq!(long, "0123456789 ***\n".repeat(20_000).as_bytes());
    assert!(errors.ends_with(b"\n1000\n***\n"));
}

#[test]
fn no_verb_and_no_report_tells_a_secret() {
    let done = test(JOB)
        .shell(
            "set +e; pexec -vv run job.toml --output none --report r.html --junit r.xml --trace r.json --joblog r.log 2>said; \
             pexec run job.toml --resume --output none 2>>said; pexec check job.toml 2>>said; \
             pexec runs >>said 2>&1; pexec runs --format json >>said 2>&1; pexec show >>said 2>&1; \
             for task in show split long tail missing after; do pexec show last $task >>said 2>&1; done; \
             for n in 0 1 2; do pexec show last show/$n >>said 2>&1; done; \
             pexec show last split --output >>said 2>&1; pexec show --format json >>said 2>&1; \
             pexec show last split --format json >>said 2>&1; pexec report --joblog - --junit - >>said 2>&1; \
             pexec report --joblog - >>said 2>&1; \
             pexec report -o again.html >>said 2>&1; test -e r.html -a -e r.xml -a -e r.json -a -e r.log -a -e again.html",
        )
        .code(0);
    for file in ["said", "r.html", "r.xml", "r.json", "r.log", "again.html"] {
        let text = std::fs::read(done.path(file)).expect("written");
        assert!(text.len() > 100, "{file}");
        assert!(!tells(&text), "{file}: {}", String::from_utf8_lossy(&text));
        let encoded = base64::engine::general_purpose::STANDARD.encode(SECRET);
        assert!(!String::from_utf8_lossy(&text).contains(&encoded[..12]), "{file}");
    }
    let said = done.read("said");
    assert!(
        said.contains("env       TOKEN='***'") && said.contains("/nowhere/***"),
        "{said}"
    );
}

#[test]
fn a_listing_of_the_plan_tells_no_secret() {
    let job = JOB.replace(
        "[tasks.split]\n",
        "[tasks.split]\ninputs = ['in-{pw}']\noutputs = ['out-{pw}']\n",
    );
    for format in ["text", "json", "dot", "mermaid"] {
        let done = test(&job).args(["plan", "job.toml", "--format", format]).run();
        assert!(!tells(&done.stdout) && !tells(done.stderr.as_bytes()), "{done}");
    }
}

/// A run whose worker is looked at and then killed as a crash would; the same of the run itself. `as_user`: how to be
/// somebody else.
fn looked_at(as_user: &str) -> Done {
    let job = "[tasks.t]\nenv = { TOKEN = { value = 's3cr3t/Wort', secret = true } }\n\
        shell = 'echo $PPID > worker.new; mv worker.new worker; until [ -e go ]; do sleep 0.02; done'\n";
    let script = format!(
        "set +e; ulimit -c unlimited || exit 77; chmod -R a+rwX . tmp; umask 0; \
         begin() {{ rm -f worker; {as_user} pexec run job.toml --no-record > out 2> said & pexec=$!; \
           until [ -s worker ]; do sleep 0.01; done; worker=$(cat worker); }}; \
         look() {{ {as_user} cat /proc/$1/environ /proc/$1/cmdline; }}; \
         begin; look $pexec > seen 2> unseen; look $worker >> seen 2>> unseen; \
         kill -ABRT $worker; wait $pexec; echo ended $?; ls core* 2>/dev/null; \
         begin; kill -ABRT $pexec; wait $pexec; echo aborted $?; ls core* 2>/dev/null; \
         until ! [ -e /proc/$worker ]; do sleep 0.01; done; rm -rf tmp/*; \
         echo control; {as_user} sh -c 'kill -ABRT $$'; ls core* 2>/dev/null"
    );
    Test::new().file("job.toml", job).shell(&script)
}

#[test]
fn the_processes_of_a_run_show_no_secret_and_leave_no_core_file() {
    let done = looked_at("");
    if done.status.code() == Some(77) {
        println!("skipped: core files cannot be asked for here");
        return;
    }
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    let (before, control) = told.split_once("control\n").expect("a control");
    assert_eq!(before, "ended 1\naborted 134\n", "{done}");
    if control.is_empty() {
        println!(
            "skipped: a crash leaves no core file in its directory here, so that none was left says nothing"
        );
    }
    let seen = std::fs::read(done.path("seen")).expect("written");
    assert!(
        seen.windows(9).any(|it| it == b"job.toml\0"),
        "the command line was seen"
    );
    assert!(!tells(&seen), "{}", String::from_utf8_lossy(&seen));
}

#[test]
fn a_process_of_the_same_user_cannot_look_into_a_run() {
    let away = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let able = Test::new().shell(&format!("{away} true"));
    if !able.status.success() {
        println!("skipped: nobody to be here: {}", able.stderr);
        return;
    }
    let done = looked_at(away);
    if done.status.code() == Some(77) {
        println!("skipped: core files cannot be asked for here");
        return;
    }
    assert!(
        String::from_utf8_lossy(&done.stdout).starts_with("ended 1\naborted 134\n"),
        "{done}"
    );
    let unseen = done.read("unseen");
    assert_eq!(
        unseen.matches("/environ: Permission denied").count(),
        2,
        "{unseen}"
    );
}
