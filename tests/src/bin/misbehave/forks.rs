//! A supervisor whose workers are forks, in every state that its end may meet.

use std::process::{Command, Stdio};
use std::time::Duration;

use pexec::{Executor, ProcessPool, ProcessPoolBuilder, StartMethod};
use pexec_tests::tasks;

/// A pool's options, with the start method that the test asks for.
pub(crate) fn builder() -> ProcessPoolBuilder {
    let method = match std::env::var("MISBEHAVE_START").as_deref() {
        Ok("zygote") => StartMethod::Zygote,
        _ => StartMethod::Spawn,
    };
    ProcessPool::builder().start_method(method)
}

fn zygote(workers: usize) -> ProcessPoolBuilder {
    ProcessPool::builder()
        .workers(workers)
        .name("doomed")
        .start_method(StartMethod::Zygote)
}

/// Says on one line that there is something to see, and which process it is.
fn ready() {
    println!("ready {}", std::process::id());
}

/// Waits for the end while two forks compute, one ignores SIGTERM and one is idle.
pub(crate) fn supervise_at_work() {
    let pool = zygote(4).build().expect("a pool");
    let compute = || -> () {
        ready();
        loop {
            std::hint::spin_loop();
        }
    };
    let ignore = || {
        tasks::ignore_sigterm();
        ready();
        tasks::hang();
    };
    drop(pool.submit(compute, ()));
    drop(pool.submit(compute, ()));
    drop(pool.submit(ignore, ()));
    tasks::hang();
}

/// Waits for the end while a template is in its initializer, which has started a process.
pub(crate) fn supervise_an_initializer() {
    let initialize = || {
        // It holds no pipe of the test's open.
        let sleeper = Command::new("sleep").arg("100003").stdout(Stdio::null()).spawn();
        ready();
        let _ = sleeper.expect("sleep starts").wait();
    };
    let _pool = zygote(3).initializer(initialize, ()).build().expect("a pool");
    tasks::hang();
}

/// The thread that has built the pool, and so started the template, ends. Prints the template's process id as one fork
/// after the other sees it.
pub(crate) fn built_by_a_thread_that_ends() {
    let build = || {
        let pool = zygote(1).initializer(std::process::id, ()).build();
        pool.expect("a pool")
    };
    let pool = std::thread::spawn(build).join().expect("no panic");
    for _ in 0..2 {
        // The thread's end reaches its children a moment later.
        std::thread::sleep(Duration::from_millis(20));
        let template = || pexec::worker::state::<u32>().copied();
        println!("{:?}", pool.submit(template, ()).result().ok());
        let _ = pool.submit(tasks::die_by, 9).result();
    }
}
