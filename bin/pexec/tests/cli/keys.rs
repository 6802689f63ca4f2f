//! Keys of a task that change what a command sees.

use crate::support::Test;

#[test]
fn variables_defaults_and_set_are_substituted() {
    Test::job("[vars]\nwho = 'nobody'\nhow = 'well'\n[tasks.a]\ncommand = ['echo', '{who} {how} {{}}']")
        .args(["--set", "who=somebody"])
        .run()
        .code(0)
        .stdout("somebody well {}\n");
}

#[test]
fn env_is_set_on_top_of_the_inherited_one() {
    Test::job("[tasks.a]\nenv = { MODE = 'fast {item}' }\nforeach = { values = ['x'] }\nshell = 'echo $MODE $OUTER'")
        .env("OUTER", "outer")
        .run()
        .code(0)
        .stdout("fast x outer\n");
    Test::job("[tasks.a]\nenv_clear = true\nenv = { MODE = 'only' }\ncommand = ['/usr/bin/env']")
        .env("OUTER", "outer")
        .run()
        .code(0)
        .stdout("MODE=only\n");
}

#[test]
fn nothing_of_pexec_shows_in_a_commands_environment() {
    let done = Test::job("[tasks.a]\ncommand = ['env']").run().code(0);
    let lines = done.sorted_lines();
    let added: Vec<_> = lines
        .iter()
        .filter(|l| l.starts_with("PEXEC_") && !l.starts_with("PEXEC_TEST_MARK="))
        .collect();
    assert!(added.is_empty(), "{added:?}");
}

#[test]
fn the_working_directory_is_the_job_files_or_the_given_one() {
    let test = Test::new()
        .file(
            "sub/job.toml",
            "[tasks.a]\ncommand = ['cat', 'here']\n[tasks.b]\ncwd = 'deeper'\ncommand = ['cat', 'there']",
        )
        .file("sub/here", "here\n")
        .file("sub/deeper/there", "there\n");
    test.args(["run", "sub/job.toml", "--output", "ordered"])
        .run()
        .code(0)
        .stdout("here\nthere\n");
    Test::job("[tasks.a]\ncwd = 'nowhere'\ncommand = ['true']")
        .run()
        .code(1)
        .says(["nowhere"]);
}

#[test]
fn stdin_is_empty_a_file_or_a_text() {
    Test::job("[tasks.a]\ncommand = ['cat']")
        .stdin("not for the command")
        .run()
        .code(0)
        .stdout("");
    Test::job("[tasks.a]\nstdin = { file = 'in' }\ncommand = ['cat']")
        .file("in", "file")
        .run()
        .code(0)
        .stdout("file");
    Test::job("[tasks.a]\nforeach = { values = ['x'] }\nstdin = { text = 'text {item}' }\ncommand = ['cat']")
        .run()
        .code(0)
        .stdout("text x");
}

#[test]
fn output_goes_to_a_file_where_asked_for_and_only_when_it_is_whole() {
    let done = Test::job(
        "[tasks.a]\nforeach = { values = ['x', 'y'] }\nstdout = 'out/{item}/log'\n\
         shell = 'echo content {item}; echo aside >&2; test {item} = x'",
    )
    .run()
    .code(1)
    .stdout("")
    .says(["aside"]);
    assert_eq!(done.read("out/x/log"), "content x\n");
    let left: Vec<_> = std::fs::read_dir(done.path("out/y"))
        .expect("made")
        .flatten()
        .map(|e| e.path())
        .collect();
    assert!(left.is_empty(), "a failure leaves no output file: {left:?}");
}

#[test]
fn a_matrix_is_the_product_without_what_is_excluded() {
    Test::job(
        "[tasks.a]\nmatrix = { size = [1, 2], mode = ['a', 'b'], exclude = [{ size = 2, mode = 'b' }] }\n\
         command = ['echo', '{size}{mode}']",
    )
    .run()
    .code(0)
    .stdout_lines(["1a", "1b", "2a"]);
}

#[test]
fn columns_of_csv_are_placeholders() {
    Test::job("[tasks.a]\nforeach = { csv = 'rows.csv' }\ncommand = ['echo', '{name}:{size}']")
        .file("rows.csv", "name,size\n\"a, b\",1\nc,2\n")
        .run()
        .code(0)
        .stdout_lines(["a, b:1", "c:2"]);
    Test::job("[tasks.a]\nforeach = { csv = 'rows.csv' }\ncommand = ['echo', '{name}']")
        .file("rows.csv", "name,size\na,1\nb\n")
        .run()
        .code(2)
        .says(["3"]);
}

#[test]
fn lines_of_standard_input_are_a_source() {
    Test::job("[tasks.a]\nforeach = { lines = '-' }\ncommand = ['echo', '{item}{index}']")
        .stdin("x\ny\n")
        .args(["--output", "ordered"])
        .run()
        .code(0)
        .stdout("x0\ny1\n");
}

#[test]
fn paths_have_parts() {
    Test::job("[tasks.a]\nforeach = { glob = '**/*.txt' }\ncommand = ['echo', '{item} {item.stem} {item.name} {item.dir} {item.ext}']")
        .file("sub/a.b.txt", "")
        .run()
        .code(0)
        .stdout("sub/a.b.txt a.b a.b.txt sub txt\n");
}
