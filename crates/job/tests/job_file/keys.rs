//! What the keys of a right file mean.

use std::time::Duration;

use pexec_job::command::{KillStep, Stdin, default_kill};
use pexec_job::limits::Limits;
use pexec_job::plan::Output;
use pexec_job::text::Text;

use crate::{Job, command, take};

#[test]
fn a_task_that_says_little_has_the_defaults_of_the_contract() {
    let job = Job::new("[tasks.a]\ncommand = ['true']");
    let plan = job.plan();
    assert_eq!(
        (plan.name.as_str(), plan.workers, plan.output),
        ("job", None, None)
    );
    assert_eq!(plan.dir, job.dir.path());
    assert_eq!((plan.tasks[0].retry.times, plan.tasks[0].total), (0, Some(1)));
    let command = job.commands().remove(0);
    assert_eq!(command.cwd.as_os_str(), job.dir.path());
    assert_eq!(
        (command.stdin, command.stdout, command.stderr),
        (Stdin::Empty, None, None)
    );
    assert_eq!((command.timeout, command.ok_exit), (None, vec![0]));
    assert_eq!(command.kill, default_kill());
    assert!(!command.env_clear && command.env.is_empty());
    assert_eq!(job.labels(), ["a"]);
}

#[test]
fn limits_reach_the_command_and_can_be_defaults() {
    let toml = "[defaults]\nmemory = '1.5GiB'\nnice = 5\n[tasks.a]\ncommand = ['x']\nnice = -2\ncpu_time = '90s'\nopen_files = 64";
    let limits = Job::new(toml).commands().remove(0).limits;
    let expected = Limits {
        memory: Some(3 << 29),
        cpu_time: Some(Duration::from_secs(90)),
        open_files: Some(64),
        nice: -2,
    };
    assert_eq!(limits, expected);
    let plain = Job::new("[tasks.a]\ncommand = ['x']").commands().remove(0);
    assert_eq!(plain.limits, Limits::default());
}

#[test]
fn every_key_reaches_the_command() {
    let job = Job::new(
        r#"
name = "all"
[run]
workers = 3
output = "ordered"
[tasks.a]
foreach = { values = ["x"] }
command = ["cat", "-"]
label = "{item} of {run_id}"
stdin = { text = "in {item}" }
stdout = "out/{item}"
stderr = "/var/{item}"
env = { A = "1 {item}", B = { value = 2 }, C = { from_env = "PATH" } }
env_clear = true
cwd = "sub/{item}"
timeout = "1m30s"
kill = ["INT 2s", "SIGTERM 1s"]
retries = 2
ok_exit = [0, 3]
"#,
    );
    let plan = job.plan();
    assert_eq!(
        (plan.name.as_str(), plan.workers, plan.output),
        ("all", Some(3), Some(Output::Ordered))
    );
    assert_eq!(plan.tasks[0].retry.times, 2);
    assert_eq!(job.labels(), ["x of run-7"]);
    let command = job.commands().remove(0);
    assert_eq!(command.stdin, Stdin::Text("in x".into()));
    assert_eq!(command.stdout.expect("given").as_os_str(), job.path("out/x"));
    assert_eq!(command.stderr, Some("/var/x".into()));
    assert_eq!(command.cwd.as_os_str(), job.path("sub/x"));
    let path = std::env::var("PATH").expect("set");
    let env: [(Text, Text); 3] = [
        ("A".into(), "1 x".into()),
        ("B".into(), "2".into()),
        ("C".into(), path.into()),
    ];
    assert_eq!(command.env, env);
    assert!(command.env_clear);
    assert_eq!(command.timeout, Some(Duration::from_secs(90)));
    let step = |signal, seconds| KillStep {
        signal,
        wait: Duration::from_secs(seconds),
    };
    assert_eq!(command.kill, [step(2, 2), step(15, 1), step(9, 0)]);
    assert_eq!(command.ok_exit, [0, 3]);
}

#[test]
fn workers_are_a_number_a_percentage_or_cpus_less_some() {
    let cpus = std::thread::available_parallelism().expect("known").get();
    for (text, workers) in [
        ("4", 4),
        ("'4'", 4),
        ("'200%'", 2 * cpus),
        ("'1%'", 1),
        ("'cpus'", cpus),
        ("'cpus-1'", (cpus - 1).max(1)),
        ("'cpus-100000'", 1),
    ] {
        let toml = format!("[run]\nworkers = {text}\n[tasks.a]\ncommand = ['x']");
        assert_eq!(Job::new(&toml).plan().workers, Some(workers), "{text}");
    }
    let mut job = Job::new("[run]\nworkers = 4\n[tasks.a]\ncommand = ['x']");
    job.overrides.workers = Some("7".to_owned());
    assert_eq!(job.plan().workers, Some(7));
}

