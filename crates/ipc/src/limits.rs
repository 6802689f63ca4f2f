//! Resource limits of this process: for good, or for the time of one task.

use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, rlim_t, setrlimit};

/// What is bounded. `None`: stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of address space.
    pub address_space: Option<u64>,
    /// CPU time from now on, of all threads together.
    pub cpu_time: Option<Duration>,
    /// Open descriptors.
    pub open_files: Option<u64>,
    /// Bytes of a core file.
    pub core: Option<u64>,
}

impl Limits {
    fn absolute(&self) -> impl Iterator<Item = (Resource, rlim_t)> {
        let limits = [
            (Resource::RLIMIT_AS, self.address_space),
            (Resource::RLIMIT_NOFILE, self.open_files),
            (Resource::RLIMIT_CORE, self.core),
        ];
        limits
            .into_iter()
            .filter_map(|(resource, most)| Some((resource, most?)))
    }
}

/// Sets all but the CPU time for good: this process and its children cannot raise them again. Where the hard limit is
/// lower already, that one counts.
///
/// # Errors
///
/// What the kernel says.
pub fn set(limits: &Limits) -> io::Result<()> {
    for (resource, most) in limits.absolute() {
        let (_, hard) = getrlimit(resource)?;
        let most = most.min(hard);
        setrlimit(resource, most, most)?;
    }
    Ok(())
}

/// Limits that end when this is dropped.
#[derive(Debug, Default)]
#[must_use = "the limits end with it"]
pub struct Bounded {
    before: Vec<(Resource, rlim_t, rlim_t)>,
}

impl Bounded {
    /// Moves the soft limits only, so that they can be put back.
    ///
    /// # Errors
    ///
    /// What the kernel says; then nothing is changed.
    pub fn by(limits: &Limits) -> io::Result<Bounded> {
        let mut bounded = Bounded::default();
        for (resource, most) in limits.absolute() {
            bounded.bound(resource, most)?;
        }
        if let Some(time) = limits.cpu_time {
            bounded.bound(Resource::RLIMIT_CPU, cpu_limit(used()?, time))?;
        }
        Ok(bounded)
    }

    fn bound(&mut self, resource: Resource, most: rlim_t) -> io::Result<()> {
        let (soft, hard) = getrlimit(resource)?;
        setrlimit(resource, most.min(hard), hard)?;
        self.before.push((resource, soft, hard));
        Ok(())
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        for (resource, soft, hard) in self.before.drain(..).rev() {
            // A soft limit can always be moved below its hard one. If the task has lowered that, its own counts.
            if setrlimit(resource, soft, hard).is_err()
                && let Ok((_, hard)) = getrlimit(resource)
            {
                let _ = setrlimit(resource, soft.min(hard), hard);
            }
        }
    }
}

/// CPU time of this process so far.
fn used() -> io::Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let time = |t: nix::sys::time::TimeVal| {
        Duration::from_secs(t.tv_sec().max(0) as u64) + Duration::from_micros(t.tv_usec().max(0) as u64)
    };
    Ok(time(usage.user_time()) + time(usage.system_time()))
}

/// The kernel's limit, in whole seconds, that leaves at least this much: at least a second.
fn cpu_limit(used: Duration, time: Duration) -> rlim_t {
    let time = time.max(Duration::from_secs(1));
    let end = used.saturating_add(time);
    end.as_secs().saturating_add(u64::from(end.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_gets_at_least_its_cpu_time_and_less_than_a_second_more() {
        let ms = Duration::from_millis;
        assert_eq!(cpu_limit(ms(0), ms(1000)), 1);
        assert_eq!(cpu_limit(ms(0), ms(0)), 1, "never none at all");
        assert_eq!(cpu_limit(ms(100), ms(1000)), 2);
        assert_eq!(cpu_limit(ms(2500), ms(1500)), 4);
        assert_eq!(cpu_limit(ms(2500), ms(1501)), 5);
        assert_eq!(cpu_limit(ms(2500), Duration::MAX), u64::MAX);
    }

    #[test]
    fn soft_limits_are_put_back() {
        let before = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        let limits = Limits {
            open_files: Some(64),
            ..Limits::default()
        };
        let bounded = Bounded::by(&limits).unwrap();
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), (64, before.1));
        drop(bounded);
        assert_eq!(getrlimit(Resource::RLIMIT_NOFILE).unwrap(), before);
    }
}
