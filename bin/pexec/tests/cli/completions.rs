//! `pexec completions`: the bash script in a real bash; the others where their shell is there to read them.

use std::process::{Command, Stdio};

use crate::support::Test;

/// What bash offers for this line, asked as bash asks: the words, and the cursor behind the last.
fn offered(words: &[&str]) -> Vec<String> {
    let list: String = words.iter().map(|word| format!(" '{word}'")).collect();
    let script = format!(
        "set -eu\npexec completions bash > done.bash\nsource ./done.bash\ncomplete -p pexec >/dev/null\n\
         COMP_WORDS=({list})\nCOMP_CWORD={last}\nCOMPREPLY=()\n\
         _pexec pexec \"${{COMP_WORDS[$COMP_CWORD]}}\" \"${{COMP_WORDS[$COMP_CWORD-1]}}\" || true\n\
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        last = words.len() - 1
    );
    let done = Test::new()
        .file("ask.bash", script)
        .shell("bash --noprofile --norc ask.bash")
        .code(0)
        .does_not_say(["error", "not found"]);
    done.sorted_lines()
}

#[test]
fn bash_completes_verbs_flags_and_values() {
    let verbs = offered(&["pexec", ""]);
    for verb in ["run", "each", "check", "init", "completions", "man"] {
        assert!(verbs.iter().any(|offer| offer == verb), "{verb}: {verbs:?}");
    }
    assert_eq!(offered(&["pexec", "comp"]), ["completions"]);
    let flags = offered(&["pexec", "run", "--"]);
    for flag in ["--only", "--set", "--jobs", "--output"] {
        assert!(flags.iter().any(|offer| offer == flag), "{flag}: {flags:?}");
    }
    assert_eq!(
        offered(&["pexec", "run", "job.toml", "--output", ""]),
        ["grouped", "line", "none", "ordered"]
    );
}

#[test]
fn every_shell_has_a_script_that_it_can_read() {
    for (shell, check) in [
        ("bash", &["bash", "-n"][..]),
        ("zsh", &["zsh", "-n"]),
        ("fish", &["fish", "--no-execute"]),
        ("elvish", &["elvish", "-compileonly"]),
        ("powershell", &[]),
    ] {
        let done = Test::new().args(["completions", shell]).run().code(0);
        let script = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(
            script.contains("pexec") && script.contains("completions"),
            "{shell}"
        );
        let Some((program, args)) = check.split_first() else {
            continue;
        };
        let there = Command::new(program)
            .args(["-c", "exit 0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        if there.is_err() {
            println!("skipped: no {program} to read the script for it");
            continue;
        }
        let done = Test::new()
            .file("script", script)
            .shell(&format!("{program} {} script", args.join(" ")))
            .code(0);
        assert_eq!(done.stderr, "", "{shell}");
    }
    Test::new()
        .args(["completions", "tcsh"])
        .run()
        .code(2)
        .says(["tcsh", "bash", "fish"]);
}
