//! `pexec plan`: what a run would do, and why, without running anything.

use serde_json::Value;

use crate::support::{Done, Test};

fn plan(toml: &str) -> Test {
    Test::new().file("job.toml", toml).args(["plan", "job.toml"])
}

const BUILD: &str = "[tasks.compile]\nforeach = { values = ['a', 'b', 'c'] }\ninputs = '{item}.c'\noutputs = '{item}.o'\n\
    command = ['cp', '{item}.c', '{item}.o']\n\
    [tasks.link]\nneeds = ['compile']\ninputs = '*.o'\noutputs = 'program'\nshell = 'cat *.o > program'\n\
    [tasks.report]\nneeds = ['link']\ncommand = ['true']";

fn build() -> Test {
    Test::new()
        .file("job.toml", BUILD)
        .file("a.c", "A")
        .file("b.c", "B")
        .file("c.c", "C")
}

#[test]
fn every_instance_is_listed_in_its_order_and_nothing_is_run() {
    let done = plan(
        "[tasks.b]\nneeds = ['a']\npriority = 2\nforeach = { values = ['x', 'y z'] }\ncommand = ['touch', '{item}']\n\
         [tasks.a]\ncommand = ['touch', 'a']",
    )
    .run()
    .code(0)
    .stdout(
        "a: 1 instance\n  run         a\nb: 2 instances, after a, priority 2\n  run         b(x)\n  run         b(y z)\n",
    )
    .says(["3 to run"]);
    for made in ["a", "x", ".pexec"] {
        assert!(!done.path(made).exists(), "{made}");
    }
}

#[test]
fn what_has_changed_is_said_for_each() {
    build()
        .args(["plan", "job.toml"])
        .run()
        .code(0)
        .stdout(
            "compile: 3 instances\n\
             \x20 run         compile(a): no success is recorded\n\
             \x20 run         compile(b): no success is recorded\n\
             \x20 run         compile(c): no success is recorded\n\
             link: 1 instance, after compile\n\
             \x20 waits       link: depends on what compile makes\n\
             report: 1 instance, after link\n\
             \x20 run         report\n",
        )
        .says(["4 to run, 1 depending on others"]);
    build()
        .shell("pexec run job.toml 2> log && pexec plan job.toml")
        .code(0)
        .stdout(
            "compile: 3 instances\n\
             \x20 up to date  compile(a)\n\
             \x20 up to date  compile(b)\n\
             \x20 up to date  compile(c)\n\
             link: 1 instance, after compile\n\
             \x20 up to date  link\n\
             report: 1 instance, after link\n\
             \x20 run         report\n",
        )
        .says(["1 to run, 4 up to date"]);
    let script = "pexec run job.toml 2> log && echo more >> a.c && rm b.o && echo x > c.o && pexec plan job.toml
        sed -i s/cat/'cat -'/ job.toml && cp a.o kept && pexec run job.toml 2> log && pexec plan job.toml --only link | tail -1
        sed -i s/'cat -'/'cat -u'/ job.toml && pexec plan job.toml --only link | tail -1";
    build().shell(script).code(0).stdout(
        "compile: 3 instances\n\
         \x20 run         compile(a): an input has changed\n\
         \x20 run         compile(b): its output b.o is not there\n\
         \x20 run         compile(c): an output has changed\n\
         link: 1 instance, after compile\n\
         \x20 waits       link: depends on what compile makes\n\
         report: 1 instance, after link\n\
         \x20 run         report\n\
         \x20 up to date  link\n\
         \x20 run         link: its command has changed\n",
    );
}

#[test]
fn what_would_fail_blocks_what_needs_it() {
    let done = build().args(["plan", "job.toml"]);
    std::fs::remove_file(done.path().join("b.c")).expect("there");
    done.run()
        .code(0)
        .stdout_lines([
            "compile: 3 instances",
            "  run         compile(a): no success is recorded",
            "  fails       compile(b): its input b.c is not there",
            "  run         compile(c): no success is recorded",
            "link: 1 instance, after compile",
            "  blocked     link: by compile(b)",
            "report: 1 instance, after link",
            "  blocked     report: by compile(b)",
        ])
        .says(["2 to run, 1 about to fail, 2 blocked"]);
}

#[test]
fn a_resumed_run_keeps_what_has_succeeded() {
    let job = "[tasks.a]\nforeach = { values = [0, 1, 0] }\nshell = 'exit {item}'\n[tasks.b]\nneeds = ['a']\ncommand = ['true']\n\
        [tasks.c]\nforeach = { values = ['new'] }\ncommand = ['true']";
    let first = job.replace("'new'", "");
    let script = "mv first.toml job.toml; pexec run job.toml 2> log; mv second.toml job.toml
        pexec plan job.toml --resume; pexec plan job.toml --rerun-failed 2> log; ls .pexec/runs | wc -l";
    Test::new()
        .file("first.toml", first)
        .file("second.toml", job)
        .shell(script)
        .code(0)
        .stdout(
            "a: 3 instances\n  kept        a(0)\n  run         a(1)\n  kept        a(0)\n\
             b: 1 instance, after a\n  run         b\nc: 1 instance\n  run         c(new)\n\
             a: 3 instances\n  kept        a(0)\n  run         a(1)\n  kept        a(0)\n\
             b: 1 instance, after a\n  run         b\nc: 1 instance\n  left out    c(new)\n1\n",
        )
        .says(["3 to run, 2 kept"]);
}

