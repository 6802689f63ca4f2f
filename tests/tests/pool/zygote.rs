//! Workers that are forked from a template: what they share, what each has of its own, and that nobody notices a
//! difference otherwise.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use pexec::{Executor, Limits, ProcessPool, ProcessPoolBuilder, StartMethod, Transport, WorkerState};
use pexec_tests::gate::{arrive, pass};
use pexec_tests::processes::{self, Process};
use pexec_tests::tasks::{add, die_by, pid};
use pexec_tests::{Gate, LeakSweep, wait_until};

pub(crate) fn zygote() -> ProcessPoolBuilder {
    ProcessPool::builder()
        .start_method(StartMethod::Zygote)
        .kill_grace(Duration::from_millis(200))
}

/// The templates of this process's pools that run.
pub(crate) fn templates() -> Vec<Process> {
    let mut children = processes::children_of(std::process::id() as i32);
    let title = |pid: i32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    children.retain(|child| title(child.pid).ends_with(b":template\0"));
    children
}

/// Neither serialisable nor `Send`.
struct State {
    home: u32,
    _not_send: std::rc::Rc<()>,
}

fn prepare(gate: String) -> State {
    arrive(&gate);
    State {
        home: std::process::id(),
        _not_send: std::rc::Rc::new(()),
    }
}

/// Where the state was made, and where it is.
fn homes() -> (u32, u32) {
    let state = pexec::worker::state::<State>().expect("the initializer's");
    (state.home, std::process::id())
}

fn wait_ready(pool: &ProcessPool, workers: usize) {
    wait_until("the workers are ready", || {
        let ready = pool
            .workers()
            .into_iter()
            .filter(|w| w.state == WorkerState::Idle);
        ready.count() == workers
    });
}

#[test]
fn the_initializer_runs_once_for_all_workers_and_their_replacements() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pool = zygote()
        .workers(3)
        .initializer(prepare, gate.path())
        .build()
        .expect("a pool");
    wait_ready(&pool, 3);
    let template = templates().pop().expect("a template").pid as u32;
    for _ in 0..3 {
        let (home, here) = pool.submit(homes, ()).result().expect("runs");
        assert_eq!(home, template);
        assert!(here != template && crate::pids(&pool).contains(&here));
        assert!(pool.submit(die_by, 9).result().is_err());
        wait_ready(&pool, 3);
    }
    assert_eq!(gate.arrived(), 1);
    assert_eq!(pool.stats().restarts, 3);
}

/// What the process says of itself.
fn about() -> (i32, i32, i32, i32, BTreeSet<String>) {
    let me = std::process::id() as i32;
    let process = processes::find(me).expect("this process");
    let links = pexec_tests::sweep::descriptors().into_values();
    // Numbers of pipes and sockets differ.
    let kinds = links.map(|link| link.split(['[', ' ']).next().unwrap_or_default().to_owned());
    let thread = nix::unistd::gettid().as_raw();
    (me, process.parent, process.group, thread, kinds.collect())
}

fn count_descriptors() -> usize {
    pexec_tests::sweep::descriptors().len()
}

#[test]
fn a_fork_is_a_child_of_the_supervisor_and_has_what_a_started_worker_has() {
    let _sweep = LeakSweep::new();
    for transport in [Transport::Memory, Transport::Socket] {
        for capture in [false, true] {
            let build = |builder: ProcessPoolBuilder| {
                let builder = builder.workers(2).transport(transport).capture_output(capture);
                let pool = builder.build().expect("a pool");
                wait_ready(&pool, 2);
                pool
            };
            let (forked, started) = (build(zygote()), build(ProcessPool::builder()));
            let (pid, parent, group, thread, kinds) = forked.submit(about, ()).result().expect("runs");
            assert_eq!((parent, group), (std::process::id() as i32, pid));
            assert_eq!(thread, pid, "the thread that was forked is the first one");
            let usual = started.submit(about, ()).result().expect("runs").4;
            assert_eq!(kinds, usual);
            let counts = [&forked, &started].map(|pool| pool.submit(count_descriptors, ()).result().ok());
            assert_eq!(counts[0], counts[1], "nothing of the template is left open");
        }
    }
}

#[test]
fn a_fork_has_the_title_of_its_slot() {
    let _sweep = LeakSweep::new();
    let pool = zygote().workers(1).name("thumbs").build().expect("a pool");
    let title = || std::fs::read_to_string("/proc/self/cmdline").expect("a title");
    let title = pool.submit(title, ()).result().expect("runs");
    assert_eq!(title.trim_end_matches('\0'), "pexec-worker:thumbs:0");
}

