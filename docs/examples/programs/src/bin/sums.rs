//! The same sums on one thread, on threads and in processes, side by side.
//!
//! In Python, threads do not make this faster and processes do. In Rust both do: processes are for what may crash,
//! leak or hang, and this shows what that costs.

use std::time::{Duration, Instant};

use pexec::{Executor, Inline, ProcessPool, ThreadPool};

/// How many primes are below `n`, counted the slow way.
fn primes_below(n: u64) -> usize {
    let is_prime = |n: u64| (2..).take_while(|d| d * d <= n).all(|d| !n.is_multiple_of(d));
    (2..n).filter(|&n| is_prime(n)).count()
}

/// Runs the sums and gives their total and how long it took.
fn measure(executor: &impl Executor, inputs: &[u64]) -> Result<(usize, Duration), pexec::TaskError> {
    let start = Instant::now();
    let total: Result<usize, _> = executor.map(primes_below, inputs.to_vec()).sum();
    Ok((total?, start.elapsed()))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pexec::init();
    let inputs: Vec<u64> = (1..=48).map(|n| n * 500).collect();
    // The pools are there before the clock starts: starting processes is not what is compared.
    let (threads, processes) = (ThreadPool::new()?, ProcessPool::new()?);
    processes.map(primes_below, [1, 1]).for_each(drop);
    let rows = [
        ("one thread", measure(&Inline::new(), &inputs)?),
        ("threads", measure(&threads, &inputs)?),
        ("processes", measure(&processes, &inputs)?),
    ];
    println!("{:<12}{:>10}{:>10}{:>10}", "where", "primes", "ms", "speed");
    let alone = rows[0].1.1;
    for (name, (total, took)) in rows {
        let ms = took.as_secs_f64() * 1e3;
        println!(
            "{name:<12}{total:>10}{ms:>10.1}{:>10.2}",
            alone.as_secs_f64() / took.as_secs_f64()
        );
    }
    Ok(())
}
