//! The library's behaviours, with real worker processes: one module for each area.
//!
//! One binary for all of them, because linking is what takes the time; [`pexec_tests::LeakSweep`] makes the tests
//! of one process run one after the other.

pexec::test_init!();

mod actor;
mod actor_handles;
mod again;
mod asynchronous;
mod autopsy;
mod batches;
mod callbacks;
mod cancelling;
mod capture;
mod changing;
mod chaos;
mod context;
mod crashes;
mod edges;
mod executors;
mod finalizers;
mod footprint;
mod futures;
mod heartbeat;
mod limits;
mod map;
mod messages;
mod named;
mod nesting;
mod options;
mod payloads;
mod priority;
mod recycling;
mod retry;
mod rings;
mod shared_bytes;
mod sizing;
mod spawn;
mod starting;
mod stats;
mod stopping;
mod suspending;
mod timeouts;
mod tracing;
mod traffic;
mod transports;
mod tricky;
mod waiting;
mod wakers;
mod wakeups;
mod worker_limits;
mod zygote;
mod zygote_faults;

/// The start method that this run is about; see `zygote_faults`.
fn method() -> pexec::StartMethod {
    match std::env::var(zygote_faults::METHOD).as_deref() {
        Ok("zygote") => pexec::StartMethod::Zygote,
        _ => pexec::StartMethod::Spawn,
    }
}

/// A pool's options, with that method.
fn builder() -> pexec::ProcessPoolBuilder {
    pexec::ProcessPool::builder().start_method(method())
}

/// A pool with this many workers that does not wait long for those that do not want to end.
fn pool(workers: usize) -> pexec::ProcessPool {
    let pool = builder()
        .workers(workers)
        .kill_grace(std::time::Duration::from_millis(200))
        .build()
        .expect("a pool");
    // Forks come a moment later than processes that were started.
    if method() == pexec::StartMethod::Zygote {
        pexec_tests::wait_until("there are processes", || pool.workers().len() == workers);
    }
    pool
}

/// The processes of the pool's workers, by slot.
fn pids(pool: &pexec::ProcessPool) -> Vec<u32> {
    pool.workers().iter().map(|w| w.pid).collect()
}
