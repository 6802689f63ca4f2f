//! Calls by name with JSON: how arguments arrive, what is refused and when, how a call ends.

pexec::test_init!();

use std::collections::BTreeMap;
use std::path::PathBuf;

use pexec::named::CallError;
use pexec::{Executor, Exit, Failure, Inline, ProcessPool, TaskError, ThreadPool};
use pexec_job::call::{self, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

fn pool(workers: usize) -> ProcessPool {
    ProcessPool::builder().workers(workers).build().expect("a pool")
}

fn pids(pool: &ProcessPool) -> Vec<u32> {
    pool.workers().iter().map(|w| w.pid).collect()
}

/// The sum of two numbers.
///
/// With more to say that is not listed.
#[pexec::task(name = "sums/add")]
fn add(a: u64, b: u64) -> u64 {
    a + b
}

#[pexec::task]
fn worker_of(path: PathBuf, depth: Option<u8>) -> (u32, PathBuf, Option<u8>) {
    (std::process::id(), path, depth)
}

#[derive(Debug, Serialize, Deserialize)]
struct Picture {
    width: u32,
    tags: BTreeMap<String, Vec<i16>>,
}

#[pexec::task(name = "shrink")]
fn shrink(mut picture: Picture, (by, _): (u32, bool)) -> Result<Picture, Failure> {
    if by == 0 {
        return Err(Failure::msg("a picture cannot shrink by nothing"));
    }
    picture.width /= by;
    Ok(picture)
}

#[derive(Debug, Serialize, Deserialize)]
enum Refused {
    TooDeep { limit: u8 },
}

#[pexec::task(name = "dive")]
fn dive(depth: u8) -> Result<u8, Refused> {
    if depth > 9 {
        Err(Refused::TooDeep { limit: 9 })
    } else {
        Ok(depth)
    }
}

#[pexec::task(name = "abort")]
fn abort() {
    std::process::abort();
}

#[pexec::task(name = "panic")]
fn panic(text: String) -> String {
    panic!("{text}");
}

fn answer(executor: &impl Executor, name: &str, arguments: Value) -> Result<Value, CallError> {
    let call = call::by_name(executor, name, arguments)?;
    call.result().expect("it ran").map(|json| json.0)
}

#[test]
fn a_call_by_name_runs_in_a_worker_with_arguments_by_name_or_by_place() {
    let pool = pool(2);
    for arguments in [json!({ "a": 40, "b": 2 }), json!([40, 2])] {
        assert_eq!(answer(&pool, "sums/add", arguments), Ok(json!(42)));
    }
    let name = "calls::worker_of";
    for (arguments, depth) in [
        (json!({ "path": "/x" }), json!(null)),
        (json!(["/x"]), json!(null)),
        (json!({ "path": "/x", "depth": 3 }), json!(3)),
    ] {
        let found = answer(&pool, name, arguments).expect("called");
        assert_eq!((&found[1], &found[2]), (&json!("/x"), &depth));
        assert_ne!(found[0], json!(std::process::id()));
    }
    let picture = json!({ "width": 90, "tags": { "a": [1, -2] } });
    assert_eq!(
        answer(&pool, "shrink", json!([picture, [3, true]])),
        Ok(json!({ "width": 30, "tags": { "a": [1, -2] } }))
    );
}

#[test]
fn every_executor_calls_by_name() {
    let threads = ThreadPool::builder().workers(2).build().expect("threads");
    for answer in [
        answer(&threads, "sums/add", json!([1, 2])),
        answer(&Inline::new(), "sums/add", json!([1, 2])),
    ] {
        assert_eq!(answer, Ok(json!(3)));
    }
}

#[test]
fn too_few_too_many_and_unknown_arguments_are_refused_before_anything_is_submitted() {
    let pool = pool(1);
    let submitted = |pool: &pexec::ProcessPool| {
        let stats = pool.stats();
        stats.done + stats.failed + stats.queued + stats.running
    };
    for (arguments, why) in [
        (json!(null), "expected 2 arguments, found 0"),
        (json!({}), "`a: u64` and `b: u64` are missing"),
        (json!({ "a": 1 }), "`b: u64` is missing"),
        (json!({ "a": 1, "b": 2, "c": 3 }), "it has no parameter `c`"),
        (json!([1]), "expected 2 arguments, found 1"),
        (json!([1, 2, 3]), "expected 2 arguments, found 3"),
        (json!(7), "expected 2 arguments, found 1"),
    ] {
        let Err(error) = call::by_name(&pool, "sums/add", arguments) else {
            panic!("not refused: {why}")
        };
        let text = error.to_string();
        assert!(
            text.starts_with("wrong arguments for `sums/add(a: u64, b: u64) -> u64`: ") && text.contains(why),
            "{text}"
        );
    }
    let Err(error) = call::by_name(&pool, "sums/ad", json!([1, 2])) else {
        panic!("not refused")
    };
    assert_eq!(error, CallError::Unknown("sums/ad".to_owned()));
    assert_eq!(submitted(&pool), 0);
}

#[test]
fn an_argument_of_the_wrong_type_names_the_task_the_parameter_and_the_type() {
    let pool = pool(1);
    let worker = pids(&pool);
    let error = answer(&pool, "sums/add", json!({ "a": 1, "b": "two" })).expect_err("no number");
    assert_eq!(
        error.to_string(),
        "wrong argument `b` for `sums/add`, which takes `u64`: invalid type: string \"two\", expected u64"
    );
    let error =
        answer(&pool, "shrink", json!([{ "width": -1, "tags": {} }, [1, true]])).expect_err("negative");
    assert!(
        error
            .to_string()
            .contains("wrong argument `picture` for `shrink`, which takes `Picture`")
    );
    assert_eq!(answer(&pool, "sums/add", json!([1, 1])), Ok(json!(2)));
    assert_eq!(pids(&pool), worker, "the worker lives");
}

#[test]
fn a_functions_own_error_is_a_failure_with_its_text() {
    let pool = pool(1);
    let picture = json!({ "width": 90, "tags": {} });
    assert_eq!(
        answer(&pool, "shrink", json!([picture, [0, true]])),
        Err(CallError::Failed("a picture cannot shrink by nothing".to_owned()))
    );
    assert_eq!(answer(&pool, "dive", json!([9])), Ok(json!(9)));
    assert_eq!(
        answer(&pool, "dive", json!([10])),
        Err(CallError::Failed("TooDeep { limit: 9 }".to_owned()))
    );
}

#[test]
fn a_crash_or_a_panic_in_a_call_is_that_of_any_task_and_names_the_function() {
    let pool = pool(1);
    let call = call::by_name(&pool, "abort", json!(null)).expect("submitted");
    assert_eq!(call.label(), Some("abort"));
    let error = call.result().expect_err("a crash");
    let TaskError::Crashed(autopsy) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(autopsy.exit, Exit::Signal(6));
    assert!(error.to_string().contains("abort"), "{error}");

    let call = call::by_name(&pool, "panic", json!(["at the disco"])).expect("submitted");
    let TaskError::Panicked(panic) = call.result().expect_err("a panic") else {
        panic!("not a panic")
    };
    assert_eq!(panic.message, "at the disco");
    assert!(panic.location.contains("calls.rs"), "{}", panic.location);
    assert_eq!(answer(&pool, "sums/add", json!([1, 1])), Ok(json!(2)));
}

#[test]
fn json_travels_as_an_argument_and_as_a_result() {
    let value = json!({ "a": [1, null, -2.5, "x"], "b": { "c": u64::MAX } });
    let back = pool(1).submit(|json: Json| json, Json(value.clone())).result();
    assert_eq!(back.expect("travelled").0, value);
}
