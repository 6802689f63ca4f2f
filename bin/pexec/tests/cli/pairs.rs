//! `needs_each`: a pipeline per item.

use crate::support::Test;

#[test]
fn an_item_goes_through_all_steps_by_itself() {
    // The slow item ends only when the quick one is through.
    let done = Test::job(
        "[defaults]\nforeach = { values = ['slow', 'quick'] }\n\
         [tasks.fetch]\nshell = 'test {item} = quick || until test -e packed.quick; do sleep 0.01; done; touch fetched.{item}'\n\
         [tasks.parse]\nneeds_each = ['fetch']\ncommand = ['mv', 'fetched.{item}', 'parsed.{item}']\n\
         [tasks.pack]\nneeds_each = ['parse']\ncommand = ['mv', 'parsed.{item}', 'packed.{item}']",
    )
    .args(["-j2"])
    .run()
    .code(0)
    .says(["6 of 6 succeeded"]);
    assert!(done.path("packed.slow").exists() && done.path("packed.quick").exists());
}

#[test]
fn a_failure_blocks_its_own_item_only_and_is_named() {
    Test::job(
        "[defaults]\nforeach = { range = '1..=3' }\n\
         [tasks.fetch]\nshell = 'test {item} != 2'\n\
         [tasks.parse]\nneeds_each = ['fetch']\ncommand = ['echo', '{item}']",
    )
    .run()
    .code(1)
    .stdout_lines(["1", "3"])
    .says([
        "4 of 6 succeeded, 1 failed, 1 blocked",
        "1 was blocked by fetch(2)",
    ]);
}

#[test]
fn equal_keys_of_the_matrix_are_paired_too() {
    let done = Test::job(
        "[defaults]\nforeach = { values = ['x', 'y'] }\n\
         [tasks.make]\nmatrix = { size = [1, 2], kind = ['a', 'b'] }\n\
         shell = 'test {item}{size}{kind} != x2b || exit 1; touch made.{item}.{size}.{kind}'\n\
         [tasks.use]\nneeds_each = ['make']\nmatrix = { fast = ['no'], size = [1, 2] }\n\
         shell = 'test -e made.{item}.{size}.a && test -e made.{item}.{size}.b'",
    )
    .run()
    .code(1)
    .says(["10 of 12 succeeded, 1 failed, 1 blocked", "make(x,size=2,kind=b)"]);
    drop(done);
}

#[test]
fn items_without_a_partner_are_told_before_anything_starts() {
    let done = Test::job(
        "[tasks.a]\nforeach = { range = '0..3' }\ncommand = ['touch', 'ran']\n\
         [tasks.b]\nneeds_each = ['a']\nforeach = { range = '1..9' }\ncommand = ['touch', 'ran']",
    )
    .run()
    .code(2)
    .says([
        "job.toml:5:15",
        "`a` has no instance for `3`, `4`, `5` and 3 more, which `b` has",
    ]);
    assert!(!done.path("ran").exists());
    Test::job(
        "[defaults]\nforeach = { values = ['x'] }\ncommand = ['true']\n\
         [tasks.a]\nmatrix = { size = [1] }\n[tasks.b]\nneeds_each = ['a']\nmatrix = { size = [1, 2] }",
    )
    .run()
    .code(2)
    .says(["`a` has no instance for `x,size=2`"]);
}

#[test]
fn tasks_without_items_cannot_be_paired_and_circles_are_found() {
    Test::job(
        "[tasks.a]\ncommand = ['true']\n[tasks.b]\nneeds_each = ['a']\nforeach = { values = [1] }\ncommand = ['true']",
    )
    .run()
    .code(2)
    .says(["job.toml:4:15", "`a` has no `foreach`"]);
    Test::job(
        "[defaults]\nforeach = { values = [1] }\ncommand = ['true']\n[tasks.a]\nneeds = ['b']\n[tasks.b]\nneeds_each = ['a']",
    )
    .run()
    .code(2)
    .says(["a cycle: `a` needs `b` needs `a`"]);
    Test::job("[tasks.build]\ncommand = ['true']\n[tasks.b]\nneeds_each = ['biuld']\ncommand = ['true']")
        .run()
        .code(2)
        .says(["job.toml:4:15", "no task `biuld`", "`build`?"]);
}

