//! Functions with a name: what is listed, found and refused. Calls are tested where there is a format for their
//! arguments, in `pexec-job`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pexec::named::{self, Arguments, CallError};
use pexec::{Executor, Failure};
use pexec_tests::LeakSweep;
use serde::{Deserialize, Serialize};

use crate::pool;

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

#[pexec::task(name = "abort")]
fn abort() {
    std::process::abort();
}

#[test]
fn a_named_function_is_listed_with_its_signature_and_the_first_line_of_its_documentation() {
    let add = named::find("sums/add").expect("registered");
    assert_eq!(add.signature(), "sums/add(a: u64, b: u64) -> u64");
    assert_eq!(add.doc(), "The sum of two numbers.");
    assert!(add.place().0.ends_with("named.rs"), "{:?}", add.place());

    let shrink = named::find("shrink").expect("registered");
    assert_eq!(
        shrink.signature(),
        "shrink(picture: Picture, argument2: (u32, bool)) -> Result<Picture, Failure>"
    );
    assert_eq!(named::find("abort").expect("registered").signature(), "abort()");

    let names: Vec<&str> = named::tasks().iter().map(|task| task.name()).collect();
    assert!(names.is_sorted(), "{names:?}");
    for name in [
        "abort",
        "shrink",
        "sums/add",
        "pool::named::worker_of",
        "tests/echo",
    ] {
        assert!(names.contains(&name), "{name} in {names:?}");
    }
}

#[test]
fn a_named_function_stays_callable_and_can_be_submitted_as_before() {
    let _sweep = LeakSweep::new();
    assert_eq!(add(1, 2), 3);
    let pool = pool(1);
    assert_eq!(pool.submit(add, (3, 4)).result().expect("sum"), 7);
}

#[test]
fn arguments_are_put_in_order_or_refused_with_the_signature() {
    let task = named::find("pool::named::worker_of").expect("registered");
    let by_name =
        |names: &[&str]| Arguments::ByName(names.iter().map(|&name| (name.to_owned(), name.len())).collect());
    assert_eq!(
        task.arrange(by_name(&["depth", "path"])),
        Ok(vec![Some(4), Some(5)])
    );
    assert_eq!(task.arrange(by_name(&["path"])), Ok(vec![Some(4), None]));
    assert_eq!(task.arrange(Arguments::ByPlace(vec![1])), Ok(vec![Some(1), None]));
    for (wrong, why) in [
        (by_name(&["depth"]), "`path: PathBuf` is missing"),
        (by_name(&["path", "dept"]), "it has no parameter `dept`"),
        (by_name(&["path", "path"]), "`path` is there twice"),
        (Arguments::ByPlace(vec![]), "expected 2 arguments, found 0"),
        (Arguments::ByPlace(vec![1, 2, 3]), "expected 2 arguments, found 3"),
    ] {
        let error = task.arrange(wrong).expect_err(why).to_string();
        assert!(
            error.contains("`pool::named::worker_of(path: PathBuf, depth: Option<u8>)")
                && error.ends_with(why),
            "{error}"
        );
    }
}

#[test]
fn a_name_that_nothing_has_is_unknown() {
    let unknown = named::find("sums/ad").map(|task| task.name());
    assert_eq!(unknown, Err(CallError::Unknown("sums/ad".to_owned())));
}
