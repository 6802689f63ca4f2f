//! `--joblog`: GNU parallel's columns, whose last one is the command that ran.

use crate::support::{Done, Test};

/// The commands of a log, in the order of `Seq`.
#[track_caller]
fn commands(log: &str) -> Vec<String> {
    let mut lines: Vec<(u64, String)> = log
        .lines()
        .skip(1)
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            assert_eq!(columns.len(), 9, "{line:?}");
            (columns[0].parse().expect("a number"), columns[8].to_owned())
        })
        .collect();
    lines.sort();
    lines.into_iter().map(|(_, command)| command).collect()
}

/// The log that the run has written, which is the one that its record gives.
#[track_caller]
fn told(done: &Done) -> Vec<String> {
    let live = done.read("log");
    done.again("report --joblog -").code(0).stdout(&live);
    commands(&live)
}

#[test]
fn the_command_that_ran_stands_in_the_log_during_a_run_and_from_its_record() {
    let job = "[tasks.a]\nforeach = { lines = 'items' }\ncommand = ['echo', '-n', '{item}', '{index}']\n\
        [tasks.b]\nmatrix = { n = [1, 2], m = ['p', 'q'] }\nshell = 'echo {n} {m} > /dev/null'\nneeds = ['a']\n";
    let done = Test::job(job)
        .file("items", "one\ntwo words\ntab\there\n\u{1b}[1m\n")
        .args(["-j1", "--joblog", "log"])
        .run()
        .code(0);
    let all = told(&done);
    assert_eq!(
        all[..4],
        [
            "echo -n one 0",
            "echo -n 'two words' 1",
            "echo -n $'tab\\there' 2",
            "echo -n $'\\033[1m' 3"
        ]
    );
    assert_eq!(all.len(), 8);
    for (command, expected) in all[4..].iter().zip(["1 p", "1 q", "2 p", "2 q"]) {
        assert!(
            command.starts_with("sh -c ") && command.contains(expected),
            "{command}"
        );
    }
    // What is in the log does what was done, and needs neither the items nor the job file.
    std::fs::remove_file(done.path("items")).expect("ours");
    std::fs::remove_file(done.path("job.toml")).expect("ours");
    assert_eq!(told(&done), all);
    done.shell("tail -n +2 log | sort -n | cut -f 9 | head -n 2 | bash")
        .code(0)
        .stdout("one 0two words 1");
}

#[test]
fn rows_of_a_table_are_told_while_their_file_is_there_and_by_their_label_then() {
    let job = "[tasks.a]\nforeach = { csv = 'rows.csv' }\ncommand = ['echo', '{x}', '{y}']\nlabel = 'row {index}'\n";
    let done = Test::job(job)
        .file("rows.csv", "x,y\n1,2\n3,4\n")
        .args(["-j1", "--joblog", "log"])
        .run()
        .code(0);
    assert_eq!(told(&done), ["echo 1 2", "echo 3 4"]);
    // A row that is another one by now is not told in the place of the one that ran.
    std::fs::write(done.path("rows.csv"), "x,y\n1,2\n3,5\n").expect("written");
    let log = String::from_utf8(done.again("report --joblog -").code(0).stdout).expect("text");
    assert_eq!(commands(&log), ["echo 1 2", "row 1"]);
    std::fs::remove_file(done.path("rows.csv")).expect("ours");
    let log = String::from_utf8(done.again("report --joblog -").code(0).stdout).expect("text");
    assert_eq!(commands(&log), ["row 0", "row 1"]);
}

#[test]
fn secrets_are_hidden_in_the_log_and_each_has_its_command_without_a_job_file() {
    let job = "[tasks.a]\nforeach = { values = ['x', 'say hunter2'] }\nenv = { T = { value = 'hunter2', secret = true } }\n\
        command = ['echo', 'hunter2', '{item}']\n";
    let done = Test::job(job).args(["-j1", "--joblog", "log"]).run().code(0);
    assert_eq!(told(&done), ["echo '***' x", "echo '***' 'say ***'"]);

    let done = Test::new()
        .args([
            "each", "-j1", "--joblog", "log", "--", "echo", "{}{}", "{x}", ":::", "a b", "c",
        ])
        .run()
        .code(0);
    assert_eq!(
        commands(&done.read("log")),
        ["echo 'a ba b' '{x}'", "echo cc '{x}'"]
    );
    let done = Test::new()
        .args([
            "each",
            "--run-dir",
            "kept",
            "--joblog",
            "log",
            "--",
            "./no such.sh",
        ])
        .stdin("a\n")
        .run()
        .code(1);
    assert_eq!(commands(&done.read("log")), ["'./no such.sh' a"]);
    let shown = done.again("show --run-dir kept last each(a)");
    assert!(
        String::from_utf8_lossy(&shown.stdout).contains("'./no such.sh' a"),
        "{shown}"
    );
}

#[test]
fn each_instance_has_the_command_of_the_job_file_that_it_ran_by() {
    let job = |word: &str| {
        format!("[tasks.a]\nforeach = {{ values = ['x', 'y'] }}\ncommand = ['{word}', '{{item}}']\n")
    };
    let done = Test::job(&job("echo")).args(["-j1"]).run().code(0);
    std::fs::write(done.path("job.toml"), job("basename")).expect("written");
    let done = done.again("run job.toml -j1 --resume --joblog log").code(0);
    assert_eq!(told(&done), ["echo x", "echo y", "basename x", "basename y"]);
}