#[test]
fn variables_stand_in_any_string_and_are_overridden() {
    let toml = "[vars]\nbase = '/srv'\nroot = '{base}/data'\nn = 3\nwait = '5s'\n[tasks.{x}]\n\
         foreach = { range = '0..{n}' }\ntimeout = '{wait}'\ncommand = ['ls', '{root}/{item}', '{{n}}']"
        .replace("{x}", "a");
    let job = Job::new(&toml);
    assert_eq!(
        job.lines(),
        ["ls /srv/data/0 {n}", "ls /srv/data/1 {n}", "ls /srv/data/2 {n}"]
    );
    assert_eq!(job.commands()[0].timeout, Some(Duration::from_secs(5)));
    let job = Job::new(&toml)
        .set("base", "/a")
        .set("base", "/{b}")
        .set("n", "1");
    assert_eq!(
        job.lines(),
        ["ls /{b}/data/0 {n}"],
        "the last one counts, and is taken as it is"
    );
}

#[test]
fn defaults_hold_where_a_task_says_nothing() {
    let job = Job::new(
        "[defaults]\ntimeout = '30s'\nretries = 1\nenv = { A = 'default', B = 'default' }\nshell = 'default'\n\
         [tasks.a]\nretries = 5\nenv = { B = 'own' }\ncommand = ['own']",
    );
    assert_eq!(job.plan().tasks[0].retry.times, 5);
    let command = job.commands().remove(0);
    assert_eq!(command.argv, [Text::from("own")]);
    assert_eq!(command.timeout, Some(Duration::from_secs(30)));
    assert_eq!(
        command.env,
        [("A".into(), "default".into()), ("B".into(), "own".into())]
    );
}

#[test]
fn overrides_stand_over_every_task() {
    let mut job = Job::new("[tasks.a]\ncommand = ['x']\ntimeout = '9s'\nretries = 9");
    job.overrides.retries = Some(0);
    job.overrides.timeout = Some(Duration::from_millis(10));
    assert_eq!(job.plan().tasks[0].retry.times, 0);
    assert_eq!(job.commands()[0].timeout, Some(Duration::from_millis(10)));
}

#[test]
fn the_item_has_parts_and_every_instance_has_numbers() {
    let job = Job::new(
        "[tasks.a]\nforeach = { values = ['d/f.tar.gz'] }\n\
         command = ['{item}', '{item.stem}', '{item.name}', '{item.dir}', '{item.ext}', '{index}', '{run_id}']",
    );
    assert_eq!(job.lines(), ["d/f.tar.gz f.tar f.tar.gz d gz 0 run-7"]);
    let job = Job::new("[tasks.a]\ncommand = ['{attempt}']");
    let instance = take(&mut job.plan(), 0).remove(0);
    for attempt in [1, 2, 17] {
        assert_eq!(
            command(&instance, attempt).argv,
            [Text::from(attempt.to_string())]
        );
    }
}

#[test]
fn a_matrix_is_the_product_with_the_source() {
    let job = Job::new(
        "[tasks.a]\nforeach = { values = ['x', 'y'] }\n\
         matrix = { size = [0x10, 2], mode = ['p', 'q'], exclude = [{ size = 2, mode = 'q' }] }\n\
         command = ['{index}', '{item}{size}{mode}']",
    );
    assert_eq!(
        job.lines(),
        ["0 x16p", "1 x16q", "2 x2p", "3 y16p", "4 y16q", "5 y2p"]
    );
    assert_eq!(job.plan().tasks[0].total, Some(6));
    assert_eq!(job.labels()[5], "a(y,size=2,mode=p)");
    let job = Job::new("[tasks.a]\nmatrix = { b = [true], a = [1.5] }\ncommand = ['{a}{b}']");
    assert_eq!(
        (job.lines(), job.labels()),
        (vec!["1.5true".to_owned()], vec!["a(b=true,a=1.5)".to_owned()])
    );
    let job = Job::new(
        "[tasks.a]\nmatrix = { a = [1, 2], b = [3, 4], exclude = [{ a = 1 }] }\ncommand = ['{a}{b}']",
    );
    assert_eq!(job.lines(), ["23", "24"], "a part leaves out all that have it");
    let job = Job::new("[tasks.a]\nmatrix = { a = [1, 2], b = [] }\ncommand = ['{a}{b}']");
    assert_eq!((job.lines().len(), job.plan().tasks[0].total), (0, Some(0)));
}

#[test]
fn labels_are_the_task_and_its_item() {
    let job = Job::new("[tasks.a]\nforeach = { values = ['x y', \"n\\nl\"] }\ncommand = ['x']");
    assert_eq!(job.labels(), ["a(x y)", "a(n\\nl)"]);
}

#[test]
fn a_name_from_the_command_line_is_taken_from_the_files_stem_and_its_directory() {
    let job =
        Job::new("[tasks.a]\ncommand = ['x']").file("sub/other.name.toml", "[tasks.b]\ncommand = ['x']");
    let plan = pexec_job::planner::load(&job.path("sub/other.name.toml"), &job.overrides).expect("right");
    assert_eq!((plan.name.as_str(), plan.dir), ("other.name", job.path("sub")));
}
