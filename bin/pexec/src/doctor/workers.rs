//! Pools that really start, run, time out, kill, and end with who built them.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use pexec::{Executor, ProcessPool, ProcessPoolBuilder, TaskError, Transport};
use pexec_ipc::process;

use super::kernel::ends_within;
use super::{Check, No, Tried, no, one_line};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "workers",
        needed: true,
        means: "no job can run with as many workers as this machine has CPUs",
        advice: "raise the limit that the reason names, or run with fewer: -j 1",
        try_it: workers,
    },
    Check {
        name: "rings",
        needed: true,
        means: "tasks cannot travel through shared memory, which is the default",
        advice: "set PEXEC_TRANSPORT=socket, which is slower for very short tasks only",
        try_it: || echoes(Transport::Memory),
    },
    Check {
        name: "sockets",
        needed: false,
        means: "PEXEC_TRANSPORT=socket does not work here",
        advice: "leave that variable out",
        try_it: || echoes(Transport::Socket),
    },
    Check {
        name: "crash",
        needed: true,
        means: "a task that crashes would cost more than itself",
        advice: "report it, with this line",
        try_it: crash,
    },
    Check {
        name: "timeout",
        needed: true,
        means: "a task that hangs would hold its worker for ever",
        advice: "report it, with this line",
        try_it: timeout,
    },
    Check {
        name: "kill",
        needed: true,
        means: "a run could not be stopped",
        advice: "report it, with this line",
        try_it: kill,
    },
    Check {
        name: "lifeline",
        needed: true,
        means: "workers and commands would go on after pexec was killed",
        advice: "look for them with `ps` after a crash, and report it, with this line",
        try_it: lifeline,
    },
];

/// A pool of one worker whose tasks may be ended at once.
fn one() -> Result<ProcessPool, No> {
    quiet(ProcessPool::builder())
        .workers(1)
        .name("doctor")
        .kill_grace(Duration::from_millis(50))
        .build()
        .map_err(No::untried)
}

/// What a task says as it dies on purpose is of no use to anybody.
pub(super) fn quiet(builder: ProcessPoolBuilder) -> ProcessPoolBuilder {
    builder.capture_output(true).env("RUST_BACKTRACE", "0")
}

fn worker_of(pool: &ProcessPool) -> Result<u32, String> {
    let workers = pool.workers();
    let first = workers.first().ok_or("the pool has no worker")?;
    Ok(first.pid)
}

fn hang() {
    thread::sleep(Duration::from_secs(3600));
}

