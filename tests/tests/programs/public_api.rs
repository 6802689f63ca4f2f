//! What users can name, as `docs/public-api` lists it: a change of it is seen in review.
//!
//! It is read from the sources, so any toolchain will do. What macros of ours expand to is not in it.

mod listing;
mod source;

use std::path::PathBuf;

use listing::listing;
use source::Sources;

/// The crates whose items can be reached, with where their sources are.
const CRATES: [(&str, &str); 5] = [
    ("pexec", "crates/pool/src"),
    ("pexec_cli", "bin/pexec/src"),
    ("pexec_ipc", "crates/ipc/src"),
    ("pexec_job", "crates/job/src"),
    ("pexec_proto", "crates/proto/src"),
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_public_items_are_those_that_are_listed() {
    let mut sources = Sources::default();
    for (name, directory) in CRATES {
        sources.read(name, &root().join(directory));
    }
    for name in ["pexec", "pexec_cli"] {
        let now = listing(&sources, name);
        assert!(now.lines().count() > 1, "{name} has something to list");
        let file = root().join("docs/public-api").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE_PUBLIC_API").is_some() {
            std::fs::write(&file, &now).expect("the listing can be written");
            continue;
        }
        let before = std::fs::read_to_string(&file).unwrap_or_default();
        let only = |of: &str, other: &str, sign: char| -> Vec<String> {
            let lines = of.lines().filter(|line| !other.lines().any(|l| l == *line));
            lines.map(|line| format!("{sign} {line}")).collect()
        };
        let mut changes = only(&before, &now, '-');
        changes.extend(only(&now, &before, '+'));
        assert!(
            now == before,
            "the public items of {name} have changed; if that is meant, run this test with UPDATE_PUBLIC_API=1:\n{}",
            changes.join("\n")
        );
    }
}

#[test]
fn what_is_reached_through_a_re_export_is_listed_under_its_public_name() {
    let mut sources = Sources::default();
    for (name, directory) in CRATES {
        sources.read(name, &root().join(directory));
    }
    let now = listing(&sources, "pexec");
    for line in [
        "pub struct pexec::ProcessPool",
        "pexec::ProcessPool: pub fn terminate(&self)",
        "pexec::TaskError::Cancelled",
        "pub struct pexec::sync::SharedBytes",
        "pexec::PoolStats: pub queue_wait: Percentiles",
        "pub macro pexec::test_init!",
        "pub fn pexec::init()",
    ] {
        assert!(
            now.lines().any(|l| l.starts_with(line)),
            "no line begins with {line}"
        );
    }
    assert!(!now.contains("pub(crate)") && !now.contains("private::"));
}
