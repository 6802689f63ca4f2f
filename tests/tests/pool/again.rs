//! Runs other modules of this binary once more, under another setting.

use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

/// How many modules run at a time: most of their tests wait more than they work.
const AT_ONCE: usize = 3;

/// Runs the tests of these modules, each in a process of its own, with the variable set; all pass, or this panics.
#[track_caller]
pub(crate) fn run(modules: &[&str], variable: &str, value: &str) {
    let left = Mutex::new(modules.iter());
    let next = || left.lock().expect("nobody panics with it").next();
    let done: Vec<(&str, Output)> = std::thread::scope(|scope| {
        let one_by_one = || {
            let mut done = Vec::new();
            while let Some(module) = next() {
                done.push((*module, run_one(module, variable, value)));
            }
            done
        };
        let threads: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(one_by_one)).collect();
        let done = threads
            .into_iter()
            .map(|thread| thread.join().expect("it starts"));
        done.flatten().collect()
    });
    assert_eq!(done.len(), modules.len());
    for (module, output) in done {
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{module} with {variable}={value}: {}\n{text}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(
            !text.contains(" 0 passed"),
            "the module {module} has another name: {text}"
        );
    }
}

fn run_one(module: &str, variable: &str, value: &str) -> Output {
    Command::new(std::env::current_exe().expect("a path"))
        .args([module, "--skip", "what_holds_", "--test-threads=1"])
        .env(variable, value)
        .stdin(Stdio::null())
        .output()
        .expect("this very binary starts")
}