#[test]
fn threads_locks_and_panics_work_in_a_fork() {
    let _sweep = LeakSweep::new();
    let pool = zygote().workers(1).build().expect("a pool");
    let compute = || {
        let sum = std::sync::Arc::new(std::sync::Mutex::new(0));
        let threads = (0..8).map(|n| {
            let sum = std::sync::Arc::clone(&sum);
            std::thread::spawn(move || *sum.lock().expect("no panic") += n)
        });
        for thread in threads.collect::<Vec<_>>() {
            thread.join().expect("no panic");
        }
        *sum.lock().expect("no panic")
    };
    assert_eq!(pool.submit(compute, ()).result().expect("runs"), 28);
    let robust = || {
        let mut head = std::ptr::null_mut::<u8>();
        let mut size = 0_usize;
        #[allow(unsafe_code)]
        // SAFETY: the call writes a pointer and a size, to locals of those types.
        let done =
            unsafe { nix::libc::syscall(nix::libc::SYS_get_robust_list, 0, &raw mut head, &raw mut size) };
        done == 0 && !head.is_null()
    };
    assert!(
        pool.submit(robust, ()).result().expect("runs"),
        "the kernel knows the list of robust locks"
    );
    assert!(pool.submit(|| -> () { panic!("caught") }, ()).result().is_err());
    assert_eq!(pool.submit(add, (1, 2)).result().expect("runs"), 3);
}

/// Keys, nonces and the like come from the kernel, for each process anew.
#[test]
fn forks_do_not_share_what_the_kernels_random_source_gives() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let random = |gate: String| {
        let dir = tempfile::tempdir().expect("a directory");
        let _ = pass(gate);
        dir.path().to_path_buf()
    };
    let pool = zygote().workers(4).build().expect("a pool");
    wait_ready(&pool, 4);
    let futures: Vec<_> = (0..4).map(|_| pool.submit(random, gate.path())).collect();
    gate.wait_for(4);
    gate.open();
    let names: BTreeSet<_> = futures.into_iter().map(|f| f.result().expect("runs")).collect();
    assert_eq!(names.len(), 4);
}

const MODEL: usize = 64 << 20;

fn load() -> Vec<u8> {
    vec![7; MODEL]
}

/// Reads all of the model, and says how much memory is this process's share.
fn share(gate: String) -> (u64, u64) {
    let model = pexec::worker::state::<Vec<u8>>().expect("the model");
    let sum = model.iter().map(|&byte| u64::from(byte)).sum();
    let _ = pass(gate);
    let rollup = std::fs::read_to_string("/proc/self/smaps_rollup").expect("what the kernel says");
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    (sum, kib.expect("a number") << 10)
}

#[test]
fn what_the_initializer_has_made_lies_in_memory_once() {
    const WORKERS: usize = 6;
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pool = zygote()
        .workers(WORKERS)
        .initializer(load, ())
        .build()
        .expect("a pool");
    wait_ready(&pool, WORKERS);
    let futures: Vec<_> = (0..WORKERS).map(|_| pool.submit(share, gate.path())).collect();
    gate.wait_for(WORKERS);
    gate.open();
    let shares = futures.into_iter().map(|f| f.result().expect("runs"));
    let shares: Vec<u64> = shares
        .map(|(sum, share)| {
            assert_eq!(sum, 7 * MODEL as u64);
            share
        })
        .collect();
    // The template has its share, too. Two copies would be 128 MiB.
    let all: u64 = shares.iter().sum();
    assert!(all < 2 * MODEL as u64, "{shares:?}");
}

#[test]
fn forks_are_recycled_resized_and_come_and_go_with_the_load() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let pool = zygote()
        .workers(2)
        .max_tasks_per_worker(3)
        .restart_limit(0, Duration::from_secs(3600))
        .initializer(prepare, gate.path())
        .build()
        .expect("a pool");
    let here = pool.map(homes, (0..60).map(|_| ()));
    let pids: Vec<u32> = here.map(|r| r.expect("runs").1).collect();
    for pid in &pids {
        assert!(pids.iter().filter(|p| *p == pid).count() <= 3);
    }
    pool.resize(5);
    wait_ready(&pool, 5);
    pool.resize(1);
    wait_until("one is left", || pool.workers().len() == 1);
    assert_eq!(pool.submit(add, (1, 2)).result().expect("runs"), 3);
    assert_eq!(gate.arrived(), 1, "all of them are forks of one template");

    let held = Gate::new();
    let elastic = zygote()
        .workers_between(1, 4)
        .idle_timeout(Duration::from_millis(50))
        .build()
        .expect("a pool");
    let futures: Vec<_> = (0..4).map(|_| elastic.submit(pass, held.path())).collect();
    held.wait_for(4);
    held.open();
    assert!(futures.into_iter().all(|f| f.result().is_ok()));
    wait_until("the others have left", || elastic.workers().len() == 1);
}

