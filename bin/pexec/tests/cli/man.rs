//! `pexec man`: pages that a formatter has no complaint about, and that say what the help says.

use std::process::{Command, Stdio};

use crate::support::Test;

fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let there = command.status().is_ok_and(|status| status.success());
    if !there {
        println!("skipped: no {program} to format manual pages with");
    }
    there
}

#[test]
fn there_is_a_page_for_the_command_and_for_each_verb() {
    let done = Test::new()
        .args(["man", "--dir", "share/man1"])
        .run()
        .code(0)
        .stdout("");
    let help = Test::new().run();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let verbs = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty());
    let verbs: Vec<&str> = verbs.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(verbs.len() >= 6, "{help}");
    for verb in &verbs {
        let page = done.read(&format!("share/man1/pexec-{verb}.1"));
        assert!(
            page.contains(".SH NAME") && page.contains(".SH OPTIONS"),
            "{page}"
        );
    }
    let pages = done.path("share/man1").read_dir().expect("written").count();
    assert_eq!(pages, verbs.len() + 1);
    assert!(done.read("share/man1/pexec.1").contains(".SH EXAMPLES"));
}

#[test]
fn a_formatter_has_nothing_to_complain_about() {
    if !is_there("groff") {
        return;
    }
    let done = Test::new()
        .shell(
            "pexec man --dir . 2>/dev/null && for page in *.1; do groff -man -Tutf8 -ww -z \"$page\" || exit; done; \
             ls | grep -c '[.]1$'",
        )
        .code(0);
    assert_eq!(done.stderr, "", "{done}");
}

#[test]
fn a_page_shows_the_examples_as_they_are_typed() {
    if !is_there("groff") {
        return;
    }
    let done = Test::new()
        .shell("pexec man each | groff -man -Tascii -P-c -rLL=400n")
        .code(0);
    let mut plain = String::new();
    for c in String::from_utf8_lossy(&done.stdout).chars() {
        // Bold is a letter, a step back, and the letter again.
        if c == '\u{8}' {
            plain.pop();
        } else {
            plain.push(c);
        }
    }
    for part in [
        "find . -name '*.rs' -print0 | pexec each -0 -- wc -l {}",
        "sh -c 'sleep \"$1\"; echo \"$1\"' sh {} ::: 0.2 0.1 0",
        "--retries",
        "--verbose",
    ] {
        assert!(plain.contains(part), "{part}\n{plain}");
    }
}

#[test]
fn a_verb_that_is_not_there_is_wrong_usage() {
    Test::new()
        .args(["man", "rnu"])
        .run()
        .code(2)
        .says(["`rnu`", "run"])
        .stdout("");
    Test::new()
        .args(["man", "--dir", "/dev/null/x"])
        .run()
        .code(2)
        .says(["/dev/null/x"]);
}
