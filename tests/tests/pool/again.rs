//! Runs other modules of this binary once more, under another setting.

use std::process::{Command, Stdio};

/// Runs the tests of these modules in a process of their own, with the variable set; all pass, or this panics.
#[track_caller]
pub(crate) fn run(modules: &[&str], variable: &str, value: &str) {
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args(modules)
        .args(["--skip", "what_holds_", "--test-threads=1"])
        .env(variable, value)
        .stdin(Stdio::null())
        .output()
        .expect("this very binary starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "with {variable}={value}: {}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        !text.contains(" 0 passed"),
        "the modules' names have changed: {text}"
    );
}
