//! Thousands of tasks awaited at once under tokio, with `select!` and timeouts. No future has a thread of its own.

use std::time::Duration;

use pexec::{Executor, ProcessPool, TaskErrorKind};
use tokio::task::JoinSet;

fn square(n: u64) -> u64 {
    n * n
}

fn nap(ms: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(ms));
    ms
}

async fn work(pool: &ProcessPool) -> Result<(), Box<dyn std::error::Error>> {
    // Thousands at once.
    let mut all = JoinSet::new();
    for n in 0..5000 {
        all.spawn(pool.submit(square, n));
    }
    let mut sum = 0;
    while let Some(result) = all.join_next().await {
        sum += result??;
    }
    println!("sum of 5000 squares: {sum}");

    // The first of two. The other is still there, and can be awaited or taken back.
    let (mut slow, mut quick) = (pool.submit(nap, 600_000), pool.submit(nap, 1));
    tokio::select! {
        result = &mut slow => println!("slow: {result:?}"),
        result = &mut quick => println!("the quick one was first: {} ms", result?),
    }

    // A timeout around an await ends the waiting, not the task: `kill` does.
    let waited = tokio::time::timeout(Duration::from_millis(50), &mut slow).await;
    println!("still running after the timeout: {}", waited.is_err());
    slow.kill();
    let kind = slow.await.map_err(|error| error.kind());
    println!("killed: {}", kind == Err(TaskErrorKind::Killed));

    // A time limit of the task itself counts from its start, and ends it.
    let late = pool
        .task(nap, 600_000)
        .timeout(Duration::from_millis(50))
        .submit();
    let kind = late.await.map_err(|error| error.kind());
    println!("timed out: {}", kind == Err(TaskErrorKind::TimedOut));
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before the runtime: a worker must not have one.
    pexec::init();
    let pool = ProcessPool::builder()
        .workers(2)
        .kill_grace(Duration::from_millis(100))
        .build()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()?;
    runtime.block_on(work(&pool))
}
