//! `shell`: whatever an item holds, it is one word and never code.

use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use pexec_job::text::Text;

use crate::{Job, assert_says, command, take};

/// Items that end quoting, begin code or look like something else, in one shell or another.
const HOSTILE: [&[u8]; 22] = [
    b"'; touch ran; '",
    b"\"; touch ran; \"",
    b"$(touch ran)",
    b"`touch ran`",
    b"${x:=$(touch ran)}",
    b"a\ntouch ran\n",
    b"\\",
    b"\\'; touch ran #",
    b"'\\''; touch ran #",
    b"a b  c",
    b"",
    b"*",
    b"~",
    b"-n",
    b"$HOME",
    b"!!",
    b"#",
    b"\xff\xfe\x80",
    b"EOF\ntouch ran\nEOF",
    b"&& touch ran",
    b"x\n",
    b"a[$(touch ran)0]",
];

/// The shells of this machine that `sh` may be.
fn shells() -> Vec<&'static str> {
    let known = [
        "/bin/sh",
        "/bin/dash",
        "/bin/bash",
        "/bin/busybox",
        "/bin/ksh",
        "/bin/zsh",
    ];
    known
        .into_iter()
        .filter(|shell| std::path::Path::new(shell).exists())
        .collect()
}

/// Runs the only task's command for every hostile item, in every shell; `check` sees each item with what came of it.
fn run(script: &str, check: impl Fn(&[u8], &Output)) {
    let toml = format!("[tasks.a]\nforeach = {{ csv = 'items.csv' }}\nshell = '''{script}'''");
    let mut csv = b"word\n".to_vec();
    for item in HOSTILE {
        csv.push(b'"');
        csv.extend(item.iter().flat_map(|byte| match byte {
            b'"' => vec![b'"', b'"'],
            byte => vec![*byte],
        }));
        csv.extend_from_slice(b"\"\n");
    }
    let job = Job::new(toml).file("items.csv", csv);
    let instances = take(&mut job.plan(), 0);
    assert_eq!(instances.len(), HOSTILE.len());
    for shell in shells() {
        for (instance, item) in instances.iter().zip(HOSTILE) {
            let command = command(instance, 1);
            assert_eq!(command.argv[0], Text::from("sh"));
            let mut started = Command::new(shell);
            // As `sh` each of them quotes as POSIX has it.
            started
                .arg0("sh")
                .args(command.argv[1..].iter().map(Text::as_os_str));
            let output = started.current_dir(job.dir.path()).output().expect("a shell");
            check(item, &output);
            assert!(
                !job.path("ran").exists(),
                "{shell} ran {:?} as code: {output:?}",
                Text(item.to_vec())
            );
        }
    }
}

#[test]
fn every_item_is_one_word_as_it_is() {
    run("printf '<%s>' {word} $# \"$@\"", |item, output| {
        let expected = [b"<", item, b"><0>"].concat();
        assert_eq!(Text(output.stdout.clone()), Text(expected), "{output:?}");
    });
}

#[test]
fn an_item_is_itself_in_functions_pipes_and_loops() {
    let script = "f() {{ printf '[%s]' \"$1\" {word}; }}; set -- p q; for x in {word}; do f p | cat; done; printf %s pre{word}post";
    run(script, |item, output| {
        let expected = [b"[p][", item, b"]pre", item, b"post"].concat();
        assert_eq!(Text(output.stdout.clone()), Text(expected), "{output:?}");
    });
}

#[test]
fn an_item_in_a_comment_is_no_code_either() {
    run(
        "echo a # {word}\necho b#{word} >/dev/null # 'open {word}",
        |_, output| {
            assert_eq!(output.stdout, b"a\n");
        },
    );
}

#[test]
fn every_byte_survives() {
    let all: Vec<u8> = (1..=255).collect();
    let mut csv = b"word\n\"".to_vec();
    csv.extend(
        all.iter()
            .flat_map(|byte| if *byte == b'"' { vec![b'"'; 2] } else { vec![*byte] }),
    );
    csv.extend_from_slice(b"\"\n");
    let job = Job::new("[tasks.a]\nforeach = { csv = 'c' }\nshell = 'printf %s {word}'").file("c", csv);
    let command = job.commands().remove(0);
    for shell in shells() {
        let mut started = Command::new(shell);
        started
            .arg0("sh")
            .args(command.argv[1..].iter().map(Text::as_os_str));
        assert_eq!(started.output().expect("a shell").stdout, all, "{shell}");
    }
}

#[test]
fn a_placeholder_that_is_not_bare_is_refused_at_its_place() {
    for (script, where_) in [
        ("echo '{item}'", "inside single quotes"),
        ("echo \\\"{item}\\\"", "inside double quotes"),
        ("echo \\\"a $(x) {item}\\\"", "inside double quotes"),
        ("echo `echo {item}`", "inside backquotes"),
        ("echo $(echo {item})", "inside `$(..)`"),
        ("echo $(echo (a) {item})", "inside `$(..)`"),
        ("echo \\\"$(echo {item})\\\"", "inside `$(..)`"),
        ("echo $((1 + {item}))", "inside `$(..)`"),
        ("echo ${{x:-{item}}}", "inside `${..}`"),
        ("cat <<EOF\\n{item}\\nEOF", "inside a here-document"),
        (
            "cat <<'EOF'; cat <<-B\\nx\\nEOF\\n\\t{item}\\n\\tB",
            "inside a here-document",
        ),
        ("cat <<{item}\\nx", "as the delimiter"),
        ("echo ${item}", "directly after a `$`"),
        ("echo \\\\{item}", "directly after a backslash"),
        ("echo # it's\\n echo '{item}'", "inside single quotes"),
    ] {
        let toml = format!("[tasks.a]\nforeach = {{ values = [1] }}\nshell = \"{script}\"");
        let text = Job::new(&toml).refused();
        let column = toml.lines().nth(2).expect("three").find("{item}").expect("there") + 1;
        assert_says(&text, [where_, &format!("job.toml:3:{column}\n"), "`command`"]);
        assert_eq!(text.matches("error:").count(), 1, "{script}:\n{text}");
    }
}

#[test]
fn a_placeholder_after_what_was_closed_is_bare() {
    for script in [
        "echo 'a' \\\"b\\\" {item}",
        "x=$(date) {item}",
        "x=`date` {item}",
        "( cd x && {item} )",
        "echo ${{#x}} {item}",
        "echo $# {item}",
        "cat <<EOF\\nbody ' \\\" `\\nEOF\\necho {item}",
        "cat <<-'E'\\n\\tbody\\n\\tE\\necho {item}",
        "cat <<< {item}",
        "echo \\\\' {item}",
        "echo \\\"${{x:-'}}\\\" {item}",
        "x=a#'{{' ; echo {item}",
        "echo it\\\\'s > {item}.txt",
    ] {
        let toml = format!("[tasks.a]\nforeach = {{ values = [1] }}\nshell = \"{script}\"");
        Job::new(&toml).plan();
    }
}

#[test]
fn a_script_without_placeholders_is_left_as_it_is() {
    let job = Job::new("[tasks.a]\nshell = 'echo ${{HOME}} \"$1\"'");
    assert_eq!(job.lines(), ["sh -c echo ${HOME} \"$1\""]);
    assert_says(
        &Job::new("[tasks.a]\nshell = ' '").refused(),
        ["`shell` has no command", "job.toml:2:9"],
    );
}
