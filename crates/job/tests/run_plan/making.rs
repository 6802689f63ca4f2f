//! Tasks with `inputs` and `outputs`: what is there already is not made again, and nothing half made stays.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pexec::{Executor, ProcessPool, ThreadPool};
use pexec_job::event::{Kind, Outcome};
use pexec_job::files::{Content, Successes};
use pexec_job::planner::{self, Overrides};
use tempfile::TempDir;

use super::{Run, six};

/// A directory with a job that is run again and again, and what its runs have made so far.
struct Job {
    dir: TempDir,
    known: Successes,
}

/// Copies each of two files, and puts down that it has.
const COPIES: &str = "[tasks.copy]\nforeach = { values = ['a', 'b'] }\ninputs = ['{item}', 'common/*.h']\n\
    outputs = ['out/{item}']\nshell = 'echo {item} >> log; cat {item} common/*.h > out/{item} 2> /dev/null || true'";

impl Job {
    fn new(toml: &str) -> Job {
        let job = Job {
            dir: tempfile::tempdir().expect("a directory"),
            known: Successes::default(),
        };
        job.file("job.toml", toml);
        job
    }

    fn copies() -> Job {
        let job = Job::new(COPIES);
        job.file("a", "A");
        job.file("b", "B");
        job
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, content: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("in the directory")).expect("made");
        fs::write(path, content).expect("written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn run(&mut self) -> Run {
        let pool = ThreadPool::builder().workers(2).build().expect("threads");
        self.run_on(&pool)
    }

    fn run_on(&mut self, executor: &impl Executor) -> Run {
        let plan = planner::load(&self.path("job.toml"), &Overrides::default());
        let plan = plan.unwrap_or_else(|problems| panic!("{}", problems.render(false)));
        let mut run = Run::new();
        run.options.successes = Arc::new(self.known.clone());
        run.go_on(executor, plan.tasks).expect("a run");
        for event in &run.record.events {
            self.known.learn(event);
        }
        run
    }

    /// Runs it; the instances that did something, by what they wrote into `log`.
    fn ran(&mut self) -> Vec<String> {
        let _ = fs::remove_file(self.path("log"));
        let run = self.run();
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let mut ran: Vec<String> = log.lines().map(str::to_owned).collect();
        ran.sort();
        let outcomes = outcomes(&run);
        assert!(
            outcomes.iter().all(|(_, outcome)| outcome.is_success()),
            "{outcomes:?}"
        );
        ran
    }
}

fn outcomes(run: &Run) -> Vec<(String, Outcome)> {
    let of = |kind: &Kind| match kind {
        Kind::Finished { who, end, .. } => Some((who.label.to_string(), end.outcome)),
        _ => None,
    };
    run.record
        .events
        .iter()
        .filter_map(|event| of(&event.kind))
        .collect()
}

fn why(run: &Run, id: &str) -> String {
    let ends = run.record.ends(id);
    let [(Outcome::Failed, Some(why))] = ends.as_slice() else {
        panic!("{ends:?}")
    };
    why.clone()
}

#[test]
fn what_is_up_to_date_is_told_and_not_started() {
    let mut job = Job::copies();
    assert_eq!(job.ran(), ["a", "b"]);
    assert_eq!(job.read("out/a"), "A", "the directory of an output is made");
    let run = job.run();
    let mut told = outcomes(&run);
    told.sort_by(|a, b| a.0.cmp(&b.0));
    let up_to_date = |label: &str| (label.to_owned(), Outcome::UpToDate);
    assert_eq!(told, [up_to_date("copy(a)"), up_to_date("copy(b)")]);
    let story = run.record.story();
    assert!(!story.iter().any(|line| line.starts_with("started")), "{story:?}");
    for event in &run.record.events {
        if let Kind::Finished { end, .. } = &event.kind {
            let content = end.content.as_deref().and_then(Content::from_hex);
            assert!(content.is_some(), "the next run knows it from this one");
            assert!(end.why.is_none() && end.wall.is_zero());
        }
    }
    assert_eq!(job.read("log").lines().count(), 2, "neither ran twice");
}

#[test]
fn what_counts_is_content_and_not_times_or_sizes() {
    let mut job = Job::copies();
    job.ran();
    let touched = fs::metadata(job.path("a"))
        .expect("there")
        .modified()
        .expect("told");
    job.file("a", "A");
    job.file("out/a", "A");
    assert!(job.ran().is_empty(), "written again with the same content");
    job.file("b", "C");
    let file = fs::File::options()
        .write(true)
        .open(job.path("b"))
        .expect("there");
    file.set_modified(touched).expect("set");
    assert_eq!(job.ran(), ["b"], "as long and as old as before");
    assert_eq!(job.read("out/b"), "C");
}

#[test]
fn an_output_that_is_gone_or_was_changed_is_made_again() {
    let mut job = Job::copies();
    job.ran();
    fs::remove_file(job.path("out/a")).expect("there");
    assert_eq!(job.ran(), ["a"]);
    // What a supervisor that was killed in the middle of it leaves.
    job.file("out/b", "");
    assert_eq!(job.ran(), ["b"]);
    assert!(job.ran().is_empty());
}

#[test]
fn a_file_that_comes_to_match_a_pattern_is_a_change_for_all_that_read_it() {
    let mut job = Job::copies();
    job.ran();
    job.file("common/x.h", "X");
    assert_eq!(job.ran(), ["a", "b"]);
    assert_eq!(job.read("out/a"), "AX");
    job.file("common/x.c", "no match");
    assert!(job.ran().is_empty());
    fs::rename(job.path("common/x.h"), job.path("common/y.h")).expect("renamed");
    assert_eq!(job.ran(), ["a", "b"], "names count, too");
}