/// As many as a run would have.
fn workers() -> Tried {
    let began = Instant::now();
    let n = thread::available_parallelism().map_or(1, usize::from);
    let pool = ProcessPool::builder()
        .workers(n)
        .name("doctor")
        .build()
        .map_err(|error| error.to_string())?;
    // A worker that has answered has started; the pool starts the rest while the first ones work.
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        let pid = pool.submit(std::process::id, ()).result().map_err(one_line)?;
        if pid == std::process::id() {
            return no("a task ran in this process and not in a worker");
        }
        let ready = pool
            .workers()
            .iter()
            .filter(|worker| worker.state != pexec::WorkerState::Starting)
            .count();
        if ready >= n {
            return Ok(format!(
                "{n} started, and the first answered, in {:.1?}",
                began.elapsed()
            ));
        }
        if Instant::now() > until {
            return no(format!("only {ready} of {n} had started after 5s"));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// More than lies in a ring at a time, there and back.
fn echoes(transport: Transport) -> Tried {
    const BYTES: usize = 2 << 20;
    let pool = ProcessPool::builder()
        .workers(1)
        .transport(transport)
        .build()
        .map_err(|error| error.to_string())?;
    let sent: Vec<u8> = (0..BYTES).map(|i| (i % 251) as u8).collect();
    let back = pool
        .submit(|bytes: Vec<u8>| bytes, sent.clone())
        .result()
        .map_err(one_line)?;
    if back != sent {
        return no("2 MiB came back changed");
    }
    const MANY: u64 = 1000;
    let sum: u64 = pool
        .map(|n: u64| n, 0..MANY)
        .collect::<Result<Vec<_>, _>>()
        .map_err(one_line)?
        .into_iter()
        .sum();
    match sum == MANY * (MANY - 1) / 2 {
        true => Ok(format!("2 MiB and {MANY} short tasks went there and back")),
        false => no("short tasks got each other's answers"),
    }
}

fn crash() -> Tried {
    let pool = one()?;
    let end = pool.submit(|| -> () { std::process::abort() }, ()).result();
    let seen = match end {
        Err(TaskError::Crashed(autopsy)) => autopsy.exit.to_string(),
        other => return no(format!("a task that aborts ended as {other:?}")),
    };
    match pool.submit(|| 1, ()).result() {
        Ok(1) => Ok(format!("told as {seen}; the pool went on")),
        other => no(format!("after a crash, the next task ended as {other:?}")),
    }
}

fn timeout() -> Tried {
    let pool = one()?;
    match pool
        .task(hang, ())
        .timeout(Duration::from_millis(50))
        .submit()
        .result()
    {
        Err(TaskError::TimedOut(autopsy)) => Ok(format!(
            "a task that hangs was ended after {:.1?}",
            autopsy.ran_for
        )),
        other => no(format!("a task that hangs ended as {other:?}")),
    }
}

fn kill() -> Tried {
    let pool = one()?;
    let future = pool.submit(hang, ());
    let until = Instant::now() + Duration::from_secs(20);
    while !future.is_running() {
        if Instant::now() > until {
            return no("a task did not start");
        }
        thread::sleep(Duration::from_millis(1));
    }
    let began = Instant::now();
    future.kill();
    match future.result() {
        Err(TaskError::Killed(_)) => Ok(format!("a running task was gone after {:.1?}", began.elapsed())),
        other => no(format!("a task that was killed ended as {other:?}")),
    }
}

/// A worker plays the supervisor of a pool of its own, whose worker runs a command; then it is killed.
fn lifeline() -> Tried {
    let pool = one()?;
    let (sender, receiver) = channel();
    let future = pool
        .task(supervise, ())
        .on_emit(move |bytes| drop(sender.send(bytes.to_vec())))
        .submit();
    let supervisor = worker_of(&pool)?;
    let pids = loop {
        match receiver.recv_timeout(Duration::from_millis(20)) {
            Ok(bytes) => break numbers(&bytes),
            // Its end is told by its result.
            Err(_) if future.is_done() => {
                let why = future.result().map_err(No::untried)?;
                return Err(No::untried(why.err().unwrap_or_default()));
            }
            Err(_) => {}
        }
    };
    let [worker, command] = pids[..] else {
        return no("the worker told no process ids");
    };
    let watched = [worker, command].map(process::watch);
    let began = Instant::now();
    process::kill(supervisor as i32, Signal::SIGKILL);
    for (what, watched) in ["worker", "command in it"].into_iter().zip(watched) {
        let watched = watched.map_err(|error| format!("its {what} cannot be watched: {error}"))?;
        if !ends_within(&watched, Duration::from_secs(10)) {
            return no(format!(
                "its {what} still ran 10s after the supervisor was killed"
            ));
        }
    }
    Ok(format!(
        "worker and command were gone {:.1?} after their supervisor was killed",
        began.elapsed()
    ))
}

/// Runs in a worker: a pool in it, and a command in that pool's worker. Ends only by force.
fn supervise() -> Result<(), String> {
    let pool = one().map_err(|no| no.why)?;
    let future = pool.task(command, ()).on_emit(pexec::task::emit).submit();
    future.result().map_err(one_line)?
}

/// Runs in a worker's worker: a command in a group of its own, as `run` starts them.
fn command() -> Result<(), String> {
    let mut command = Command::new("sleep")
        .arg("3600")
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| format!("`sleep` cannot be started: {error}"))?;
    let guard = pexec::worker::guard_group(command.id() as i32);
    pexec::task::emit(format!("{} {}", std::process::id(), command.id()).as_bytes());
    hang();
    drop(guard);
    let _ = command.kill();
    let _ = command.wait();
    Ok(())
}

fn numbers(bytes: &[u8]) -> Vec<i32> {
    let text = String::from_utf8_lossy(bytes);
    text.split(' ').filter_map(|word| word.parse().ok()).collect()
}

/// A number in /proc/self/stat, counted as `man 5 proc` does.
pub(super) fn own_stat(field: usize) -> Option<i64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is a name in parentheses, which may hold anything.
    let rest = &stat[stat.rfind(')')? + 1..];
    rest.split_whitespace().nth(field - 3)?.parse().ok()
}