#[track_caller]
fn json(done: &Done) -> Value {
    serde_json::from_slice(&done.stdout).unwrap_or_else(|error| panic!("{error}\n{done}"))
}

#[test]
fn a_plan_is_read_by_programs() {
    let done = plan(
        "name = 'j'\n[tasks.a]\nforeach = { lines = 'in' }\noutputs = 'o{index}'\ncommand = ['x', '{item}']\n[tasks.b]\nneeds = ['a']\ncommand = ['y']",
    )
    .file("in", b"one\n\xff\n")
    .args(["--format", "json"])
    .run()
    .code(0);
    let plan = json(&done);
    assert_eq!(plan["job"], "j");
    assert_eq!(plan["tasks"][1]["needs"][0], "a");
    assert_eq!(plan["tasks"][0]["total"], 2);
    let instances = plan["instances"].as_array().expect("a list");
    assert_eq!(instances.len(), 3, "{done}");
    let first = &instances[0];
    assert_eq!((&first["id"], &first["item"]), (&"a/0".into(), &"one".into()));
    assert_eq!(
        (&first["action"], &first["why"]),
        (&"run".into(), &"no success is recorded".into())
    );
    assert_eq!(first["command"], serde_json::json!(["x", "one"]));
    assert_eq!(first["key"].as_str().map(str::len), Some(32));
    assert_eq!(instances[1]["item"]["base64"], "/w==");
    let empty = self::plan("[tasks.a]\nforeach = { values = [] }\ncommand = ['x']")
        .args(["--format", "json"])
        .run()
        .code(0);
    assert_eq!(json(&empty)["instances"], serde_json::json!([]));
}

#[test]
fn a_plan_is_drawn() {
    let toml =
        "[tasks.a]\nforeach = { range = '0..3' }\ncommand = ['x']\n[tasks.b]\nneeds = ['a']\ncommand = ['y']";
    plan(toml).args(["--format", "dot"]).run().code(0).stdout(
        "digraph {\n  rankdir=LR\n  node [shape=box]\n\
         \x20 t0 [label=\"a\\n3 instances\\n3 to run\"]\n  t1 [label=\"b\\n1 instance\\n1 to run\"]\n  t0 -> t1\n}\n",
    );
    plan(toml).args(["--format", "mermaid"]).run().code(0).stdout(
        "flowchart LR\n  t0[\"a<br/>3 instances<br/>3 to run\"]\n  t1[\"b<br/>1 instance<br/>1 to run\"]\n  t0 --> t1\n",
    );
}

#[test]
fn no_secret_is_in_a_plan() {
    for format in ["text", "json"] {
        let done = plan("[tasks.a]\nlabel = 'uses hunter22'\nenv = { T = { value = 'hunter22', secret = true } }\ncommand = ['x', 'hunter22']")
            .args(["--format", format])
            .run()
            .code(0);
        let told = String::from_utf8_lossy(&done.stdout).into_owned();
        assert!(told.contains("uses ***") && !told.contains("hunter22"), "{done}");
    }
}

#[test]
fn only_some_tasks_and_other_values_can_be_planned() {
    plan("[vars]\nx = '1'\n[tasks.a]\ncommand = ['x']\n[tasks.b]\nneeds = ['a']\nforeach = { command = ['seq', '{x}'] }\ncommand = ['y']")
        .args(["--only", "b", "--set", "x=2"])
        .run()
        .code(0)
        .stdout("b: 2 instances\n  run         b(1)\n  run         b(2)\n");
    plan("[tasks.a]\nforeach = { lines = '-' }\ncommand = ['x']")
        .stdin_open()
        .run()
        .code(0)
        .stdout("a: instances not known yet\n")
        .says(["those of 1 source that will be read then"]);
    plan("[tasks.a]\ncomand = ['x']")
        .run()
        .code(2)
        .says(["did you mean `command`?"]);
}

#[test]
fn fifty_thousand_instances_are_listed_and_a_reader_may_go_away() {
    let big = "[tasks.a]\nforeach = { range = '0..50000' }\ncommand = ['x', '{item}']";
    let done = plan(big).run().code(0);
    assert_eq!(done.stdout.iter().filter(|byte| **byte == b'\n').count(), 50_001);
    let script = "{ pexec plan job.toml; echo $? > code; } | head -1";
    let done = Test::new()
        .file("job.toml", big)
        .shell(script)
        .code(0)
        .stdout("a: 50,000 instances\n");
    assert_eq!((done.read("code").trim(), done.stderr.as_str()), ("141", ""));
}
