//! Programs that embed the whole command, and whose job files call their own functions.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use pexec_tests::program::Ended;
use pexec_tests::{LeakSweep, Program, wait_until};
use tempfile::TempDir;

const EMBEDDER: &str = env!("CARGO_BIN_EXE_embedder");
const TWICE: &str = env!("CARGO_BIN_EXE_twice");

/// A directory with a job file.
struct Job(TempDir);

impl Job {
    fn new(toml: &str) -> Job {
        let dir = tempfile::tempdir().expect("a directory");
        fs::write(dir.path().join("job.toml"), toml).expect("written");
        Job(dir)
    }

    fn file(self, name: &str, content: &str) -> Job {
        fs::write(self.path(name), content).expect("written");
        self
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect(name)
    }

    fn start(&self, args: &[&str]) -> Program {
        let mut command = Command::new(EMBEDDER);
        // Another directory than the job's: that is what counts.
        command.current_dir("/").arg(args[0]).arg(self.path("job.toml"));
        command.args(&args[1..]);
        Program::start_command(command)
    }

    /// Runs it; nothing is left afterwards.
    #[track_caller]
    fn run(&self, args: &[&str]) -> Ended {
        let mut program = self.start(&[&["run"], args].concat());
        let ended = program.wait();
        program.assert_nothing_left();
        let left: Vec<_> = fs::read_dir(program.temporary())
            .expect("ours")
            .flatten()
            .collect();
        assert!(left.is_empty(), "{left:?}");
        ended
    }
}

#[track_caller]
fn code(ended: &Ended, code: i32) {
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
}

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

fn plain(args: &[&str]) -> Ended {
    Program::start(EMBEDDER, args, &[]).wait()
}

#[test]
fn an_embedder_has_the_whole_command_under_its_own_name() {
    let _sweep = LeakSweep::new();
    let help = plain(&["--help"]);
    code(&help, 0);
    says(
        &help.stdout,
        &["Usage: embedder", "embedder each", "embedder run", "tasks"],
    );
    says(
        &plain(&["each", "--help"]).stdout,
        &["Usage: embedder each", "embedder each -0"],
    );
    says(&plain(&["--version"]).stdout, &["embedder (pexec "]);
    let wrong = plain(&["rnu"]);
    code(&wrong, 2);
    says(&wrong.stderr, &["Usage: embedder"]);

    let each = plain(&["each", "--", "echo", "item", "{}", ":::", "a"]);
    code(&each, 0);
    assert_eq!(each.stdout, "item a\n");
    says(&each.stderr, &["embedder: 1 of 1 succeeded"]);

    let handed_on = plain(&["jobs", "rnu"]);
    code(&handed_on, 2);
    says(&handed_on.stderr, &["Usage: embedder jobs"]);
    assert_eq!(plain(&["jobs", "tasks"]).stdout, plain(&["tasks"]).stdout);

    let job = Job::new("[tasks.a]\ncall = 'nap'\nargs = [1]");
    let checked = job.start(&["check"]).wait();
    code(&checked, 0);
    says(&checked.stderr, &["embedder: ", "1 task, 1 instance"]);
}

#[test]
fn an_embedders_functions_are_listed_with_their_signatures() {
    let _sweep = LeakSweep::new();
    let listed = plain(&["tasks"]);
    code(&listed, 0);
    says(
        &listed.stdout,
        &[
            "count(path: PathBuf) -> Result<Count, Failure>\n    Counts the lines and bytes of a file.\n",
            "embedder::add(a: i64, b: Option<i64>) -> i64\n    Adds.\n",
            "crash(how: String)\n",
        ],
    );
    assert!(!listed.stdout.contains("Every line counts"), "{}", listed.stdout);
    let json = plain(&["tasks", "--format", "json"]).stdout;
    says(
        &json,
        &[
            "\"name\": \"embedder::add\"",
            "\"type\": \"Option<i64>\"",
            "\"optional\": true",
            "embedder/main.rs",
        ],
    );
}

