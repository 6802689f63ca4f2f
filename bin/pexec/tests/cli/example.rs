//! The example in `docs/examples`: it must work as it stands there.

use std::path::Path;

use crate::support::Test;

#[test]
fn the_checksums_example_agrees_with_sha256sum() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples/checksums/run.sh");
    let mut test = Test::new();
    for n in 0..60 {
        test = test.file(
            format!("tree/{}/file {n} 'quoted'", n % 7),
            format!("content {n}"),
        );
    }
    let done = test
        .file("tree/.hidden/file", "not seen by the glob")
        .file("tree/.hidden-file", "neither")
        .file("tree/empty", "")
        .file("tree/-dash", "dash")
        .shell(&format!(
            "ln -s empty tree/link; ln -s nowhere tree/broken; ln -s 1 tree/dir; '{}' tree",
            script.display()
        ))
        .code(0);
    assert_eq!(
        String::from_utf8_lossy(&done.stdout),
        "63 files, identical\n",
        "{done}"
    );
}

/// A test in a directory that has what the example has.
fn example(name: &str) -> Test {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/examples")
        .join(name);
    let mut test = Test::new();
    let mut dirs = vec![dir.clone()];
    while let Some(next) = dirs.pop() {
        for entry in std::fs::read_dir(&next).expect("the example is there").flatten() {
            let path = entry.path();
            let made = [
                "obj",
                "frequent",
                "results",
                "sweep.svg",
                "logs",
                "archive",
                ".pexec",
            ];
            if made.iter().any(|made| entry.file_name() == *made) {
                continue;
            }
            if entry.file_type().expect("known").is_dir() {
                dirs.push(path);
            } else {
                let content = std::fs::read(&path).expect("readable");
                test = test.file(path.strip_prefix(&dir).expect("below it"), content);
            }
        }
    }
    test.args(["run", "job.toml"])
}

#[test]
fn the_build_example_compiles_again_what_has_changed_and_nothing_else() {
    let done = example("build").run().code(0).says(["4 of 4 succeeded"]);
    let counted = done.shell("./frequent < src/main.c | head -n 2").code(0);
    let lines = String::from_utf8_lossy(&counted.stdout).into_owned();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    assert_eq!(lines.lines().next(), Some("12 table"), "{lines}");

    done.again("run job.toml")
        .code(0)
        .says(["4 of 4 succeeded (4 up to date)"]);
    let done = done.shell("echo '/* changed */' >> src/table.c").code(0);
    let done = done
        .again("run job.toml --events events")
        .code(0)
        .says(["up to date)"]);
    let ran: Vec<String> = done
        .read("events")
        .lines()
        .filter(|line| line.contains("\"finished\"") && line.contains("\"success\""))
        .map(|line| line.split("\"label\":\"").nth(1).unwrap_or_default().to_owned())
        .map(|rest| rest.split('"').next().unwrap_or_default().to_owned())
        .collect();
    // The program is linked again only if the comment made another object.
    assert!(ran.contains(&"object(src/table.c)".to_owned()), "{ran:?}");
    assert!(!ran.contains(&"object(src/main.c)".to_owned()), "{ran:?}");
    assert!(!ran.contains(&"object(src/words.c)".to_owned()), "{ran:?}");
}

#[test]
fn the_sweep_example_gathers_and_plots_its_results() {
    let done = example("sweep").run().code(0).says(["10 of 10 succeeded"]);
    assert!(
        String::from_utf8_lossy(&done.stdout).ends_with("results/critical.csv\n"),
        "{done}"
    );
    let plot = done.read("sweep.svg");
    assert!(plot.starts_with("<svg") && plot.ends_with("</svg>\n"), "{plot}");
    for row in done.read("parameters.csv").lines().skip(1) {
        let name = row.split(',').next().expect("a name");
        assert!(plot.contains(&format!(">{name}</text>")), "{name}");
        assert_eq!(
            done.read(&format!("results/{name}.csv")).lines().count(),
            101,
            "{name}"
        );
    }
    // Without damping it swings for ever: after four periods it is where it began.
    let free = done.read("results/free.csv");
    let last = free.lines().last().and_then(|line| line.split(',').nth(1));
    let last: f64 = last.expect("a place").parse().expect("a number");
    assert!((last - 1.0).abs() < 0.02, "{last}");
}

#[test]
fn the_logs_example_explains_the_one_that_failed() {
    let made = example("logs").args(["--version"]);
    let done = made.shell("sh logs.sh").code(0);
    let done = done.again("run job.toml").code(1).says([
        "compress(logs/lost.log)",
        "exit 1 (after 3 attempts)",
        "No such file",
        "blocked by compress(logs/lost.log)",
        "6 of 8 succeeded",
    ]);
    assert!(!done.path("archive/lost.log.gz").exists());
    done.again("show last compress(logs/lost.log)").code(0);
    let done = done.shell("touch logs/lost.log").code(0);
    done.again("run job.toml --rerun-failed")
        .code(0)
        .says(["8 of 8 succeeded"]);
    assert!(done.path("archive/lost.log.gz").exists());
}