#[test]
fn limits_niceness_and_cpus_hold_for_forks_and_the_initializer() {
    let _sweep = LeakSweep::new();
    let cpus = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).expect("its CPUs");
    let first = (0..1024)
        .find(|&cpu| cpus.is_set(cpu).unwrap_or(false))
        .expect("a CPU");
    let files = || getrlimit(Resource::RLIMIT_NOFILE).expect("a limit").0;
    let pool = zygote()
        .workers(1)
        .limits(Limits::new().open_files(99))
        .nice(7)
        .cpu_affinity([[first]])
        .initializer(files, ())
        .build()
        .expect("a pool");
    let look = || {
        let stat = std::fs::read_to_string("/proc/self/stat").expect("what the kernel says");
        let nice = stat.rsplit_once(')').and_then(|(_, rest)| {
            let nice = rest.split_whitespace().nth(16)?;
            nice.parse::<i32>().ok()
        });
        let cpus = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0)).expect("its CPUs");
        (
            pexec::worker::state::<u64>().copied(),
            getrlimit(Resource::RLIMIT_NOFILE).expect("a limit").0,
            nice,
            (0..1024)
                .filter(|&cpu| cpus.is_set(cpu).unwrap_or(false))
                .collect::<Vec<_>>(),
        )
    };
    let looked = pool.submit(look, ()).result().expect("runs");
    assert_eq!(looked, (Some(99), 99, Some(7), vec![first]));
}

#[test]
fn what_a_template_prints_is_not_printed_again_by_its_forks() {
    let _sweep = LeakSweep::new();
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("out").to_str().expect("text").to_owned();
    // Half a line each, which stays in a buffer.
    let print = |path: String| {
        let file = std::fs::File::create(path).expect("the file");
        nix::unistd::dup2_stdout(&file).expect("redirected");
        print!("rust ");
        #[allow(unsafe_code)]
        // SAFETY: a plain text without conversions.
        unsafe {
            nix::libc::printf(c"c ".as_ptr())
        };
    };
    let pool = zygote()
        .workers(3)
        .initializer(print, path.clone())
        .build()
        .expect("a pool");
    wait_ready(&pool, 3);
    pool.shutdown();
    let text = std::fs::read_to_string(path).expect("the file");
    assert_eq!(
        (text.matches("rust ").count(), text.matches("c ").count()),
        (1, 1),
        "{text}"
    );
}

#[test]
fn every_fork_runs_the_finalizer_and_the_template_does_not() {
    let _sweep = LeakSweep::new();
    let gate = Gate::new();
    let leave = |gate: String| arrive(&gate);
    let pool = zygote()
        .workers(3)
        .finalizer(leave, gate.path())
        .build()
        .expect("a pool");
    wait_ready(&pool, 3);
    pool.shutdown();
    assert_eq!(gate.arrived(), 3);
    assert!(templates().is_empty());
}

#[test]
fn a_task_in_a_fork_may_have_a_pool_of_its_own() {
    let _sweep = LeakSweep::new();
    let outer = zygote().workers(1).build().expect("a pool");
    let nested = || {
        let inner = ProcessPool::builder()
            .workers(1)
            .start_method(StartMethod::Zygote)
            .build()
            .map_err(|e| e.to_string())?;
        inner.submit(pid, ()).result().map_err(|e| e.to_string())
    };
    let inner = outer.submit(nested, ()).result().expect("runs").expect("a pool");
    assert!(!crate::pids(&outer).contains(&inner));
}

#[test]
fn a_template_stands_still_with_its_pool_and_forks_when_that_goes_on() {
    let _sweep = LeakSweep::new();
    let pool = zygote().workers(2).build().expect("a pool");
    wait_ready(&pool, 2);
    pool.suspend();
    let workers = crate::pids(&pool);
    for worker in &workers {
        assert!(processes::send(*worker as i32, nix::sys::signal::Signal::SIGKILL));
    }
    let template = templates().pop().expect("it is still there");
    assert_eq!(template.state, 'T');
    let future = pool.submit(pid, ());
    wait_until("the killed ones are reaped", || {
        workers.iter().all(|&pid| processes::find(pid as i32).is_none())
    });
    pool.resume();
    assert!(!workers.contains(&future.result().expect("runs in a fresh fork")));
}

#[test]
fn an_initializer_may_take_its_time_and_nobody_waits_for_it_at_the_end() {
    let _sweep = LeakSweep::new();
    for stop in [
        ProcessPool::shutdown,
        ProcessPool::terminate,
        ProcessPool::shutdown_now,
    ] {
        let gate = Gate::new();
        let pool = zygote()
            .workers(3)
            .initializer(pass, gate.path())
            .build()
            .expect("a pool");
        gate.wait_for(1);
        // Those that wait for the template come and go.
        pool.resize(5);
        pool.resize(1);
        stop(&pool);
        assert!(templates().is_empty());
    }
    let gate = Gate::new();
    let pool = zygote()
        .workers(2)
        .initializer(pass, gate.path())
        .build()
        .expect("a pool");
    gate.wait_for(1);
    let future = pool.submit(add, (1, 2));
    assert!(!future.wait_timeout(Duration::from_millis(30)));
    gate.open();
    assert_eq!(future.result().expect("runs"), 3);
}
