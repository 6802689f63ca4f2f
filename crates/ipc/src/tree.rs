//! A process and what came of it, as /proc tells: how much memory they hold together, how much CPU time they have used.
//!
//! Members are the process, its group, and whatever descends from one of these. What left the group and whose parent
//! has ended is none any more: nothing says where it came from. A look is cheap and may miss a member for a while;
//! nothing should be ended before [`Tree::survey`] has said so, which reads all of /proc.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// How many threads' children are looked up one by one.
const THREADS: usize = 64;
/// How often all members are looked at before what they hold is believed, while some of them end.
const SURVEYS: usize = 3;
/// Between two surveys there is at least this, and so many times what one costs.
const APART: Duration = Duration::from_millis(250);
const SHARE: u32 = 50;

/// The members of one tree, as far as they are known.
#[derive(Debug)]
pub struct Tree {
    /// The first process, whose group has its number.
    root: i32,
    /// Members that need not be found again by going down from the root.
    known: Vec<i32>,
    /// When, and what it cost.
    surveyed: (Instant, Duration),
}

/// What the members hold and have used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Resident memory in bytes; what several share counts for each, so it is never less than they hold together.
    pub resident: u64,
    /// CPU time of the members, and of those children that they have waited for.
    pub cpu: Duration,
}

/// A process as it was just now.
#[derive(Clone, Copy, Debug)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
    cpu_ticks: u64,
    /// When it started: with its number this names it for good.
    started: u64,
    resident_pages: u64,
}

impl Tree {
    /// The tree of the leader of a group.
    pub fn new(root: i32) -> Tree {
        Tree {
            root,
            known: vec![root],
            // A young tree is all below its root.
            surveyed: (Instant::now(), Duration::ZERO),
        }
    }

    /// What the members use. Goes down from those that are known, and looks for others now and then.
    pub fn look(&mut self) -> Usage {
        let (at, cost) = self.surveyed;
        if at.elapsed() > APART.max(cost * SHARE) {
            return usage(&self.members());
        }
        let mut seen: Vec<Process> = Vec::new();
        let mut todo = self.known.clone();
        while let Some(pid) = todo.pop() {
            if seen.iter().any(|process| process.pid == pid) {
                continue;
            }
            let Some(process) = Process::read(pid) else {
                continue;
            };
            seen.push(process);
            match children(pid) {
                Some(children) => todo.extend(children),
                None => return usage(&self.members()),
            }
        }
        usage(&seen)
    }

    /// How much memory the members hold, pages that several share counted once, from a full look at all processes.
    pub fn survey(&mut self) -> u64 {
        let mut least = u64::MAX;
        for _ in 0..SURVEYS {
            let members = self.members();
            least = least.min(members.iter().map(proportional).sum());
            // Who ends meanwhile leaves its part of what it shares to the others: what they hold is then told too high, by
            // as much as twice and more where several end one after the other.
            if !members.iter().any(Process::has_ended) {
                break;
            }
        }
        least
    }

    /// Kills the members that the group's signals do not reach.
    pub fn kill_strays(&mut self) {
        let root = self.root;
        for stray in self.members().into_iter().filter(|member| member.group != root) {
            let pidfd = Pid::from_raw(stray.pid).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
            let Some(Ok(pidfd)) = pidfd else { continue };
            // Its number may have gone to another process meanwhile; the descriptor stays with this one.
            if stray.now().is_some() {
                let _ = pidfd_send_signal(&pidfd, Signal::KILL);
            }
        }
    }

    fn members(&mut self) -> Vec<Process> {
        let began = Instant::now();
        let all = every_process();
        let mut children: HashMap<i32, Vec<usize>> = HashMap::new();
        for (at, process) in all.iter().enumerate() {
            children.entry(process.parent).or_default().push(at);
        }
        let mut is_member = vec![false; all.len()];
        let mut todo: Vec<usize> = (0..all.len())
            .filter(|at| all[*at].group == self.root || all[*at].pid == self.root)
            .collect();
        while let Some(at) = todo.pop() {
            if !std::mem::replace(&mut is_member[at], true) {
                todo.extend(children.get(&all[at].pid).into_iter().flatten());
            }
        }
        let members: Vec<Process> = all
            .into_iter()
            .zip(is_member)
            .filter_map(|(process, is_member)| is_member.then_some(process))
            .collect();
        self.known = members.iter().map(|process| process.pid).collect();
        if !self.known.contains(&self.root) {
            self.known.push(self.root);
        }
        self.surveyed = (Instant::now(), began.elapsed());
        members
    }
}

