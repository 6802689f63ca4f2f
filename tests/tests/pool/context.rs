//! What a task can learn of itself, and say, while it runs.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pexec::{Executor, Retry};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::{Gate, LeakSweep};

use crate::pool;

/// Id, label, attempt, whether there is a deadline, slot.
type Seen = (u64, Option<String>, u32, Option<u64>, usize);

fn look() -> Option<Seen> {
    let context = pexec::task::current()?;
    let left = context
        .deadline
        .map(|at| at.saturating_duration_since(Instant::now()).as_secs());
    Some((context.id.0, context.label, context.attempt, left, context.slot))
}

#[test]
fn a_task_knows_its_id_label_attempt_deadline_and_slot() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let plain = pool.submit(look, ());
    let id = plain.id().0;
    assert_eq!(plain.result().expect("runs"), Some((id, None, 1, None, 0)));
    let rich = pool
        .task(look, ())
        .label("rich")
        .timeout(Duration::from_secs(1000))
        .submit();
    let id = rich.id().0;
    let (seen, label, attempt, left, slot) = rich.result().expect("runs").expect("a context");
    assert_eq!((seen, label.as_deref(), attempt, slot), (id, Some("rich"), 1, 0));
    assert!(left.is_some_and(|s| (900..=1000).contains(&s)), "{left:?}");
    assert_eq!(
        pool.submit(look, ())
            .result()
            .expect("runs")
            .expect("a context")
            .1,
        None,
        "nothing sticks"
    );
    assert_eq!(look(), None, "outside of a task there is none");
}

#[test]
fn attempts_are_counted_from_one() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let third_time = || {
        let attempt = pexec::task::current().map_or(0, |c| c.attempt);
        if attempt < 3 {
            std::process::abort()
        } else {
            attempt
        }
    };
    assert_eq!(
        pool.task(third_time, ())
            .retry(Retry::times(5))
            .submit()
            .result()
            .expect("the third attempt"),
        3
    );
}

#[test]
fn a_thread_of_a_task_has_no_task_of_its_own() {
    let _sweep = LeakSweep::new();
    let inside = || {
        std::thread::spawn(|| pexec::task::current().is_none())
            .join()
            .unwrap_or(false)
    };
    assert!(pool(1).submit(inside, ()).result().expect("runs"));
}

#[test]
fn a_task_that_is_asked_to_stop_can_notice_and_end_in_its_own_way() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let polite = |gate: String| {
        arrive(&gate);
        while !pexec::task::cancelled() {
            std::thread::sleep(Duration::from_millis(1));
        }
        "stopped in order".to_owned()
    };
    let future = pool.submit(polite, gate.path());
    assert!(!pool.submit(|| 1, ()).interrupt(), "what waits cannot be asked");
    gate.wait_for(1);
    assert!(future.interrupt());
    assert_eq!(future.result().expect("it ended by itself"), "stopped in order");
    assert!(
        !pool.submit(pexec::task::cancelled, ()).result().expect("runs"),
        "the next one was not asked"
    );
    assert_eq!(pool.stats().restarts, 0);
}

#[test]
fn a_task_that_waits_for_descriptors_can_wait_for_the_request_to_stop_as_well() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let gate = Gate::new();
    let waits = |gate: String| {
        let fd = pexec::task::cancel_fd().expect("in a worker there is one");
        let ready = |timeout: PollTimeout| {
            let mut fds = [PollFd::new(fd, PollFlags::POLLIN)];
            poll(&mut fds, timeout).expect("polled") > 0
        };
        let before = ready(PollTimeout::ZERO);
        arrive(&gate);
        (before, ready(PollTimeout::NONE), pexec::task::cancelled())
    };
    for round in 1..=3 {
        let future = pool.submit(waits, gate.path());
        gate.wait_for(round);
        assert!(future.interrupt());
        assert_eq!(
            future.result().expect("it ended by itself"),
            (false, true, true),
            "round {round}"
        );
    }
    assert!(pexec::task::cancel_fd().is_none());
}

#[test]
fn what_a_task_emits_arrives_in_order_before_its_outcome() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let emit = |n: u32| {
        for i in 0..n {
            pexec::task::emit(format!("{i};").as_bytes());
        }
        pexec::task::emit(&vec![b'x'; 3 << 20]);
        n
    };
    for n in [0, 1, 500] {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let hear = Arc::clone(&heard);
        let task = pool
            .task(emit, n)
            .on_emit(move |bytes| hear.lock().expect("not poisoned").extend_from_slice(bytes));
        assert_eq!(task.submit().result().expect("runs"), n);
        let mut wanted: Vec<u8> = (0..n).flat_map(|i| format!("{i};").into_bytes()).collect();
        wanted.resize(wanted.len() + (3 << 20), b'x');
        assert!(*heard.lock().expect("not poisoned") == wanted, "{n} pieces");
    }
    pexec::task::emit(b"outside of a task nobody hears it");
    assert_eq!(
        pool.submit(emit, 3)
            .result()
            .expect("nobody listens, and that is all right"),
        3
    );
}

#[test]
fn nothing_emitted_before_a_crash_is_lost() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let heard = Arc::new(Mutex::new(0));
    let hear = Arc::clone(&heard);
    let task = pool
        .task(dying_words, ())
        .on_emit(move |bytes| *hear.lock().expect("not poisoned") += bytes.len());
    assert!(task.submit().result().is_err());
    assert_eq!(*heard.lock().expect("not poisoned"), 100_000);
}

fn dying_words() {
    for _ in 0..100 {
        pexec::task::emit(&[7; 1000]);
    }
    std::process::abort();
}

#[test]
fn a_worker_process_is_named_after_its_pool_and_slot() {
    let _sweep = LeakSweep::new();
    let pool = pexec::ProcessPool::builder()
        .workers(2)
        .name("thumbs")
        .build()
        .expect("a pool");
    let gate = Gate::new();
    let names = |gate: String| {
        assert!(pass(gate) > 0);
        let title = std::fs::read_to_string("/proc/self/cmdline").expect("a title");
        let slot = pexec::task::current().expect("a context").slot;
        (slot, title.trim_end_matches('\0').to_owned())
    };
    let futures = [pool.submit(names, gate.path()), pool.submit(names, gate.path())];
    gate.wait_for(2);
    gate.open();
    for future in futures {
        let (slot, title) = future.result().expect("runs");
        assert_eq!(title, format!("pexec-worker:thumbs:{slot}"));
    }
}
