//! Files that are far too large or too deep: refused or planned, with bounded words.

use crate::{Job, assert_says};

#[track_caller]
fn refused_in_bounded_words(toml: impl AsRef<[u8]>) -> String {
    let text = Job::new(toml).refused();
    assert!(text.len() < 200_000, "{} bytes", text.len());
    text
}

#[test]
fn at_most_a_hundred_problems_are_listed_and_all_are_counted() {
    let job = Job::new(
        "[tasks.a]\ncommand = ['x']\n".to_owned()
            + &(0..5000).map(|n| format!("k{n} = 1\n")).collect::<String>(),
    );
    let problems = job.load().err().expect("refused");
    let text = problems.render(false);
    assert_eq!((problems.len(), text.matches("error:").count()), (5000, 100));
    assert_says(&text, ["and 4900 more problems"]);
}

#[test]
fn megabytes_of_mistakes_are_refused() {
    refused_in_bounded_words("this is no toml\n".repeat(1 << 16));
    refused_in_bounded_words("{\"[".repeat(1 << 20));
    refused_in_bounded_words(format!("[tasks.a]\ncommand = ['{}']", "{x".repeat(1 << 20)));
    refused_in_bounded_words(format!("[tasks.a]\ncommand = ['{}']", "{x}".repeat(1 << 18)));
}

#[test]
fn deep_nesting_is_refused() {
    refused_in_bounded_words(format!("a = {}", "[".repeat(1 << 20)));
    refused_in_bounded_words(format!("a = {}", "{a = ".repeat(1 << 18)));
    refused_in_bounded_words("a.".repeat(1 << 16) + "a = 1");
}

#[test]
fn variables_that_grow_are_cut_off() {
    let mut toml = "[vars]\nv0 = '0123456789'\n".to_owned();
    for n in 1..64 {
        toml += &format!("v{n} = '{{v{m}}}{{v{m}}}'\n", m = n - 1);
    }
    let text = refused_in_bounded_words(toml + "[tasks.a]\ncommand = ['{v63}']");
    assert_says(&text, ["longer than 1048576 bytes"]);
}

#[test]
fn many_values_are_planned() {
    let values: Vec<String> = (0..100_000).map(|n| format!("'{n}'")).collect();
    let job = Job::new(format!(
        "[tasks.a]\nforeach = {{ values = [{}] }}\ncommand = ['x']",
        values.join(",")
    ));
    assert_eq!(job.plan().tasks[0].total, Some(100_000));
}
