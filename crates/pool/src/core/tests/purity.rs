//! The core does no I/O, reads no clock and starts nothing: its sources import nothing that could.

const SOURCES: [(&str, &str); 13] = [
    ("core.rs", include_str!("../../core.rs")),
    ("deaths.rs", include_str!("../deaths.rs")),
    ("dispatch.rs", include_str!("../dispatch.rs")),
    ("life.rs", include_str!("../life.rs")),
    ("queue.rs", include_str!("../queue.rs")),
    ("ranks.rs", include_str!("../ranks.rs")),
    ("recall.rs", include_str!("../recall.rs")),
    ("recycle.rs", include_str!("../recycle.rs")),
    ("retry.rs", include_str!("../retry.rs")),
    ("size.rs", include_str!("../size.rs")),
    ("tasks.rs", include_str!("../tasks.rs")),
    ("timers.rs", include_str!("../timers.rs")),
    ("workers.rs", include_str!("../workers.rs")),
];

/// The source's code: no comments, no unit tests.
fn code(source: &str) -> impl Iterator<Item = &str> {
    let end = source.find("mod tests {").unwrap_or(source.len());
    source[..end]
        .lines()
        .map(|line| line.split("//").next().unwrap_or(line))
}

#[test]
fn the_core_imports_only_the_protocol_std_and_itself() {
    for (name, source) in SOURCES {
        for line in code(source).map(str::trim_start) {
            let line = line
                .strip_prefix("pub(crate) ")
                .or(line.strip_prefix("pub "))
                .unwrap_or(line);
            let Some(path) = line.strip_prefix("use ") else {
                continue;
            };
            let from = [
                "pexec_proto",
                "std::",
                "super::",
                "deaths::",
                "dispatch::",
                "life::",
                "queue::",
                "recycle::",
                "retry::",
                "size::",
                "tasks::",
                "workers::",
            ];
            assert!(
                from.iter().any(|from| path.starts_with(from)),
                "{name} uses {path}"
            );
        }
        assert!(
            code(source).all(|line| !line.contains("crate::")),
            "{name} reaches out of the core"
        );
    }
}

#[test]
fn the_core_reads_no_clock_and_touches_no_system() {
    let forbidden = [
        "Instant::now",
        "elapsed()",
        "SystemTime",
        "thread",
        "std::fs",
        "std::net",
        "std::process",
        "std::env",
        "std::io",
        "HashMap",
        "HashSet",
        "static ",
        "unsafe",
        "println!",
        "tracing",
    ];
    for (name, source) in SOURCES {
        for word in forbidden {
            assert!(code(source).all(|line| !line.contains(word)), "{name} has {word}");
        }
    }
}

#[test]
fn no_source_of_the_core_is_left_out() {
    let core = concat!(env!("CARGO_MANIFEST_DIR"), "/src/core");
    let on_disk = std::fs::read_dir(core)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut on_disk: Vec<String> = on_disk
        .filter(|n| n.ends_with(".rs") && n != "tests.rs")
        .collect();
    on_disk.sort();
    assert_eq!(
        on_disk,
        SOURCES[1..].iter().map(|(name, _)| *name).collect::<Vec<_>>()
    );
}
