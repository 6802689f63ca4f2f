//! Limits, niceness and CPUs of workers: each is exceeded, or looked at from inside.

use std::fs::{self, File};
use std::time::Duration;

use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;
use pexec::{Executor, Limits, ProcessPool, ProcessPoolBuilder, TaskError};

use super::workers::{own_stat, quiet};
use super::{Check, No, Tried, no, one_line};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "address-space",
        needed: false,
        means: "a task's address space cannot be limited",
        advice: "keep an eye on memory, or limit it from outside",
        try_it: address_space,
    },
    Check {
        name: "cpu-time",
        needed: false,
        means: "`cpu_time` has no effect",
        advice: "use `timeout`",
        try_it: cpu_time,
    },
    Check {
        name: "open-files",
        needed: false,
        means: "`open_files` has no effect",
        advice: "limit it from outside",
        try_it: open_files,
    },
    Check {
        name: "nice",
        needed: false,
        means: "`nice` has no effect",
        advice: "start pexec itself with `nice`",
        try_it: nice,
    },
    Check {
        name: "cpu-affinity",
        needed: false,
        means: "workers cannot be bound to CPUs",
        advice: "start pexec itself with `taskset`",
        try_it: affinity,
    },
    Check {
        name: "core-files",
        needed: false,
        means: "a crash leaves a core file in the job's directory, with all that was in memory",
        advice: "run `ulimit -c 0` before pexec",
        try_it: core_files,
    },
];

fn built(builder: ProcessPoolBuilder) -> Result<ProcessPool, No> {
    quiet(builder).workers(1).build().map_err(No::untried)
}

/// What a limit did to a task, in its own words.
fn exceeded<R: std::fmt::Debug>(end: Result<R, TaskError>) -> Tried {
    match end {
        Err(TaskError::LimitExceeded(autopsy)) => Ok(autopsy.verdict),
        Err(other) => no(format!(
            "a task that exceeded it ended otherwise: {}",
            one_line(other)
        )),
        Ok(value) => no(format!("a task exceeded it and came to its end: {value:?}")),
    }
}

fn address_space() -> Tried {
    const LIMIT: u64 = 1 << 30;
    let pool = built(ProcessPool::builder())?;
    let hog = |bytes: u64| {
        // Unseen by the optimizer, which may leave out what nobody reads.
        let hoard: Vec<u8> = std::hint::black_box(vec![1; bytes as usize]);
        hoard.len()
    };
    // Address space only: the allocation is refused before a page of it exists.
    exceeded(
        pool.task(hog, 2 * LIMIT)
            .limits(Limits::new().address_space(LIMIT).core(0))
            .submit()
            .result(),
    )
}

fn cpu_time() -> Tried {
    let pool = built(ProcessPool::builder())?;
    let spin = || {
        let began = std::time::Instant::now();
        // An end of its own, should the limit not hold.
        while began.elapsed() < Duration::from_secs(15) {
            std::hint::spin_loop();
        }
    };
    exceeded(
        pool.task(spin, ())
            .limits(Limits::new().cpu_time(Duration::from_secs(1)).core(0))
            .submit()
            .result(),
    )
}

fn open_files() -> Tried {
    const LIMIT: u64 = 48;
    let pool = built(ProcessPool::builder())?;
    let open = |most: u64| -> Result<usize, String> {
        let mut open = Vec::new();
        for _ in 0..most {
            match File::open("/dev/null") {
                Ok(file) => open.push(file),
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::EMFILE as i32) => {
                    return Ok(open.len());
                }
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!(
            "{} more than the limit of {LIMIT} could be opened",
            open.len()
        ))
    };
    let opened = pool
        .task(open, LIMIT)
        .limits(Limits::new().open_files(LIMIT))
        .submit()
        .result()
        .map_err(one_line)??;
    Ok(format!(
        "under a limit of {LIMIT}, a task could open {opened} beside its worker's own"
    ))
}

fn nice() -> Tried {
    const NICE: usize = 19;
    let own = own_stat(NICE).ok_or("/proc/self/stat cannot be read")?;
    let wanted = (own + 1).min(19);
    let pool = built(ProcessPool::builder().nice(wanted as i32))?;
    match pool.submit(|| own_stat(NICE), ()).result().map_err(one_line)? {
        Some(got) if got == wanted => Ok(format!("a worker went from {own} to {got}")),
        got => no(format!("a worker that was to have {wanted} has {got:?}")),
    }
}

fn cpus() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count())
        .filter(|&cpu| set.is_set(cpu).unwrap_or(false))
        .collect()
}

fn affinity() -> Tried {
    let all = cpus();
    let last = *all.last().ok_or("the CPUs of this process cannot be asked for")?;
    let pool = built(ProcessPool::builder().cpu_affinity([[last]]))?;
    let got = pool.submit(cpus, ()).result().map_err(one_line)?;
    match got == [last] {
        true => Ok(format!("a worker was bound to CPU {last} of {}", all.len())),
        false => no(format!("a worker that was to have CPU {last} has {got:?}")),
    }
}

fn core_files() -> Tried {
    let dir = tempfile::Builder::new()
        .prefix("pexec-")
        .tempdir()
        .map_err(|error| No::untried(format!("no directory to crash in: {}", one_line(error))))?;
    let pattern = fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap_or_default();
    let pool = built(ProcessPool::builder().current_dir(dir.path()))?;
    let _ = pool.submit(|| -> () { std::process::abort() }, ()).result();
    pool.terminate();
    let left = fs::read_dir(dir.path())
        .map_err(|error| error.to_string())?
        .count();
    let pattern = pattern.trim();
    match left {
        0 => Ok(format!(
            "a crash left no file where it happened; the kernel's pattern is `{pattern}`"
        )),
        _ => no(format!(
            "a crash left a file where it happened; the kernel's pattern is `{pattern}`"
        )),
    }
}
