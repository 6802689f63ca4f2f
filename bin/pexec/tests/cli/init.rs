//! `pexec init`: the starter works as it is, and so do the settings that it only shows.

use std::os::unix::fs::PermissionsExt;

use crate::support::Test;

/// The starter with all that it shows switched on: a setting is behind a `#` without a space.
fn with_everything(starter: &str) -> String {
    let on = |line: &str| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase()) => setting.to_owned(),
        _ => line.to_owned(),
    };
    starter.lines().map(|line| on(line) + "\n").collect()
}

#[test]
fn the_starter_passes_its_check_and_runs_as_it_is() {
    let done = Test::new()
        .shell("pexec init 2>said && cat said >&2 && pexec check job.toml && pexec run --output ordered job.toml")
        .code(0)
        .says(["wrote job.toml", "pexec run job.toml", "3 tasks, 8 instances", "8 of 8 succeeded"]);
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "Hello, Ada!\nHello, Grace!\nHello, Edsger!\n2x4\n2x5\n3x4\n3x5\nAll done.\n",
        "{done}"
    );
    let mode = done
        .path("job.toml")
        .metadata()
        .expect("written")
        .permissions()
        .mode();
    assert_eq!(mode & 0o111, 0, "{mode:o}");
    assert_ne!(mode & 0o400, 0, "{mode:o}");
}

#[test]
fn what_the_starter_only_shows_works_too() {
    let done = Test::new().args(["init", "-"]).run().code(0).says([]);
    let starter = String::from_utf8(done.stdout).expect("text");
    let everything = with_everything(&starter);
    assert!(
        everything
            .lines()
            .filter(|line| !starter.contains(&format!("\n{line}\n")))
            .count()
            >= 8,
        "{everything}"
    );
    let done = Test::job(&everything).run().code(0).says(["8 of 8 succeeded"]);
    assert_eq!(done.read("out/Ada.txt"), "Hello, Ada!\n");
}

#[test]
fn init_never_overwrites() {
    let done = Test::new()
        .file("job.toml", "mine")
        .args(["init"])
        .run()
        .code(2)
        .says(["job.toml is there already"]);
    assert_eq!(done.read("job.toml"), "mine");
    // Nor what only a dangling link points to.
    let done = Test::new()
        .shell("ln -s nowhere job.toml; pexec init; echo $?; test -e nowhere || ls -A | grep -v tmp")
        .says(["job.toml is there already"]);
    assert_eq!(String::from_utf8_lossy(&done.stdout), "2\njob.toml\n", "{done}");
}

#[test]
fn init_writes_where_it_is_told_or_says_why_not() {
    let done = Test::new()
        .shell("mkdir sub && pexec init sub && pexec init sub/other.toml && pexec check sub/other.toml")
        .code(0);
    assert_eq!(done.read("sub/job.toml"), done.read("sub/other.toml"));
    Test::new()
        .args(["init", "no/such/dir/job.toml"])
        .run()
        .code(2)
        .says(["cannot write no/such/dir/job.toml", "not found"]);
}
