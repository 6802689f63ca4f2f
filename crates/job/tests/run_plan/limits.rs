//! Instances that use more than they may end alone, and it is said why.

use std::time::Duration;

use pexec::ProcessPool;
use pexec_job::call::{Argument, Call};
use pexec_job::event::{Kind, Outcome};
use pexec_job::limits::{Limits, MemoryBy};
use pexec_job::plan::{Instance, TaskPlan};
use pexec_job::work::Work;

use super::{Run, command, instance, six, task};

#[pexec::task(name = "limits/hoard")]
fn hoard(mib: u64) -> usize {
    let mut held = vec![0u8; 0];
    for _ in 0..mib {
        held.extend_from_slice(&[1; 1 << 20]);
    }
    println!("held");
    if mib > 50 {
        std::thread::sleep(Duration::from_secs(1000));
    }
    held.len()
}

#[pexec::task(name = "limits/spin")]
fn spin(_: u64) {
    loop {
        std::hint::spin_loop();
    }
}

fn one(name: &str, work: Work) -> TaskPlan {
    let calls = matches!(work, Work::Call(_));
    let instance = Instance {
        work: Box::new(move |_| work.clone()),
        ..instance(name, 0, "")
    };
    TaskPlan {
        calls,
        total: Some(1),
        instances: Box::new(std::iter::once(Ok(instance))),
        ..task(name, &[], &[])
    }
}

fn call(name: &str, function: &str, number: i64, limits: Limits) -> TaskPlan {
    one(
        name,
        Work::Call(Call {
            name: function.to_owned(),
            arguments: vec![Some(Argument::Integer(number))],
            stdout: None,
            stderr: None,
            timeout: None,
            limits,
        }),
    )
}

fn memory(mib: u64) -> Limits {
    Limits {
        memory: Some(mib << 20),
        ..Limits::default()
    }
}

fn memory_by(run: &Run, id: &str) -> Vec<Option<MemoryBy>> {
    let of = |kind: &Kind| match kind {
        Kind::Finished { who, end, .. } if who.id == id => Some(end.memory_by),
        _ => None,
    };
    run.record
        .events
        .iter()
        .filter_map(|event| of(&event.kind))
        .collect()
}

#[test]
fn a_command_that_holds_too_much_memory_ends_alone_and_its_dependants_are_blocked() {
    let script = "echo began; (head -c 60M /dev/zero; sleep 1000) | tail -c 60M";
    let mut greedy = command(script, 1);
    greedy.limits = memory(40);
    let mut run = Run::new();
    let tasks = vec![
        one("greedy", Work::Command(greedy)),
        task("b", &[0], &["true"]),
        task("c", &[], &["true"; 5]),
    ];
    let finished = run.go(tasks).expect("a run");
    assert_eq!(six(finished.state.counts()), [7, 5, 1, 0, 1, 0]);
    let ends = run.record.ends("greedy/0");
    let [(Outcome::Memory, Some(why))] = ends.as_slice() else {
        panic!("{ends:?}")
    };
    assert!(why.starts_with("held "), "{why}");
    assert!(why.ends_with(" MiB of memory, and 40 MiB is its limit"), "{why}");
    assert_eq!(memory_by(&run, "greedy/0"), [Some(MemoryBy::Sampling)]);
    assert_eq!(memory_by(&run, "c/0"), [None]);
    assert_eq!(run.record.whole["greedy/0"].0, b"began\n");
}

#[test]
fn a_function_that_holds_too_much_memory_costs_its_worker_and_nothing_else() {
    let pool = ProcessPool::builder().workers(1).build().expect("a pool");
    let mut run = Run::new();
    let tasks = vec![
        call("greedy", "limits/hoard", 300, memory(200)),
        call("small", "limits/hoard", 1, memory(200)),
    ];
    let finished = run.go_on(&pool, tasks).expect("a run");
    assert_eq!(six(finished.state.counts()), [2, 1, 1, 0, 0, 0]);
    let ends = run.record.ends("greedy/0");
    let [(Outcome::Memory, Some(why))] = ends.as_slice() else {
        panic!("{ends:?}")
    };
    assert!(why.ends_with(" MiB of memory, and 200 MiB is its limit"), "{why}");
    assert_eq!(memory_by(&run, "small/0"), [Some(MemoryBy::Sampling)]);
    assert_eq!(run.record.whole["small/0"].0, b"held\n1048576\n");
}

#[test]
fn a_function_that_uses_up_its_cpu_time_has_timed_out() {
    let pool = ProcessPool::builder().workers(1).build().expect("a pool");
    let mut run = Run::new();
    let limits = Limits {
        cpu_time: Some(Duration::from_secs(1)),
        ..Limits::default()
    };
    let finished = run
        .go_on(&pool, vec![call("spin", "limits/spin", 0, limits)])
        .expect("a run");
    assert_eq!(six(finished.state.counts()), [1, 0, 1, 0, 0, 0]);
    let why = Some("used up its 1s of CPU time".to_owned());
    assert_eq!(run.record.ends("spin/0"), [(Outcome::Timeout, why)]);
}
