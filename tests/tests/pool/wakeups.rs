//! No wake-up is lost, whoever waits, however, and whatever the others do meanwhile. A lost one would show as a result
//! that comes only when a timer of the pool's own looks after it, seconds later.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use pexec::{Executor, ProcessPool, TaskError, TaskFuture, Transport, Until, as_completed};
use pexec_tests::LeakSweep;
use pexec_tests::random::Random;
use pexec_tests::tasks::add;

use crate::asynchronous::block_on;

/// Nothing here takes long; a pool without a timer looks round after four seconds by itself, which must not be what
/// brings a result.
const LOST: Duration = Duration::from_millis(3500);

fn work(us: u64) -> u64 {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(us) {
        std::hint::spin_loop();
    }
    us
}

fn doze(us: u64) -> u64 {
    std::thread::sleep(Duration::from_micros(us));
    us
}

fn double(n: u64) -> u64 {
    2 * n
}

fn reversed(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.reverse();
    bytes
}

fn tasks(pool: &ProcessPool, n: usize) -> Vec<TaskFuture<u64>> {
    (0..n as u64).map(|i| pool.submit(add, (i, 1))).collect()
}

fn check(futures: Vec<TaskFuture<u64>>) {
    for (i, future) in (1..).zip(futures) {
        assert_eq!(future.result().expect("it runs"), i);
    }
}

/// One thing that a caller may do, by its number.
fn act(pool: &ProcessPool, what: usize, random: &mut Random) {
    let some = 1 + random.below(40);
    let many = 1 + random.below(1500);
    match what {
        0 => (0..some).for_each(|_| check(tasks(pool, 1))),
        1 => {
            for _ in 0..some / 4 {
                std::thread::sleep(Duration::from_micros(random.below(3000) as u64));
                check(tasks(pool, 1));
            }
        }
        2 => check(tasks(pool, many)),
        3 => {
            let futures = tasks(pool, many);
            let waited = pexec::wait(&futures, Until::FirstDone, None);
            assert!(!waited.done.is_empty());
            assert_eq!(pexec::wait(&futures, Until::AllDone, None).done.len(), many);
        }
        4 => {
            let mut sums: Vec<u64> = as_completed(tasks(pool, many))
                .map(|(_, sum)| sum.expect("it runs"))
                .collect();
            sums.sort_unstable();
            assert!(sums.into_iter().eq(1..=many as u64));
        }
        5 => {
            let (done, all) = channel();
            for future in tasks(pool, many) {
                let done = done.clone();
                future.on_done(move |outcome| {
                    let _ = done.send(outcome.is_ok());
                });
            }
            drop(done);
            for _ in 0..many {
                assert!(all.recv_timeout(LOST).expect("it is called"));
            }
        }
        6 => (0..some).for_each(|_| assert_eq!(block_on(pool.submit(add, (3, 4))).expect("it runs"), 7)),
        7 => {
            let futures = tasks(pool, some);
            block_on(async {
                for (i, future) in (1..).zip(futures) {
                    assert_eq!(future.await.expect("it runs"), i);
                }
            });
        }
        8 => {
            drop(tasks(pool, many));
            check(tasks(pool, 1));
        }
        9 => {
            let futures = tasks(pool, many);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    futures.iter().step_by(3).for_each(|f| {
                        let _ = f.cancel();
                    });
                });
                futures.last().expect("one").wait();
            });
            for (i, future) in (1..).zip(futures) {
                match future.result() {
                    Ok(sum) => assert_eq!(sum, i),
                    Err(error) => assert!(matches!(error, TaskError::Cancelled), "{error}"),
                }
            }
        }
        10 => {
            let us = random.below(2500) as u64;
            let (busy, dozing) = (pool.submit(work, us / 4), pool.submit(doze, us));
            assert_eq!(dozing.result().expect("it runs"), us);
            assert_eq!(busy.result().expect("it runs"), us / 4);
        }
        11 => {
            let bytes: Vec<u8> = (0..random.below(900_000)).map(|i| i as u8).collect();
            let futures = [(); 2].map(|()| pool.submit(reversed, bytes.clone()));
            for future in futures {
                assert_eq!(future.result().expect("it runs").len(), bytes.len());
            }
        }
        12 => {
            let us = random.below(1500) as u64;
            let mut future = pool.submit(doze, us);
            let limit = Duration::from_micros(random.below(2000) as u64);
            // Giving up once leaves something behind that must do no harm.
            match future.result_timeout(limit) {
                Ok(result) => assert_eq!(result.expect("it runs"), us),
                Err(back) => {
                    future = back;
                    assert_eq!(future.result().expect("it runs"), us);
                }
            }
        }
        13 => {
            let sums = pool.map(double, 0..many as u64);
            assert!(
                sums.map(|sum| sum.expect("it runs"))
                    .eq((0..many as u64).map(|n| 2 * n))
            );
        }
        _ => {
            let timed = pool.task(doze, 300).timeout(Duration::from_secs(20)).submit();
            let futures = tasks(pool, some);
            // Nobody asks for these before the caller is somewhere else.
            std::thread::sleep(Duration::from_micros(random.below(1500) as u64));
            timed.wait();
            check(futures);
        }
    }
}

/// Some threads at once, each with its own mind.
fn callers(pool: &ProcessPool, threads: usize, seed: u64, until: Instant) {
    std::thread::scope(|scope| {
        for thread in 0..threads {
            scope.spawn(move || {
                let mut random = Random::new(seed * 64 + thread as u64 * 2 + 1);
                while Instant::now() < until {
                    let what = random.below(15);
                    let start = Instant::now();
                    act(pool, what, &mut random);
                    let took = start.elapsed();
                    assert!(
                        took < LOST,
                        "{took:?} for {what}, caller {thread} of {threads}, seed {seed}"
                    );
                }
            });
        }
    });
}

/// PEXEC_STRESS_SECONDS makes it as thorough as there is time for.
fn nothing_is_lost_over(transport: Transport) {
    let seconds = std::env::var("PEXEC_STRESS_SECONDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let time = Duration::from_millis(seconds.map_or(2600, |s: u64| 1000 * s));
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = clock.map_or(1, |d| u64::from(d.subsec_nanos()));
    let rounds = [(1, 1), (2, 4), (1, 2), (4, 1), (3, 4), (2, 2)];
    for (workers, threads) in rounds {
        let pool = ProcessPool::builder()
            .workers(workers)
            .transport(transport)
            .build()
            .expect("a pool");
        callers(&pool, threads, seed, Instant::now() + time / rounds.len() as u32);
        let stats = pool.stats();
        assert_eq!((stats.failed, stats.restarts), (0, 0), "{workers} workers");
    }
}

#[test]
fn no_wake_up_is_lost_over_shared_memory() {
    let _sweep = LeakSweep::new();
    nothing_is_lost_over(Transport::Memory);
}

#[test]
fn no_wake_up_is_lost_over_sockets() {
    let _sweep = LeakSweep::new();
    nothing_is_lost_over(Transport::Socket);
}
