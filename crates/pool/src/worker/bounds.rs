//! Limits and place of this process: what the pool wants for all of a worker's life, and what each task gets.

use std::io;
use std::time::Duration;

use pexec_ipc::limits::{self, Bounded};
use pexec_ipc::{process, warm};
use pexec_proto::{Limits, Setup};

/// What every task here gets, unless it says something else.
#[derive(Default)]
pub(super) struct Bounds {
    cpu_ms: Option<u64>,
}

impl Bounds {
    /// What holds for the whole process, and what it starts later takes over.
    pub(super) fn of(setup: &Setup) -> Result<Bounds, String> {
        if let Some(nice) = setup.nice {
            process::set_nice(nice).map_err(|e| format!("its niceness cannot be {nice}: {e}"))?;
        }
        if let Some(cpus) = &setup.cpus {
            process::set_affinity(cpus).map_err(|e| format!("it cannot run on the CPUs {cpus:?}: {e}"))?;
        }
        let limits = setup.limits.unwrap_or_default();
        limits::set(&absolute(&limits)).map_err(|e| format!("its limits cannot be set: {e}"))?;
        Ok(Bounds {
            cpu_ms: limits.cpu_ms,
        })
    }

    /// Bounds the task that is about to start, until the value is dropped. A task without limits costs nothing here.
    #[inline]
    pub(super) fn for_task(&self, own: Option<Limits>) -> io::Result<Option<Bounded>> {
        if own.is_none() && self.cpu_ms.is_none() {
            return Ok(None);
        }
        let own = own.unwrap_or_default();
        if own.address_space.is_some() {
            // What earlier tasks have left would count against this one.
            warm::give_back();
        }
        let limits = limits::Limits {
            cpu_time: own.cpu_ms.or(self.cpu_ms).map(Duration::from_millis),
            ..absolute(&own)
        };
        Bounded::by(&limits).map(Some)
    }
}

fn absolute(limits: &Limits) -> limits::Limits {
    limits::Limits {
        address_space: limits.address_space,
        cpu_time: None,
        open_files: limits.open_files,
        core: limits.core,
    }
}