#[test]
fn a_job_calls_functions_for_its_items_and_prints_what_they_return() {
    let _sweep = LeakSweep::new();
    let job = Job::new(
        "[run]\noutput = 'ordered'\n[tasks.count]\nforeach = { glob = '*.txt' }\ncall = 'count'\nargs = { path = '{item}' }\n\
         [tasks.add]\nneeds = ['count']\nforeach = { range = '1..=3' }\ncall = 'embedder::add'\nargs = { a = '{item}' }",
    )
    .file("a.txt", "1\n2\n")
    .file("b.txt", "ä\n");
    let ended = job.run(&[]);
    code(&ended, 0);
    assert_eq!(
        ended.stdout, "{\"lines\":2,\"bytes\":4}\n{\"lines\":1,\"bytes\":3}\n2\n3\n4\n",
        "relative paths are the job's\n{ended:?}"
    );
    says(&ended.stderr, &["5 of 5 succeeded"]);
}

#[test]
fn what_a_call_prints_is_its_output_as_if_it_were_a_command() {
    let _sweep = LeakSweep::new();
    let job = Job::new(
        "[tasks.say]\nforeach = { range = '0..20' }\ncall = 'say'\nargs = ['n{item}']\n\
         [tasks.shout]\ncommand = ['echo', 'shouted']",
    );
    let whole = |n: i32| format!("n{n} printed\na child\nn{n} returned\n");
    let ended = job.run(&["-j2", "--output", "ordered"]);
    code(&ended, 0);
    let expected: String = (0..20).map(whole).collect();
    assert_eq!(ended.stdout, expected + "shouted\n");
    assert!(
        (0..20).all(|n| ended.stderr.contains(&format!("n{n} told\n"))),
        "{ended:?}"
    );

    let lines = job.run(&["-j2", "--output", "line"]);
    code(&lines, 0);
    for n in 0..20 {
        let of = |line: &&str| line.starts_with(&format!("say({n}): "));
        let own: Vec<&str> = lines.stdout.lines().filter(of).collect();
        assert_eq!(own.len(), 3, "{}", lines.stdout);
        says(own[0], &[&format!("n{n} printed")]);
        says(own[2], &[&format!("n{n} returned")]);
    }
}

#[test]
fn lines_of_a_call_are_shown_while_it_runs() {
    let _sweep = LeakSweep::new();
    let job = Job::new("[tasks.nap]\ncall = 'nap'\nargs = [3600000]");
    let mut program = job.start(&["run", "--output", "line"]);
    assert!(program.line().ends_with("asleep"));
    program.signal(Signal::SIGTERM);
    code(&program.wait(), 143);
    program.assert_nothing_left();
}

