//! A small HTTP service that hands its CPU work to a pool: the runtime's threads stay free, a request has a time limit
//! that ends the work, and an input that kills its worker is one bad answer.
//!
//! `service` prints the address it listens on. `/factors/N` gives the prime factors of N, `/crash` and `/hang` misbehave.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use pexec::{Executor, ProcessPool, TaskError};

type Answer = (StatusCode, String);

fn factors(mut n: u64) -> Vec<u64> {
    let mut found = Vec::new();
    let mut d = 2;
    while n > 1 && d * d <= n {
        while n.is_multiple_of(d) {
            found.push(d);
            n /= d;
        }
        d += 1;
    }
    found.extend((n > 1).then_some(n));
    found
}

fn crash() {
    std::process::abort();
}

fn hang() {
    std::thread::sleep(Duration::from_secs(3600));
}

/// What the client is told: whose fault it was, and no more than that.
fn answer<R: std::fmt::Debug>(result: Result<R, TaskError>) -> Answer {
    match result {
        Ok(value) => (StatusCode::OK, format!("{value:?}")),
        Err(TaskError::TimedOut(_)) => (StatusCode::GATEWAY_TIMEOUT, "it took too long".into()),
        Err(error) => {
            eprintln!("{error}");
            (StatusCode::INTERNAL_SERVER_ERROR, "it went wrong".into())
        }
    }
}

async fn get_factors(State(pool): State<Arc<ProcessPool>>, Path(n): Path<u64>) -> Answer {
    // Full: say so at once rather than make the client wait.
    match pool.try_submit(factors, n) {
        Ok(future) => answer(future.await),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "too much to do".into()),
    }
}

async fn get_crash(State(pool): State<Arc<ProcessPool>>) -> Answer {
    answer(pool.submit(crash, ()).await)
}

async fn get_hang(State(pool): State<Arc<ProcessPool>>) -> Answer {
    answer(
        pool.task(hang, ())
            .timeout(Duration::from_millis(100))
            .submit()
            .await,
    )
}

async fn serve(pool: ProcessPool) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/factors/{n}", get(get_factors))
        .route("/crash", get(get_crash))
        .route("/hang", get(get_hang))
        .with_state(Arc::new(pool));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, routes).await
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Before the runtime: a worker must not have one.
    pexec::init();
    let pool = ProcessPool::builder()
        .workers(2)
        .name("service")
        .queue_capacity(1000)
        .task_timeout(Duration::from_secs(10))
        .kill_grace(Duration::from_millis(100))
        .build()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    Ok(runtime.block_on(serve(pool))?)
}
