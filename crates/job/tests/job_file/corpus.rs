//! What fuzzing found interesting (`fuzz/corpus`), played again: planned or refused, never anything else.

use std::path::Path;

use crate::Job;

#[test]
fn whatever_was_found_interesting_is_planned_or_refused() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/job_file");
    let mut job = Job::new("")
        .file("in.csv", "a,b\n1,2\n\"x,y\",z\n")
        .file("in.txt", b"one\n\ntwo\xff\n");
    job.overrides.dry = true;
    let mut played = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus").flatten() {
        job = job.file("job.toml", std::fs::read(entry.path()).expect("readable"));
        match job.load() {
            Ok(plan) => {
                for task in plan.tasks.into_iter().filter(|task| task.total.is_some()) {
                    for instance in task.instances.take(20).flatten() {
                        let _ = (instance.work)(1);
                        assert!(instance.label.to_string().lines().count() <= 1);
                    }
                }
            }
            Err(problems) => assert!(problems.render(false).contains("error"), "{:?}", entry.path()),
        }
        played += 1;
    }
    assert!(played >= 5, "{played}");
}