#[test]
fn lines_that_a_command_gives_are_paired_without_running_it_twice() {
    let done = Test::job(
        "[tasks.a]\nforeach = { command = ['sh', '-c', 'echo x >> asked; seq 3'] }\ncommand = ['true']\n\
         [tasks.b]\nneeds_each = ['a']\nforeach = { values = [1, 2, 3] }\ncommand = ['echo', '{item}']",
    )
    .run()
    .code(0)
    .stdout_lines(["1", "2", "3"]);
    assert_eq!(done.read("asked"), "x\n");
}

#[test]
fn a_stream_is_paired_as_it_comes() {
    let mut started = Test::job(
        "[tasks.a]\nforeach = { lines = '-' }\ncommand = ['true']\n\
         [tasks.b]\nneeds_each = ['a']\nforeach = { values = ['1', '2'] }\nshell = 'echo {item} >> through'",
    )
    .args(["-j2"])
    .stdin_open()
    .start();
    use std::io::Write;
    let stdin = started.stdin.as_mut().expect("open");
    stdin.write_all(b"2\n").expect("read");
    started.wait_for_lines("through", 1);
    let stdin = started.stdin.as_mut().expect("open");
    stdin.write_all(b"1\n").expect("read");
    started.wait_for_lines("through", 2);
    let done = started.done().code(0);
    assert_eq!(done.read("through"), "2\n1\n");
}

#[test]
fn a_resumed_run_takes_kept_partners_as_done() {
    let job = "[defaults]\nforeach = { range = '0..3' }\n\
        [tasks.a]\nshell = 'echo {item} >> a'\n\
        [tasks.b]\nneeds_each = ['a']\nshell = 'echo {item} >> b; test -e ok'";
    let done = Test::job(job)
        .shell("pexec run job.toml; touch ok; pexec run job.toml --resume")
        .code(0)
        .says(["6 of 6 succeeded"]);
    assert_eq!(done.read("a").lines().count(), 3);
    assert_eq!(done.read("b").lines().count(), 6);
}

#[test]
fn a_plan_says_of_each_item_by_itself_whether_it_waits() {
    let job = "[defaults]\nforeach = { values = ['a', 'b', 'c'] }\n\
        [tasks.make]\ninputs = ['{item}.in']\noutputs = ['{item}.made']\nshell = 'cp {item}.in {item}.made'\n\
        [tasks.pack]\nneeds_each = ['make']\ninputs = ['{item}.made']\noutputs = ['{item}.packed']\n\
        shell = 'cp {item}.made {item}.packed'\n";
    let done = Test::job(job)
        .file("a.in", "1")
        .file("b.in", "2")
        .file("c.in", "3")
        .run()
        .code(0);
    std::fs::write(done.path("b.in"), "changed").expect("written");
    std::fs::remove_file(done.path("c.in")).expect("ours");
    let plan = done.again("plan job.toml").code(0);
    let told = String::from_utf8_lossy(&plan.stdout).into_owned();
    let lines: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("  "))
        .map(str::trim)
        .collect();
    for (line, begin) in lines.iter().zip([
        "up to date  make(a)",
        "run         make(b): an input has changed",
        "fails       make(c)",
        "up to date  pack(a)",
        "waits       pack(b): depends on what make makes",
        "blocked     pack(c): by make(c)",
    ]) {
        assert!(line.starts_with(begin), "{line}: {begin}\n{plan}");
    }
    assert_eq!(lines.len(), 6, "{plan}");
    // A run does what was told.
    done.again("run job.toml")
        .code(1)
        .says(["4 of 6 succeeded (2 up to date), 1 failed, 1 blocked"]);
}
