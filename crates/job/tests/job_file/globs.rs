//! `foreach = { glob = .. }`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::{Job, assert_says, command, os, take};

fn tree(pattern: &str) -> Job {
    let toml = format!("[tasks.a]\nforeach = {{ glob = '{pattern}' }}\ncommand = ['{{item}}']");
    let job = Job::new(toml);
    let files = [
        "t/a.txt",
        "t/b.txt",
        "t/é.txt",
        "t/.hidden.txt",
        "t/sub/c.txt",
        "t/sub/deep/d.txt",
        "t/.git/e.txt",
        "t/sub/.x/f.txt",
        "t/B.txt",
        "-dash/x",
        "t/[x]",
    ];
    let job = files.into_iter().fold(job, |job, file| job.file(file, ""));
    symlink("sub", job.path("t/linked")).expect("made");
    symlink("..", job.path("t/sub/up")).expect("made");
    symlink("a.txt", job.path("t/l.txt")).expect("made");
    symlink("nowhere", job.path("t/broken.txt")).expect("made");
    job
}

#[test]
fn patterns_match_what_the_contract_says() {
    let table: [(&str, &[&str]); 17] = [
        (
            "t/*.txt",
            &["t/B.txt", "t/a.txt", "t/b.txt", "t/l.txt", "t/é.txt"],
        ),
        (
            "t/?.txt",
            &["t/B.txt", "t/a.txt", "t/b.txt", "t/l.txt", "t/é.txt"],
        ),
        ("t/[ab].txt", &["t/a.txt", "t/b.txt"]),
        ("t/[!a-z].txt", &["t/B.txt", "t/é.txt"]),
        ("t/.*.txt", &["t/.hidden.txt"]),
        (
            "t/**/*.txt",
            &[
                "t/B.txt",
                "t/a.txt",
                "t/b.txt",
                "t/l.txt",
                "t/sub/c.txt",
                "t/sub/deep/d.txt",
                "t/é.txt",
            ],
        ),
        ("t/**/d.txt", &["t/sub/deep/d.txt"]),
        ("**/deep/**", &["t/sub/deep/d.txt"]),
        ("t/linked/*.txt", &["t/linked/c.txt"]),
        ("t/*/c.txt", &["t/linked/c.txt", "t/sub/c.txt"]),
        ("t/*/", &["t/linked/", "t/sub/"]),
        ("t/**/", &["t/linked/", "t/sub/", "t/sub/deep/", "t/sub/up/"]),
        ("-dash/*", &["./-dash/x"]),
        ("-*/x", &["./-dash/x"]),
        ("t/\\[x\\]", &["t/[x]"]),
        ("./t//a.txt", &["./t/a.txt"]),
        ("t/sub", &[]),
    ];
    for (pattern, expected) in table {
        assert_eq!(tree(pattern).lines(), expected, "{pattern}");
    }
    assert_eq!(tree("nowhere/**/*").lines(), [""; 0]);
    assert_eq!(tree("t/a.txt/*").lines(), [""; 0]);
}

#[test]
fn a_path_that_is_reached_twice_is_one_item() {
    let job = Job::new("[tasks.a]\nforeach = { glob = '**/a/**' }\ncommand = ['{item}']").file("a/a/f", "");
    assert_eq!(job.lines(), ["a/a/f"]);
    assert_eq!(job.plan().tasks[0].total, Some(1));
}

#[test]
fn an_absolute_pattern_gives_absolute_paths() {
    let job =
        Job::new("[vars]\nroot = '.'\n[tasks.a]\nforeach = { glob = '{root}/*.x' }\ncommand = ['{item}']");
    let root = job.dir.path().to_str().expect("UTF-8").to_owned();
    let job = job.file("1.x", "").set("root", &root);
    assert_eq!(job.lines(), [format!("{root}/1.x")]);
}

#[test]
fn names_that_are_no_text_are_items() {
    let job = Job::new("[tasks.a]\nforeach = { glob = 'in/*' }\ncommand = ['cat', '{item}', '{item.name}']");
    let names: [&[u8]; 4] = [b"\xff\xfe", b"-n", b"new\nline", b"'\""];
    let job = names
        .into_iter()
        .fold(job, |job, name| job.file(os(&[b"in/", name].concat()), ""));
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    let instances = take(&mut job.plan(), 0);
    for (instance, name) in instances.iter().zip(sorted) {
        let argv = command(instance, 1).argv;
        assert_eq!(argv[1].as_bytes(), [b"in/", name].concat());
        assert_eq!(argv[2].as_bytes(), name);
    }
}

#[test]
fn a_directory_that_cannot_be_listed_is_a_problem() {
    let job = tree("t/**/*.txt");
    let closed = job.path("t/sub");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).expect("owned");
    let may_read_all = fs::read_dir(&closed).is_ok();
    let loaded = job.load();
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).expect("owned");
    match loaded {
        // The superuser is never refused.
        Ok(_) => assert!(may_read_all),
        Err(problems) => assert_says(&problems.render(false), ["cannot list", "t/sub", "job.toml:2:20"]),
    }
}

#[test]
fn a_wrong_pattern_is_told_why() {
    for (pattern, why) in [("t/[a", "not closed"), ("/", "names nothing"), ("", "empty")] {
        assert_says(&tree(pattern).refused(), [why, "job.toml:2:20"]);
    }
}
