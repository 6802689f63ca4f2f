//! Secrets in a job file: the command gets them, and nobody else.

use pexec_job::key::Key;

use crate::{Job, assert_says, command, take};

const JOB: &str = "[vars]\npw = 'hunter2'\n[tasks.a]\ncommand = ['true']\n\
                   env = { TOKEN = { value = 'x{pw}', secret = true } }\n";

#[test]
fn the_command_gets_the_value_and_the_plan_knows_that_it_is_one() {
    let mut plan = Job::new(JOB).plan();
    assert_eq!(plan.secrets.hide(b"<xhunter2>").as_ref(), b"<***>");
    let instances = take(&mut plan, 0);
    let env = command(&instances[0], 1).env;
    assert_eq!(env, [("TOKEN".into(), "xhunter2".into())]);
}

#[test]
fn what_an_instance_is_does_not_depend_on_a_secret() {
    let mut job = Job::new(JOB);
    let mut key = |pw: &str, text: &str| -> Key {
        std::fs::write(job.path("job.toml"), text).expect("written");
        job.overrides.set = vec![("pw".to_owned(), pw.to_owned())];
        let mut plan = job.plan();
        let secrets = plan.secrets.clone();
        take(&mut plan, 0)[0].key("a", &secrets)
    };
    let echo = JOB.replace("'true'", "'echo', 'x{pw}'");
    assert_eq!(key("one", JOB), key("two", JOB));
    assert_eq!(key("one", &echo), key("two", &echo));
    assert_ne!(key("one", JOB), key("one", &echo));
    let open = JOB.replace(", secret = true", "");
    assert_ne!(key("one", &open), key("two", &open));
}

#[test]
fn a_secret_cannot_vary_with_the_item() {
    let text = Job::new(
        "[tasks.a]\nforeach = { values = [1] }\ncommand = ['true']\nenv = { T = { value = 'x{item}', secret = true } }",
    )
    .refused();
    assert_says(
        &text,
        ["job.toml:4:25\n", "`{item}`", "only variables can stand here"],
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told_without_its_secrets() {
    let text = Job::new(format!("{JOB}timeout = 'xhunter2'\n")).refused();
    assert_says(&text, ["job.toml:6:11\n", "***"]);
    assert!(!text.contains("xhunter2"), "{text}");
    let text = Job::new(
        "[tasks.a]\ncommand = ['true']\nenv = { T = { value = 'geheim', secret = true, sceret = 1 } }",
    )
    .refused();
    assert_says(&text, ["unknown key `sceret`", "value = '***'"]);
}
