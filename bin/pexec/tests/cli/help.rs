//! Help: what a newcomer sees first, and that it is true.

use crate::support::Test;

/// The lines under `Examples:`.
fn examples(help: &str) -> Vec<&str> {
    let after = help.lines().skip_while(|line| *line != "Examples:").skip(1);
    after.take_while(|line| !line.is_empty()).map(str::trim).collect()
}

#[test]
fn pexec_alone_prints_help_with_three_examples_that_work_when_pasted() {
    let done = Test::new().run().code(0);
    let help = String::from_utf8(done.stdout.clone()).expect("text");
    let examples = examples(&help);
    assert_eq!(examples.len(), 3, "{done}");
    let printed: Vec<_> = examples
        .iter()
        .map(|example| Test::new().shell(example).code(0).sorted_lines())
        .collect();
    assert_eq!(printed[0], ["item 1", "item 2", "item 3", "item 4", "item 5"]);
    assert!(
        printed[1].len() == 2 && printed[1].iter().all(|line| line.contains("/etc/")),
        "{printed:?}"
    );
    assert_eq!(printed[2], ["hi 0", "hi 1", "hi 2"]);
}

#[test]
fn the_examples_of_each_work_when_pasted() {
    let done = Test::new().args(["each", "--help"]).run().code(0);
    let help = String::from_utf8(done.stdout.clone()).expect("text");
    let examples = examples(&help);
    assert_eq!(examples.len(), 2, "{done}");
    Test::new()
        .file("a.rs", "1\n2\n")
        .shell(examples[0])
        .code(0)
        .stdout("2 ./a.rs\n");
    Test::new().shell(examples[1]).code(0).stdout("0.2\n0.1\n0\n");
}

#[test]
fn the_version_is_told() {
    Test::new()
        .args(["--version"])
        .run()
        .code(0)
        .stdout(concat!("pexec ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn wrong_usage_ends_with_2_and_says_what_is_wrong() {
    Test::new()
        .args(["frobnicate"])
        .run()
        .code(2)
        .says(["frobnicate"])
        .stdout("");
    Test::new().args(["run"]).run().code(2).says(["JOB.toml"]);
    Test::new().args(["each"]).run().code(2).says(["CMD"]);
    Test::job("[tasks.a]\ncommand = ['true']")
        .args(["--jops", "2"])
        .run()
        .code(2)
        .says(["--jops", "--jobs"]);
    Test::job("[tasks.a]\ncommand = ['true']")
        .args(["--output", "gruoped"])
        .run()
        .code(2)
        .says(["grouped", "ordered"]);
    for jobs in ["0", "-1", "many", "0%", "cpus-", "1.5"] {
        Test::job("[tasks.a]\ncommand = ['touch', 'ran']")
            .args([format!("--jobs={jobs}")])
            .run()
            .code(2)
            .says([jobs]);
    }
}

#[test]
fn a_log_filter_that_cannot_be_read_is_wrong_usage() {
    Test::job("[tasks.a]\ncommand = ['true']")
        .env("PEXEC_LOG", "pexec=loud")
        .run()
        .code(2)
        .says(["PEXEC_LOG", "loud"]);
}
