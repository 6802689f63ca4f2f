//! Room: for files, descriptors and processes.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::statvfs::statvfs;

use super::{Check, Tried, no, one_line};

pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "temporary-files",
        needed: true,
        means: "output that is larger than 256 KiB has nowhere to go",
        advice: "make room, or point TMPDIR to a directory that can be written",
        try_it: temporary,
    },
    Check {
        name: "shared-memory",
        needed: false,
        means: "commands that use /dev/shm fail; pexec's own memory does not lie there",
        advice: "in a container, give it more: --shm-size",
        try_it: shared,
    },
    Check {
        name: "descriptors",
        needed: true,
        means: "workers, files and pipes of a run will not fit",
        advice: "raise it: ulimit -n 1024",
        try_it: descriptors,
    },
    Check {
        name: "processes",
        needed: true,
        means: "workers and their commands will not fit",
        advice: "raise it: ulimit -u, or the container's limit of pids",
        try_it: processes,
    },
];

/// What a check writes.
const TRIAL: usize = 4 << 20;

fn temporary() -> Tried {
    let dir = std::env::temp_dir();
    writable(&dir).or_else(|error| no(format!("{}: {}", dir.display(), one_line(error))))
}

fn shared() -> Tried {
    writable(Path::new("/dev/shm")).or_else(|error| no(format!("/dev/shm: {}", one_line(error))))
}

fn writable(dir: &Path) -> io::Result<String> {
    let mut file = tempfile::Builder::new()
        .prefix("pexec-doctor-")
        .tempfile_in(dir)?;
    file.write_all(&vec![1; TRIAL])?;
    file.flush()?;
    let room = statvfs(dir)?;
    let free = room.blocks_available() as u64 * room.fragment_size() as u64;
    Ok(format!(
        "{} MiB could be written to {}, {} are free",
        TRIAL >> 20,
        dir.display(),
        size(free)
    ))
}

fn size(bytes: u64) -> String {
    match bytes >> 20 {
        mib @ 0..10_240 => format!("{mib} MiB"),
        mib => format!("{} GiB", mib >> 10),
    }
}

fn cpus() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// As many as a run takes that uses all CPUs and has some to spare.
fn descriptors() -> Tried {
    let wanted = 64 + 16 * cpus();
    let limit = limit(Resource::RLIMIT_NOFILE);
    let mut open = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        match File::open("/dev/null") {
            Ok(file) => open.push(file),
            Err(error) => {
                let opened = open.len();
                drop(open);
                return no(format!("after {opened} of {wanted}: {error} (limit {limit})"));
            }
        }
    }
    Ok(format!("{wanted} more could be opened (limit {limit})"))
}

/// A worker and a command for each CPU, and as many again for what the commands start.
fn processes() -> Tried {
    let wanted = 4 * cpus();
    let limit = limit(Resource::RLIMIT_NPROC);
    let mut running: Vec<Child> = Vec::with_capacity(wanted);
    let mut tried: Result<(), String> = Ok(());
    for _ in 0..wanted {
        // Each ends when its input does.
        match Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
        {
            Ok(child) => running.push(child),
            Err(error) => {
                tried = Err(format!(
                    "after {} of {wanted}: {error} (limit {limit})",
                    running.len()
                ));
                break;
            }
        }
    }
    for child in &mut running {
        child.stdin = None;
    }
    for child in &mut running {
        let _ = child.wait();
    }
    let pids = fs::read_to_string("/sys/fs/cgroup/pids.max")
        .map_or(String::new(), |max| format!(", {} in this container", max.trim()));
    tried?;
    Ok(format!("{wanted} ran at a time (limit {limit}{pids})"))
}

fn limit(resource: Resource) -> String {
    match getrlimit(resource) {
        Ok((nix::libc::RLIM_INFINITY, _)) => "none".to_owned(),
        Ok((soft, _)) => soft.to_string(),
        Err(error) => error.to_string(),
    }
}
