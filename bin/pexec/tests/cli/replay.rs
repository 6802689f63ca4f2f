//! `replay`: one instance of a past run again, as it was.

use crate::support::{Done, Test};

/// This after a run of the job.
fn after(job: &str, script: &str) -> Done {
    Test::new()
        .file("job.toml", job)
        .file("list", "x\ny z\n")
        .shell(&format!(
            "pexec run job.toml --output none --set who=you <list 2>run-said; {script}"
        ))
}

const JOB: &str = "[vars]\nwho = 'me'\n[tasks.a]\nforeach = { lines = '-' }\nmatrix = { n = [1, 2] }\n\
    env = { WHO = '{who}' }\nstdin = { text = 'input {item}' }\nok_exit = [0, 4]\n\
    shell = 'cat; echo \"\" {item} {n} {index} $WHO $(pwd); echo err >&2; printf end; test -z \"$STATUS\" || exit $STATUS'\n";

#[test]
fn an_instance_runs_again_with_its_input_environment_directory_and_place() {
    // Neither its source, which was standard input, nor the job file are needed any more.
    let done = after(
        JOB,
        "rm job.toml list; mkdir sub; cd sub; pexec replay --run-dir ../.pexec/runs last 'a(y z,n=2)' 2>said; \
         code=$?; cat said >&2; exit $code",
    )
    .code(0);
    let here = done.path("").canonicalize().expect("there");
    let expected = format!("input y z y z 2 3 you {}\nend", here.display());
    assert_eq!(String::from_utf8_lossy(&done.stdout), expected, "{done}");
    done.says(["err\n", "a(y z,n=2): success: exit 0, after "]);
}

#[test]
fn its_end_is_told_and_is_the_exit_code() {
    after(JOB, "STATUS=3 pexec replay last 'a(x,n=1)' >/dev/null")
        .code(1)
        .says(["a(x,n=1): failed: exit 3"]);
    after(JOB, "STATUS=4 pexec replay last 'a(x,n=1)' >/dev/null")
        .code(0)
        .says(["a(x,n=1): success: exit 4"]);
    after(
        "[vars]\nwho = ''\n[tasks.t]\ntimeout = '100ms'\nshell = 'echo on; exec sleep 60'",
        "pexec replay last t",
    )
    .code(1)
    .stdout("on\n")
    .says(["t: timeout: timed out after 100ms"]);
}

#[test]
fn limits_hold_again() {
    after(
        "[vars]\nwho = ''\n[tasks.t]\nopen_files = 33\nshell = 'ulimit -n'",
        "pexec replay last t",
    )
    .code(0)
    .stdout("33\n");
}

#[test]
fn a_row_that_is_no_longer_in_its_file_is_refused_by_name() {
    let job = "[vars]\nwho = ''\n[tasks.row]\nforeach = { csv = 'table.csv' }\nlabel = 'row {name}'\ncommand = ['echo', '{name}', '{size}']";
    let run = |change: &str| {
        Test::new()
            .file("job.toml", job)
            .file("table.csv", "name,size\na,1\nb,2\n")
            .shell(&format!(
                "pexec run job.toml --output none 2>/dev/null; {change}; pexec replay last 'row b'"
            ))
    };
    run("printf 'name,size\\nb,2\\n' >table.csv")
        .code(0)
        .stdout("b 2\n");
    run("printf 'name,size\\na,1\\n' >table.csv")
        .code(2)
        .stdout("")
        .says(["row b cannot be had again", "no longer in the source"]);
}

#[test]
fn more_than_one_instance_and_an_unknown_one_are_wrong_usage() {
    after(JOB, "pexec replay last a")
        .code(2)
        .stdout("")
        .says(["more than one instance", "a(x,n=1)"]);
    after(JOB, "pexec replay last b")
        .code(2)
        .says(["no instance `b`"]);
    after(JOB, "pexec replay 1 a").code(2).says(["no run `1`"]);
}

#[test]
fn no_new_record_is_made() {
    after(
        JOB,
        "pexec replay last 'a(x,n=1)' >/dev/null; ls .pexec/runs | wc -l",
    )
    .code(0)
    .stdout("1\n");
}

const SECRET: &str = "[vars]\nwho = 'me'\npw = 'hush-hush'\n[tasks.t]\nenv = { TOKEN = { value = '{pw}', secret = true } }\n\
    command = ['sh', '-c', 'echo $TOKEN {who}']\n[tasks.arg]\nneeds = ['t']\ncommand = ['echo', '{pw}']\n\
    env = { TOKEN = { value = '{pw}', secret = true } }";

#[test]
fn a_secret_comes_from_the_job_file_or_the_environment_and_is_named_if_neither_has_it() {
    after(SECRET, "pexec replay last t")
        .code(0)
        .stdout("hush-hush you\n");
    after(
        SECRET,
        "mv job.toml renamed.toml; echo 'name = \"x\"' >other.toml; pexec replay last t --job renamed.toml",
    )
    .code(0)
    .stdout("hush-hush you\n");
    after(SECRET, "rm job.toml; TOKEN=given pexec replay last t")
        .code(0)
        .stdout("given you\n");
    after(SECRET, "rm job.toml; pexec replay last t")
        .code(2)
        .stdout("")
        .says(["the secret `TOKEN` is not in the environment", "set TOKEN"])
        .does_not_say(["hush"]);
    after(SECRET, "pexec replay last arg")
        .code(0)
        .stdout("hush-hush\n");
    after(SECRET, "rm job.toml; TOKEN=given pexec replay last arg")
        .code(2)
        .stdout("")
        .says(["holds a secret beside its environment"]);
}