fn usage(members: &[Process]) -> Usage {
    let pages: u64 = members.iter().map(|process| process.resident_pages).sum();
    let ticks: u64 = members.iter().map(|process| process.cpu_ticks).sum();
    let a_second = rustix::param::clock_ticks_per_second().max(1);
    Usage {
        resident: pages.saturating_mul(rustix::param::page_size() as u64),
        cpu: Duration::from_millis(ticks.saturating_mul(1000) / a_second),
    }
}

fn every_process() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?))
        .collect()
}

impl Process {
    fn read(pid: i32) -> Option<Process> {
        // A name need not be text.
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        Process::parse(pid, &String::from_utf8_lossy(&stat))
    }

    /// It held something when it was found, and now it is gone, or what is left of it holds nothing.
    fn has_ended(&self) -> bool {
        self.resident_pages > 0 && self.now().is_none_or(|now| now.resident_pages == 0)
    }

    /// The same process as it is now; its number may be another's by now.
    fn now(&self) -> Option<Process> {
        Process::read(self.pid).filter(|now| now.started == self.started)
    }

    fn parse(pid: i32, stat: &str) -> Option<Process> {
        // Behind its name, which may hold anything but is in parentheses.
        let (_, rest) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
        let cpu = [11, 12, 13, 14];
        Some(Process {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            group: fields.get(2)?.parse().ok()?,
            cpu_ticks: cpu.into_iter().filter_map(number).sum(),
            started: number(19)?,
            resident_pages: number(21)?,
        })
    }
}

/// The children of a process; `None`: they are too many to ask for, or the kernel does not tell.
fn children(pid: i32) -> Option<Vec<i32>> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        // It has ended.
        return Some(Vec::new());
    };
    let mut children = Vec::new();
    for (n, thread) in threads.flatten().enumerate() {
        if n == THREADS {
            return None;
        }
        match fs::read_to_string(thread.path().join("children")) {
            Ok(list) => children.extend(
                list.split_ascii_whitespace()
                    .filter_map(|pid| pid.parse::<i32>().ok()),
            ),
            // The thread has ended, or the kernel has no such file.
            Err(_) if thread.path().exists() => return None,
            Err(_) => {}
        }
    }
    Some(children)
}

/// Its memory, with its part of what it shares, in memory and swapped out. Of a process that may not be looked into,
/// all that is resident.
fn proportional(process: &Process) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{}/smaps_rollup", process.pid));
    let parts = rollup.ok().map(|text| {
        let parts = text.lines().filter_map(|line| {
            let (name, rest) = line.split_once(':')?;
            let wanted = matches!(name, "Pss" | "SwapPss");
            wanted.then(|| rest.trim().trim_end_matches("kB").trim().parse::<u64>().ok())?
        });
        parts.sum::<u64>() * 1024
    });
    // One that has ended since it was found cannot be looked into either, and holds nothing.
    let resident = || process.now().map_or(0, |now| now.resident_pages);
    parts.unwrap_or_else(|| resident() * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// Says a line when all of it runs.
    fn started(script: &str) -> Child {
        let mut child = Command::new("sh")
            .args(["-c", script])
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        let mut line = String::new();
        let stdout = child.stdout.as_mut().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("a line");
        child
    }

    #[test]
    fn descendants_and_those_that_left_the_group_are_members_until_they_are_killed() {
        let mut child = started("sleep 1000 & setsid sh -c 'sleep 1000 & echo ready; wait' & read x");
        let root = child.id() as i32;
        let mut tree = Tree::new(root);
        let members = tree.members();
        assert!(members.len() >= 4, "{members:?}");
        let strays = members.iter().filter(|member| member.group != root).count();
        assert!(strays >= 2, "{members:?}");
        assert!(tree.look().resident > 0);
        let all = tree.survey();
        assert!(
            all > 0 && all <= usage(&members).resident,
            "shared pages count once"
        );
        tree.kill_strays();
        let until = Instant::now() + Duration::from_secs(30);
        while tree
            .members()
            .iter()
            .any(|member| member.group != root && member.resident_pages > 0)
        {
            assert!(Instant::now() < until, "{:?}", tree.members());
            std::thread::sleep(Duration::from_millis(5));
        }
        crate::process::kill_group(root, nix::sys::signal::Signal::SIGKILL);
        child.wait().expect("ours");
        // The rest of the group has been killed too, but dies in its own time.
        while tree.look() != Usage::default() {
            assert!(Instant::now() < until, "{:?}", tree.members());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_name_may_hold_anything() {
        let stat = "7 (a) R 1 (b) S 3 5 5 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 1 0 777 1000000 99 18446744073709551615";
        let process = Process::parse(7, stat).expect("whole");
        assert_eq!((process.parent, process.group), (3, 5));
        assert_eq!(
            (process.cpu_ticks, process.started, process.resident_pages),
            (100, 777, 99)
        );
        assert!(Process::parse(7, "7 (a) S 3").is_none());
    }
}
