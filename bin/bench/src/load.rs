//! How much others used the machine while something was measured: what a doubtful figure may come from.

use std::time::Instant;

use nix::sys::resource::{Usage, UsageWho, getrusage};

/// The state of the machine's clocks at a moment.
pub(crate) struct Load {
    at: Instant,
    all: Option<f64>,
    ours: f64,
}

impl Load {
    pub(crate) fn now() -> Load {
        Load {
            at: Instant::now(),
            all: busy(&std::fs::read_to_string("/proc/stat").unwrap_or_default()),
            ours: used(UsageWho::RUSAGE_SELF) + used(UsageWho::RUSAGE_CHILDREN),
        }
    }

    /// How many CPUs others have kept busy since, on average: what neither this process used nor the programs that
    /// it has started and that have ended.
    pub(crate) fn of_others(&self) -> Option<f64> {
        let now = Load::now();
        let others = (now.all? - self.all?) - (now.ours - self.ours);
        Some(others.max(0.0) / now.at.duration_since(self.at).as_secs_f64())
    }
}

fn used(who: UsageWho) -> f64 {
    let seconds = |usage: Usage| {
        let (user, system) = (usage.user_time(), usage.system_time());
        (user.tv_sec() + system.tv_sec()) as f64 + (user.tv_usec() + system.tv_usec()) as f64 / 1e6
    };
    getrusage(who).map_or(0.0, seconds)
}

/// Seconds of all CPUs that were not idle and not stolen by the host.
fn busy(stat: &str) -> Option<f64> {
    let fields = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<f64> = fields.split_whitespace().map_while(|f| f.parse().ok()).collect();
    let per_second = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok()??;
    // user, nice, system, then idle and waiting for a disk, then interrupts.
    let working = [0, 1, 2, 5, 6].into_iter().map(|i| ticks.get(i));
    Some(working.sum::<Option<f64>>()? / per_second as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_and_stolen_time_are_not_busy() {
        let per_second = busy("cpu  1 0 0 0 0 0 0 0 0 0\n")
            .map(|second| 1.0 / second)
            .expect("a clock");
        let stat = format!(
            "cpu  {0} {0} {0} 900 900 {0} {0} 900 0 0\ncpu0 1 2 3\n",
            per_second
        );
        assert_eq!(busy(&stat), Some(5.0));
        assert_eq!(busy(""), None);
    }
}