#[test]
fn another_command_is_another_instance() {
    let mut job = Job::copies();
    job.ran();
    job.file("job.toml", &COPIES.replace("|| true", "|| :"));
    assert_eq!(job.ran(), ["a", "b"]);
    job.file("job.toml", COPIES);
    assert!(job.ran().is_empty(), "both are known by now, and left the same");
}

#[test]
fn what_needs_something_up_to_date_runs() {
    let mut job = Job::copies();
    job.ran();
    job.file(
        "job.toml",
        &format!("{COPIES}\n[tasks.after]\nneeds = ['copy']\nshell = 'echo after >> log'"),
    );
    assert_eq!(job.ran(), ["after"]);
}

#[test]
fn an_item_is_itself_in_a_pattern() {
    let toml = r"[tasks.a]
foreach = { values = ['[x]', '*', 'b\c'] }
inputs = '{item}/*'
outputs = 'out/{index}'
shell = 'printf %s\\n {item} >> log; echo > out/{index}'";
    let mut job = Job::new(toml);
    job.file("[x]/1", "");
    job.file("x/1", "");
    job.ran();
    job.file("x/2", "not its own");
    job.file("b\\c/1", "");
    assert_eq!(job.ran(), ["b\\c"]);
}

#[test]
fn a_failed_attempt_leaves_no_output_that_it_has_touched() {
    let mut job = Job::new(
        "[tasks.a]\nretries = 1\noutputs = ['new', 'old', 'kept']\nshell = 'echo half > new; echo half > old; exit {attempt}'",
    );
    job.file("old", "good");
    job.file("kept", "good");
    let run = job.run();
    assert_eq!(run.record.ends("a/0").len(), 2);
    assert!(!job.path("new").exists() && !job.path("old").exists());
    assert_eq!(job.read("kept"), "good", "it was never touched");
    job.file(
        "job.toml",
        "[tasks.a]\ntimeout = '300ms'\noutputs = ['new']\nshell = 'echo half > new; sleep 1000'",
    );
    let run = job.run();
    assert_eq!(outcomes(&run)[0].1, Outcome::Timeout);
    assert!(!job.path("new").exists());
}

#[test]
fn what_a_killed_attempt_has_begun_is_removed() {
    let mut job = Job::new("[tasks.a]\noutputs = 'new'\nshell = 'echo half > new; touch began; sleep 1000'");
    let plan = planner::load(&job.path("job.toml"), &Overrides::default()).expect("right");
    let mut run = Run::new();
    let (stop, began) = (run.options.stop.clone(), job.path("began"));
    std::thread::spawn(move || {
        while !began.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        stop.ask(15);
    });
    let pool = ThreadPool::builder().workers(1).build().expect("threads");
    let finished = run.go_on(&pool, plan.tasks).expect("a run");
    assert_eq!(six(finished.state.counts()), [1, 0, 0, 1, 0, 0]);
    assert!(!job.path("new").exists());
    job.file(
        "job.toml",
        "[tasks.a]\noutputs = 'new'\nshell = 'echo half > new; kill -9 $PPID; sleep 1000'",
    );
    let pool = ProcessPool::builder().workers(1).build().expect("a pool");
    let run = job.run_on(&pool);
    assert!(why(&run, "a/0").starts_with("its worker crashed: "));
    assert!(
        !job.path("new").exists(),
        "whoever should have removed it was killed"
    );
}

#[test]
fn a_success_that_made_nothing_is_a_failure_that_names_it() {
    let mut job = Job::new("[tasks.a]\noutputs = ['made', 'out/not made']\nshell = 'echo > made'");
    let run = job.run();
    assert_eq!(
        why(&run, "a/0"),
        "it succeeded and did not make its output out/not made"
    );
    assert!(!job.path("made").exists(), "it belongs to what failed");
    job.file("job.toml", "[tasks.a]\noutputs = ['dir']\nshell = 'mkdir dir'");
    let said = why(&job.run(), "a/0");
    assert!(
        said.contains("its output dir cannot be read: it is a directory"),
        "{said}"
    );
}

#[test]
fn a_missing_input_is_a_failure_that_names_it_and_starts_nothing() {
    let mut job = Job::copies();
    fs::remove_file(job.path("b")).expect("there");
    let run = job.run();
    assert_eq!(why(&run, "copy/1"), "its input b is not there");
    assert_eq!(job.read("log"), "a\n");
    job.file("b", "B");
    assert_eq!(job.ran(), ["b"]);
    fs::remove_file(job.path("b")).expect("there");
    fs::create_dir(job.path("b")).expect("made");
    let said = why(&job.run(), "copy/1");
    assert!(
        said.contains("its input b cannot be read: it is a directory"),
        "{said}"
    );
}

#[test]
fn an_input_that_changes_while_it_is_read_is_a_change() {
    let mut job = Job::new(
        "[tasks.a]\ninputs = 'in'\noutputs = 'out'\nshell = 'echo a >> log; cp in out; echo more >> in'",
    );
    job.file("in", "first\n");
    assert_eq!(job.ran(), ["a"]);
    assert_eq!(job.ran(), ["a"], "it made something of what was there before");
}

#[test]
fn inputs_alone_skip_nothing() {
    let mut job = Job::new("[tasks.a]\ninputs = 'in'\nshell = 'echo a >> log'");
    job.file("in", "");
    assert_eq!(job.ran(), ["a"]);
    assert_eq!(job.ran(), ["a"]);
}

#[test]
fn an_executable_file_is_known_by_its_content_only() {
    let mut job = Job::copies();
    job.ran();
    let mut mode = fs::metadata(job.path("a")).expect("there").permissions();
    mode.set_mode(0o755);
    fs::set_permissions(job.path("a"), mode).expect("set");
    assert!(job.ran().is_empty());
}
