//! Whatever a job file holds, it is planned or refused with a text, and its instances can be looked at. No command is run.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use pexec_job::planner::{self, Overrides};
use tempfile::TempDir;

thread_local! {
    static DIR: RefCell<Option<TempDir>> = const { RefCell::new(None) };
}

/// It leads out of the target's directory: to devices without an end, or to trees that take for ever.
fn leads_out(data: &[u8]) -> bool {
    let has = |what: &[u8]| data.windows(what.len()).any(|window| window == what);
    has(b"/dev")
        || has(b"/proc")
        || has(b"../")
        || (has(b"glob") && (has(b"'/") || has(b"\"/") || has(b"..")))
}

fuzz_target!(|data: &[u8]| {
    if leads_out(data) {
        return;
    }
    DIR.with_borrow_mut(|dir| {
        let dir = dir.get_or_insert_with(|| {
            let dir = tempfile::tempdir().expect("a directory");
            std::fs::write(dir.path().join("in.csv"), "a,b\n1,2\n\"x,y\",z\n").expect("written");
            std::fs::write(dir.path().join("in.txt"), b"one\n\ntwo\xff\n").expect("written");
            dir
        });
        let path = dir.path().join("job.toml");
        std::fs::write(&path, data).expect("written");
        let overrides = Overrides {
            dry: true,
            run_id: "r".to_owned(),
            ..Overrides::default()
        };
        match planner::load(&path, &overrides) {
            Err(problems) => assert!(!problems.render(false).is_empty()),
            Ok(plan) => {
                for task in plan.tasks {
                    // Standard input would be the fuzzer's own.
                    if task.total.is_some() {
                        for instance in task.instances.take(20).flatten() {
                            let _ = (instance.work)(1);
                            assert!(instance.label.to_string().lines().count() <= 1);
                        }
                    }
                }
            }
        }
    });
});
