//! The table of `docs/conformance.md`: what it names must exist.

use std::path::{Path, PathBuf};

/// Where the rooms of the table are.
const ROOMS: [(&str, &str); 11] = [
    ("pool", "tests/tests/pool"),
    ("programs", "tests/tests/programs"),
    ("core", "crates/pool/src/core/tests"),
    ("wire", "crates/proto/tests/wire"),
    ("ring", "crates/ipc/tests/ring"),
    ("shared", "crates/ipc/tests/shared_bytes"),
    ("ipc", "crates/ipc/src"),
    ("src", "crates/pool/src"),
    ("job", "crates/job/tests"),
    ("cli", "bin/pexec/tests/cli"),
    ("report", "crates/report/tests"),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What stands between backquotes and has the form of a test's name.
fn names(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .filter(|s| s.contains('/') && s.contains("::"))
}

/// The reason why the named test is not one, if so.
fn missing(name: &str) -> Option<String> {
    let (file, test) = name.split_once("::")?;
    let (room, module) = file.split_once('/')?;
    let Some((_, directory)) = ROOMS.iter().find(|(r, _)| *r == room) else {
        return Some(format!("{name}: no room is called {room}"));
    };
    let path = root().join(directory).join(format!("{module}.rs"));
    let Ok(source) = std::fs::read_to_string(&path) else {
        return Some(format!("{name}: there is no {}", path.display()));
    };
    let head = format!("fn {test}(");
    let mut before = source.split(&head);
    let is_test = before.next().is_some_and(|text| {
        // Attributes stand directly in front.
        before.next().is_some()
            && text
                .trim_end()
                .rsplit("\n\n")
                .next()
                .is_some_and(|t| t.contains("#[test]"))
    });
    (!is_test).then(|| format!("{name}: {} has no such test", path.display()))
}

#[test]
fn each_line_of_the_table_has_a_test_that_exists_or_says_why_it_has_none() {
    let page = std::fs::read_to_string(root().join("docs/conformance.md")).expect("the table");
    let mut last = (0, 0);
    let (mut lines, mut wrong) = (0, Vec::new());
    for line in page
        .lines()
        .filter(|l| l.starts_with("| ") && !l.starts_with("| line"))
    {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let number = cells[0]
            .split_once('.')
            .and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
        let number: (u32, u32) = number.unwrap_or_else(|| panic!("no number begins this line: {line}"));
        assert!(last < number, "{number:?} comes after {last:?}");
        last = number;
        lines += 1;
        let Some(shows) = cells.get(2) else {
            panic!("three cells are wanted: {line}");
        };
        wrong.extend(names(shows).filter_map(missing));
        let said = shows.starts_with("open") || shows.starts_with("does not apply");
        if names(shows).count() == 0 && !said {
            wrong.push(format!("{number:?} has neither a test nor a reason"));
        }
    }
    assert!(lines > 100, "the table has {lines} lines");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_test_that_is_not_there_is_missed() {
    assert!(missing("pool/futures::no_such_test").is_some());
    assert!(missing("pool/no_such_file::exactly_one_state_holds_at_a_time").is_some());
    assert!(missing("cellar/futures::exactly_one_state_holds_at_a_time").is_some());
    // A function, but no test.
    assert!(missing("pool/footprint::own_memory").is_some());
    assert_eq!(missing("pool/futures::exactly_one_state_holds_at_a_time"), None);
}
