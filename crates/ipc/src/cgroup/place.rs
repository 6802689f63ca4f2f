//! What the kernel's texts about cgroups say. Pure: texts in, answers out.

use std::path::{Path, PathBuf};

/// This process's cgroup of version 2, from `/proc/self/cgroup`; `None`: it is in none, or in one that is out of
/// sight.
pub(super) fn own_path(cgroups: &str) -> Option<&str> {
    let path = cgroups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // Above the root of this process's cgroup namespace.
    let outside = path.split('/').any(|part| part == "..");
    (path.starts_with('/') && !outside && !path.ends_with(" (deleted)")).then_some(path)
}

/// Where a cgroup of that path is seen, from `/proc/self/mountinfo`: only part of the tree may be mounted, and more
/// than once.
pub(super) fn directory(mountinfo: &str, path: &str) -> Option<PathBuf> {
    mountinfo.lines().find_map(|line| {
        let (about, kind) = line.split_once(" - ")?;
        if kind.split(' ').next() != Some("cgroup2") {
            return None;
        }
        let mut fields = about.split(' ').skip(3);
        let (root, point) = (unescaped(fields.next()?), unescaped(fields.next()?));
        let below = Path::new(path).strip_prefix(root).ok()?;
        Some(match below.as_os_str().is_empty() {
            true => PathBuf::from(point),
            false => Path::new(&point).join(below),
        })
    })
}

/// Blanks and backslashes stand in that file as three octal digits.
fn unescaped(field: &str) -> String {
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    plain
        .iter()
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}

/// A list of controllers (`cgroup.controllers`, `cgroup.subtree_control`) has memory's.
pub(super) fn has_memory(controllers: &str) -> bool {
    controllers.split_ascii_whitespace().any(|name| name == "memory")
}

/// How many processes but this one are in a cgroup, from its `cgroup.procs`. `None`: this one is not.
pub(super) fn others(procs: &str, own: u32) -> Option<usize> {
    let own = own.to_string();
    let (own, others): (Vec<&str>, Vec<&str>) = procs.split_ascii_whitespace().partition(|pid| **pid == own);
    (!own.is_empty()).then_some(others.len())
}

/// The number behind a name, as in `memory.events`; 0 where the name is missing.
pub(super) fn count(table: &str, name: &str) -> u64 {
    let lines = table.lines().filter_map(|line| line.split_once(' '));
    lines
        .filter(|(key, _)| *key == name)
        .find_map(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0)
}

/// A cgroup's own bound was reached and the kernel ended something for it, from its `memory.events.local` and
/// `memory.events`. Cgroups below may have bounds of their own, and so may those above.
pub(super) fn over_its_bound(local: &str, all: &str) -> bool {
    count(local, "oom") > 0 && count(all, "oom_kill") > 0
}

/// The name of a supervisor's cgroup: ours to remove, if nobody has locked it.
pub(super) fn is_base(name: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    name.strip_prefix("pexec-")
        .is_some_and(|rest| match rest.split_once('-') {
            Some((pid, again)) => digits(pid) && digits(again),
            None => digits(rest),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNIFIED: &str = "24 1 0:22 / /proc rw,nosuid - proc proc rw
30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot
";
    const HYBRID: &str = "32 31 0:29 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    /// A container without a namespace of its own for cgroups, in which somebody has mounted things with odd names.
    const BOUND: &str = "612 605 0:26 /docker/0f1e2d /sys/fs/cgroup ro,nosuid - cgroup2 cgroup rw
613 605 0:26 /docker/0f1e2d/some\\040where /mnt/a\\134b rw - cgroup2 cgroup rw
";

    #[test]
    fn the_own_cgroup_is_the_line_of_version_2() {
        let scope = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope\n";
        assert_eq!(
            own_path(scope),
            Some("/user.slice/user-1000.slice/user@1000.service/app.slice/run-r1.scope")
        );
        assert_eq!(own_path("9:name=systemd:/\n4:memory:/a/b\n0::/\n"), Some("/"));
        assert_eq!(own_path("4:memory:/a/b\n"), None, "version 1 alone");
        assert_eq!(own_path("0::/../../init.scope\n"), None, "above its namespace");
        assert_eq!(own_path("0::/a (deleted)\n"), None);
        assert_eq!(own_path(""), None);
    }

    #[test]
    fn a_cgroup_is_seen_below_its_mount() {
        let at = |mounts, path| directory(mounts, path).map(|dir| dir.display().to_string());
        assert_eq!(at(UNIFIED, "/").as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(at(UNIFIED, "/a/b").as_deref(), Some("/sys/fs/cgroup/a/b"));
        assert_eq!(at(HYBRID, "/a").as_deref(), Some("/sys/fs/cgroup/unified/a"));
        assert_eq!(at(BOUND, "/docker/0f1e2d").as_deref(), Some("/sys/fs/cgroup"));
        assert_eq!(at(BOUND, "/docker/0f1e2d/x").as_deref(), Some("/sys/fs/cgroup/x"));
        assert_eq!(
            at(BOUND, "/docker/0f1e2dx"),
            None,
            "a name that only begins alike"
        );
        assert_eq!(at(BOUND, "/"), None, "not mounted");
        let (_, second) = BOUND.split_once('\n').expect("two lines");
        assert_eq!(
            at(second, "/docker/0f1e2d/some where/x").as_deref(),
            Some("/mnt/a\\b/x")
        );
        assert_eq!(at("", "/"), None);
        assert_eq!(at("broken - cgroup2\n30 23 0:26 / - cgroup2 x\n", "/"), None);
    }

    #[test]
    fn controllers_are_whole_words() {
        assert!(has_memory("cpuset cpu io memory hugetlb pids rdma misc\n"));
        assert!(!has_memory("cpu memory_pressure\n"));
        assert!(!has_memory("\n"));
    }

    #[test]
    fn who_else_is_in_a_cgroup_is_counted() {
        assert_eq!(others("17\n", 17), Some(0));
        assert_eq!(
            others("1\n170\n17\n0\n", 17),
            Some(3),
            "0 is one that cannot be seen from here"
        );
        assert_eq!(others("1\n170\n", 17), None);
        assert_eq!(others("", 17), None);
    }

    #[test]
    fn only_the_cgroups_own_bound_counts() {
        let events = |oom, oom_kill| {
            format!("low 0\nhigh 0\nmax 77\noom {oom}\noom_kill {oom_kill}\noom_group_kill 1\n")
        };
        assert!(over_its_bound(&events(1, 3), &events(1, 3)));
        assert!(!over_its_bound(&events(0, 0), &events(0, 0)));
        assert!(
            !over_its_bound(&events(0, 3), &events(0, 3)),
            "the bound of one above, or all memory"
        );
        assert!(
            !over_its_bound(&events(0, 0), &events(1, 3)),
            "the bound of one below"
        );
        assert!(
            over_its_bound(&events(1, 0), &events(1, 3)),
            "what was ended lay below"
        );
        assert!(!over_its_bound(&events(1, 0), &events(1, 0)), "nothing was ended");
        assert!(!over_its_bound("", "nonsense\n\noom x\n"));
    }

    #[test]
    fn bases_are_known_by_their_names() {
        for name in ["pexec-1", "pexec-4194304", "pexec-12-3"] {
            assert!(is_base(name), "{name}");
        }
        for name in [
            "pexec",
            "pexec-",
            "pexec-x",
            "pexec-1-",
            "pexec-1-2-3",
            "pexec-1.scope",
            "a-pexec-1",
            "pexec-+1",
        ] {
            assert!(!is_base(name), "{name}");
        }
    }
}
