//! The example works as it stands there, on this repository's own sources, and counts right.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SOURCES: &str = env!("CARGO_BIN_EXE_sources");

fn run(args: &[&str]) -> Output {
    let output = Command::new(SOURCES).args(args).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    output
}

/// Every Rust file below a directory, as the glob finds them.
fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        if entry.file_type().expect("known").is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn the_table_of_this_repository_adds_up() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let counts = tempfile::tempdir().expect("a directory");
    let job = here.join("job.toml");
    let set = format!("counts={}", counts.path().join("counts").display());
    let output = run(&["run", job.to_str().expect("text"), "--set", &set]);
    let table = String::from_utf8(output.stdout).expect("text");

    let mut sources = Vec::new();
    files(&here.join("../../../crates"), &mut sources);
    let text = |path: &PathBuf| fs::read_to_string(path).expect("a source");
    let lines: usize = sources.iter().map(|path| text(path).lines().count()).sum();
    let blank: usize = sources
        .iter()
        .map(|path| text(path).lines().filter(|line| line.trim().is_empty()).count())
        .sum();

    let all: Vec<&str> = table.lines().last().expect("a row").split_whitespace().collect();
    let number = |at: usize| all[at].parse::<usize>().expect("a number");
    assert_eq!(all[0], "all", "{table}");
    assert_eq!(number(1), sources.len(), "{table}");
    assert_eq!(number(2) + number(3) + number(4), lines, "{table}");
    assert_eq!(number(4), blank, "{table}");
    for package in ["ipc", "job", "macros", "pool", "proto"] {
        assert!(table.lines().any(|row| row.starts_with(package)), "{table}");
    }
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let expected = sources.len() + 2;
    assert!(
        told.contains(&format!("sources: {expected} of {expected} succeeded")),
        "{told}"
    );
}

#[test]
fn its_functions_are_listed_as_the_readme_shows() {
    let listed = String::from_utf8(run(&["tasks"]).stdout).expect("text");
    let readme = include_str!("../README.md").replace("\n    ", "\n");
    assert!(readme.contains(&listed), "{listed}");
}