#[test]
fn output_of_a_call_that_is_too_large_for_memory_comes_through() {
    let _sweep = LeakSweep::new();
    let job = Job::new("[tasks.flood]\ncall = 'flood'\nargs = [3000000]");
    let output = Command::new(EMBEDDER)
        .arg("run")
        .arg(job.path("job.toml"))
        .output()
        .expect("it runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 3_000_000));
}

#[test]
fn calls_leave_no_descriptor_open_in_their_worker() {
    let _sweep = LeakSweep::new();
    let job = Job::new(
        "[tasks.a]\nforeach = { range = '0..100' }\ncall = 'descriptors'\n\
         [tasks.b]\nneeds = ['a']\nforeach = { range = '0..100' }\ncall = 'descriptors'\nstderr = 'err/{index}'",
    );
    let ended = job.run(&["-j1"]);
    code(&ended, 0);
    let counts: Vec<&str> = ended.stdout.lines().collect();
    assert_eq!(counts.len(), 200);
    assert!(counts.iter().all(|count| *count == counts[0]), "{counts:?}");
}

#[test]
fn output_of_a_call_can_go_to_files_that_are_there_only_on_success() {
    let _sweep = LeakSweep::new();
    let job = Job::new(
        "[tasks.good]\ncall = 'say'\nargs = ['it']\nstdout = 'out/good'\nstderr = 'out/told'\n\
         [tasks.bad]\ncall = 'crash'\nargs = ['abort']\nstdout = 'out/bad'",
    );
    let ended = job.run(&[]);
    code(&ended, 1);
    assert_eq!(ended.stdout, "");
    assert_eq!(job.read("out/good"), "it printed\na child\nit returned\n");
    assert_eq!(job.read("out/told"), "it told\n");
    let mut names: Vec<_> = fs::read_dir(job.path("out"))
        .expect("made")
        .map(|entry| entry.expect("read").file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["good", "told"]);
}

#[test]
fn a_crash_a_panic_and_an_exit_in_a_call_each_fail_their_instance_alone_and_are_told() {
    let _sweep = LeakSweep::new();
    let job = Job::new(
        "[tasks.crash]\nforeach = { values = ['abort', 'nothing', 'panic', 'exit', 'nothing at all'] }\n\
         call = 'crash'\nargs = { how = '{item}' }",
    );
    let ended = job.run(&["-j2", "--events", job.path("events").to_str().expect("text")]);
    code(&ended, 1);
    assert_eq!(ended.stdout, "before the end\n".repeat(5), "{ended:?}");
    says(
        &ended.stderr,
        &[
            "failed crash(abort): crashed: ",
            "about to abort",
            "failed crash(panic): panicked: on purpose (at ",
            "failed crash(exit): crashed: ",
            "2 of 5 succeeded, 3 failed",
        ],
    );
    let events = job.read("events");
    let finished = |item: &str| {
        let label = format!("\"label\":\"crash({item})\"");
        events
            .lines()
            .find(|line| line.contains(&label) && line.contains("\"type\":\"finished\""))
            .unwrap_or_else(|| panic!("{item}:\n{events}"))
            .to_owned()
    };
    says(
        &finished("abort"),
        &[
            "\"outcome\":\"failed\",\"signal\":6,",
            "\"stdout\":15,\"stderr\":15,\"tail\":\"about to abort\\n\"",
        ],
    );
    says(&finished("exit"), &["\"outcome\":\"failed\",\"exit\":0,"]);
    says(
        &finished("panic"),
        &["\"outcome\":\"failed\",\"why\":\"panicked: on purpose"],
    );
    says(&finished("nothing"), &["\"outcome\":\"success\",\"wall_us\""]);
    assert_eq!(events.matches("\"type\":\"started\"").count(), 5);
    assert_eq!(events.matches(",\"pid\":").count(), 6, "a call's is its worker's");
}

#[test]
fn many_crashing_calls_do_not_break_the_run() {
    let _sweep = LeakSweep::new();
    let job = Job::new("[tasks.crash]\nforeach = { range = '0..60' }\ncall = 'crash'\nargs = ['abort']");
    let ended = job.run(&["-j4", "--output", "none"]);
    code(&ended, 1);
    says(&ended.stderr, &["0 of 60 succeeded, 60 failed"]);
}

#[test]
fn a_call_that_fails_or_crashes_is_tried_again() {
    let _sweep = LeakSweep::new();
    for how in ["error", "crash"] {
        let job = Job::new(&format!(
            "[tasks.flaky]\ncall = 'flaky'\nretries = 4\nargs = {{ log = 'log', takes = 3, how = '{how}' }}"
        ));
        let ended = job.run(&["--events", job.path("events").to_str().expect("text")]);
        code(&ended, 0);
        assert_eq!(ended.stdout, "try 1\ntry 2\ngood at 3\n");
        assert_eq!(job.read("log").lines().count(), 3);
        let events = job.read("events");
        assert_eq!(events.matches("\"retry\":true").count(), 2, "{events}");
        assert_eq!(events.matches("\"type\":\"retried\"").count(), 2, "{events}");
    }
    let job = Job::new(
        "[tasks.flaky]\ncall = 'flaky'\nretries = 1\nargs = { log = 'log', takes = 9, how = 'error' }",
    );
    let ended = job.run(&[]);
    code(&ended, 1);
    says(
        &ended.stderr,
        &["failed flaky: not yet, at 2 (after 2 attempts)\n    no luck at 2\n"],
    );
}

#[test]
fn an_item_of_the_wrong_type_fails_its_instance_and_is_not_tried_again() {
    let _sweep = LeakSweep::new();
    let job = Job::new(
        "[tasks.add]\nforeach = { values = ['1', 'one'] }\nretries = 3\ncall = 'embedder::add'\nargs = ['{item}']",
    );
    let ended = job.run(&[]);
    code(&ended, 1);
    assert_eq!(ended.stdout, "2\n");
    says(
        &ended.stderr,
        &[
            "failed add(one): wrong argument `a` for `embedder::add`, which takes `i64`: invalid type: string \"one\", expected i64\n",
        ],
    );
}

#[test]
fn an_item_that_is_not_utf_8_fails_its_instance_with_the_reason() {
    let _sweep = LeakSweep::new();
    let job = Job::new("[tasks.count]\nforeach = { glob = '*.txt' }\ncall = 'count'\nargs = ['{item}']")
        .file("a.txt", "1\n");
    let name = OsStr::from_bytes(b"\xff.txt");
    fs::write(job.0.path().join(name), "2\n").expect("written");
    let ended = job.run(&[]);
    code(&ended, 1);
    assert_eq!(ended.stdout, "{\"lines\":1,\"bytes\":2}\n");
    says(
        &ended.stderr,
        &["wrong argument `path` for `count`, which takes `PathBuf`: `\\xff.txt` is not UTF-8"],
    );
}

#[test]
fn wrong_calls_are_refused_with_their_lines_before_anything_starts() {
    let _sweep = LeakSweep::new();
    let job = Job::new(
        "[tasks.first]\ncommand = ['touch', 'started']\n[tasks.a]\ncall = 'cuont'\n[tasks.b]\ncall = 'count'\n\
         args = { paht = 'x' }\n[tasks.c]\ncall = 'nap'\nargs = { ms = 'long' }",
    );
    let ended = job.run(&[]);
    code(&ended, 2);
    says(
        &ended.stderr,
        &[
            "job.toml:4:8",
            "did you mean `count`?",
            "job.toml:7:8",
            "it has no parameter `paht`",
            "job.toml:10:15",
            "expected u64",
        ],
    );
    assert!(!job.path("started").exists());
}

#[test]
fn a_call_that_takes_too_long_is_ended() {
    let _sweep = LeakSweep::new();
    let job = Job::new("[tasks.nap]\ncall = 'nap'\nargs = [3600000]\ntimeout = '300ms'\nretries = 2");
    let ended = job.run(&["--events", job.path("events").to_str().expect("text")]);
    code(&ended, 1);
    says(&ended.stderr, &["failed nap: timed out after 300ms"]);
    assert_eq!(ended.stdout, "asleep\n");
    let events = job.read("events");
    assert_eq!(events.matches("\"outcome\":\"timeout\"").count(), 1, "{events}");
}

#[test]
fn a_signal_ends_calls_and_the_run_tells_it() {
    let _sweep = LeakSweep::new();
    let job = Job::new("[tasks.nap]\nforeach = { range = '0..8' }\ncall = 'nap'\nargs = [3600000]");
    let events = job.path("events");
    let mut program = job.start(&["run", "-j2", "--events", events.to_str().expect("text")]);
    let started = |path: &Path| {
        fs::read_to_string(path).is_ok_and(|text| text.matches("\"type\":\"started\"").count() == 2)
    };
    wait_until("two calls run", || started(&events));
    program.signal(Signal::SIGTERM);
    let ended = program.wait();
    code(&ended, 143);
    says(&ended.stderr, &["2 stopped", "6 not run"]);
    program.assert_nothing_left();
}

#[test]
fn a_function_runs_in_the_directory_of_the_job_file() {
    let _sweep = LeakSweep::new();
    let job = Job::new("[tasks.where]\ncall = 'where'");
    let ended = job.run(&[]);
    code(&ended, 0);
    let real = fs::canonicalize(job.0.path()).expect("there");
    assert_eq!(ended.stdout, format!("{}\n", real.display()));
}

#[test]
fn two_functions_of_one_name_are_refused_by_every_way_in_with_both_places() {
    let _sweep = LeakSweep::new();
    for way in ["processes", "threads", "call", "tasks"] {
        let ended = Program::start(TWICE, &[way], &[]).wait();
        code(&ended, if way == "tasks" { 2 } else { 0 });
        let text = ended.stdout + &ended.stderr;
        says(
            &text,
            &[
                "two functions are registered as `convert`, at ",
                "twice/main.rs:6",
                "twice/main.rs:13",
            ],
        );
    }
}
