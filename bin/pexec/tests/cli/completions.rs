//! `pexec completions`: the scripts in the shells that they are for. Where root may install Debian's packages, shells that
//! are missing are installed; otherwise the test says what it skips.

use std::process::{Command, Stdio};

use crate::support::Test;
use crate::terminal::{Terminal, shell_on};

/// The shell is there by now; otherwise why not.
fn have(shell: &str) -> Result<(), String> {
    let quiet = |program: &str, args: &[&str]| {
        let mut command = Command::new(program);
        command.args(args).env("DEBIAN_FRONTEND", "noninteractive");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let there = || quiet("sh", &["-c", &format!("command -v {shell}")]);
    if there() {
        return Ok(());
    }
    if !quiet("sh", &["-c", "test $(id -u) = 0"]) {
        return Err(format!("there is no {shell}, and only root can install it"));
    }
    let install = [
        "300",
        "apt-get",
        "install",
        "-y",
        "-q",
        "--no-install-recommends",
        "-o",
        "DPkg::Lock::Timeout=120",
        shell,
    ];
    quiet("timeout", &install);
    match there() {
        true => Ok(()),
        false => Err(format!("there is no {shell}, and apt-get could not install it")),
    }
}

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
        ("elvish", &[]),
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
        if let Err(why) = have(program) {
            println!("skipped: {why}");
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

#[test]
fn fish_completes_verbs_flags_and_values() {
    if let Err(why) = have("fish") {
        println!("skipped: {why}");
        return;
    }
    let offered = |line: &str| {
        let script = "pexec completions fish > $HOME/pexec.fish; exec fish --no-config -c \
            'source $HOME/pexec.fish; complete -C \"$LINE\"'";
        let test = Test::new();
        let home = test.path().to_str().expect("text").to_owned();
        let done = test.env("HOME", &home).env("LINE", line).shell(script).code(0);
        let words = String::from_utf8_lossy(&done.stdout).into_owned();
        let words = words.lines().filter_map(|line| line.split('\t').next());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let verbs = offered("pexec r");
    for verb in ["run", "runs", "report", "replay"] {
        assert!(verbs.iter().any(|offer| offer == verb), "{verb}: {verbs:?}");
    }
    assert!(!verbs.iter().any(|offer| offer == "check"), "{verbs:?}");
    let flags = offered("pexec run --res");
    assert_eq!(
        flags
            .iter()
            .filter(|flag| *flag == "--resume" || *flag == "--resume=")
            .count(),
        1,
        "{flags:?}"
    );
    let mut modes = offered("pexec run job.toml --output ");
    modes.sort();
    for mode in ["grouped", "line", "none", "ordered"] {
        assert!(modes.iter().any(|offer| offer == mode), "{mode}: {modes:?}");
    }
}

/// A line in zsh's editor with what Tab has made of it.
fn tabbed(zsh: &mut Terminal, typed: &str, expected: &str) {
    zsh.types(&format!("{typed}\t"));
    zsh.wait(expected, |screen| screen.contains(expected));
    // The line is given up; a Ctrl-C would take what is typed after it along.
    zsh.types("\x15\x0c");
}

#[test]
fn zsh_completes_verbs_flags_and_values() {
    if let Err(why) = have("zsh") {
        println!("skipped: {why}");
        return;
    }
    let script = "mkdir fns; pexec completions zsh > fns/_pexec; \
        export HOME=$PWD PROMPT='zsh> '; exec zsh -f -i";
    let mut zsh = shell_on(Test::new(), script, 30, 100);
    zsh.wait("a prompt", |screen| screen.contains("zsh> "));
    zsh.types("fpath=($PWD/fns $fpath); autoload -Uz compinit; compinit -u -D && echo loa''ded\n");
    zsh.wait("compinit", |screen| screen.contains("loaded"));
    tabbed(&mut zsh, "pexec comp", "zsh> pexec completions ");
    tabbed(&mut zsh, "pexec run --rerun", "zsh> pexec run --rerun-failed ");
    tabbed(&mut zsh, "pexec run job.toml --output gr", "--output grouped ");
    tabbed(&mut zsh, "pexec replay --job", "zsh> pexec replay --job");
    zsh.types("exit\n");
    let shown = zsh.done();
    assert!(
        !shown.raw.contains("_arguments:") && !shown.raw.contains("command not found"),
        "{}",
        shown.raw
    );
}

#[test]
fn elvish_completes_verbs_flags_and_values() {
    if let Err(why) = have("elvish") {
        println!("skipped: {why}");
        return;
    }
    // Its editor is there on a terminal only: what the script asks of it is put in its place.
    let editor = "var edit: = (ns [&completion:=(ns [&arg-completer=[&]]) \
        &complex-candidate~={|text &display=''| put $text}])\n";
    let offered = |words: &str| {
        let ask = format!("for it [($edit:completion:arg-completer[pexec] {words})] {{ echo $it }}");
        let script =
            "(cat editor; pexec completions elvish; echo; cat ask) > all.elv; exec elvish -norc all.elv";
        let test = Test::new().file("editor", editor).file("ask", ask);
        test.shell(script).code(0).sorted_lines()
    };
    for (words, expected) in [
        ("pexec ''", "completions"),
        ("pexec run --", "--rerun-failed"),
        ("pexec completions ''", "--help"),
    ] {
        let offers = offered(words);
        assert!(
            offers.iter().any(|offer| offer == expected),
            "{words}: {offers:?}"
        );
    }
}
