//! Arguments and results: any size up to the limit, both ways at once; what cannot be sent fails its own task only.

use pexec::{Execution, Executor, TaskError, TaskErrorKind};
use pexec_tests::LeakSweep;
use pexec_tests::tasks::{echo, pid};

use crate::pool;
use crate::tricky::{Trick, Tricky, give_back, take};

/// Text of this length in which no part looks like the part beside it.
fn text(len: usize) -> String {
    let mut text = String::with_capacity(len + 8);
    let mut n = 0x2545_f491_u32;
    while text.len() < len {
        n = n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        text.push_str(&format!("{n:08x}"));
    }
    text.truncate(len);
    text
}

#[test]
fn every_size_around_every_boundary_comes_back_whole() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    // Buffers and thresholds of either side are powers of two; headers, references and lengths are below 48 bytes.
    let around = |at: usize| at.saturating_sub(48)..at + 8;
    let sizes: Vec<usize> = [8, 251, 4 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10]
        .into_iter()
        .flat_map(around)
        .collect();
    let whole = text(200 << 10);
    let inputs = sizes.iter().map(|&n| whole[..n].to_owned());
    for (n, back) in sizes.iter().zip(pool.map(echo, inputs)) {
        let back = back.expect("echoed");
        assert!(
            back == whole[..*n],
            "{n} bytes came back as {} others",
            back.len()
        );
    }
}

#[test]
fn sixty_four_mib_go_both_ways_at_once() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    let large = text(64 << 20);
    let there_and_back = [pool.submit(echo, large.clone()), pool.submit(echo, large.clone())];
    for future in there_and_back {
        assert!(future.result().expect("echoed") == large);
    }
}

#[test]
fn many_large_arguments_and_results_at_once_do_not_lock_each_other_out() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    // Each side has far more to write than its socket takes while the other one writes too.
    let large = text(3 << 20);
    let futures: Vec<_> = (0..16)
        .map(|i| pool.submit(echo, format!("{i} {large}")))
        .collect();
    for (i, future) in futures.into_iter().enumerate() {
        assert!(future.result().expect("echoed") == format!("{i} {large}"));
    }
}

#[test]
fn large_messages_of_many_threads_do_not_mix() {
    let _sweep = LeakSweep::new();
    let pool = pool(2);
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let pool = &pool;
            scope.spawn(move || {
                let large = format!("{thread}").repeat(300 << 10);
                for _ in 0..6 {
                    assert!(pool.submit(echo, large.clone()).result().expect("echoed") == large);
                }
            });
        }
    });
}

#[test]
fn an_argument_or_result_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let _sweep = LeakSweep::new();
    const LIMIT: u64 = 100_000;
    let pool = crate::builder()
        .workers(1)
        .max_message(LIMIT)
        .build()
        .expect("a pool");
    let worker = pool.submit(pid, ()).result().expect("runs");
    // A text of this length has five bytes of length before it.
    let most = LIMIT as usize - 5;
    assert_eq!(
        pool.submit(echo, text(most))
            .result()
            .expect("just fits both ways")
            .len(),
        most
    );

    let error = pool.submit(echo, text(most + 1)).result().expect_err("too large");
    let TaskError::TooLarge { size, limit } = error else {
        panic!("{error}")
    };
    assert!(
        (size, limit) == (LIMIT + 1, LIMIT) || (size, limit) == (LIMIT + 2, LIMIT),
        "{error}"
    );
    assert_eq!(error.execution(), Execution::NotStarted);
    assert!(
        error.to_string().contains("the argument of") && error.to_string().contains("max_message"),
        "{error}"
    );

    let grow = |n: usize| "x".repeat(n);
    for over in [1, 2, 1_000_000] {
        let error = pool.submit(grow, most + over).result().expect_err("too large");
        let TaskError::TooLarge { size, limit } = error else {
            panic!("{error}")
        };
        assert!(
            size.abs_diff(LIMIT + over as u64) <= 1 && limit == LIMIT,
            "{error}"
        );
        assert_eq!(error.execution(), Execution::Ran);
        assert!(error.to_string().contains("the result of"), "{error}");
    }
    assert_eq!(
        pool.submit(pid, ()).result().expect("runs"),
        worker,
        "the worker lives"
    );
}

#[test]
fn a_failure_has_its_report_however_small_the_messages_may_be() {
    let _sweep = LeakSweep::new();
    let pool = crate::builder()
        .workers(1)
        .max_message(16)
        .build()
        .expect("a pool");
    let error = pool
        .submit(|| -> u8 { panic!("{}", "long ".repeat(1000)) }, ())
        .result()
        .expect_err("a panic");
    assert_eq!(error.kind(), TaskErrorKind::Panicked);
    assert_eq!(pool.submit(|| 7u8, ()).result().expect("the worker lives"), 7);
}

#[test]
fn what_cannot_be_serialised_or_deserialised_fails_its_own_task_and_the_worker_lives() {
    let _sweep = LeakSweep::new();
    let pool = pool(1);
    let worker = pool.submit(pid, ()).result().expect("runs");
    use {Execution::*, TaskErrorKind::*, Trick::*};
    for (trick, kind, execution, says) in [
        (EncodeHereFails, Encode, NotStarted, "it will not be written"),
        (EncodeHerePanics, Encode, NotStarted, "its Serialize panicked"),
        (DecodeThereFails, Decode, NotStarted, "it will not be read"),
        (DecodeTherePanics, Decode, NotStarted, "its Deserialize panicked"),
        (EncodeThereFails, Encode, Ran, "it will not be written"),
        (EncodeTherePanics, Encode, Ran, "its Serialize panicked"),
        (DecodeHereFails, Decode, Ran, "it will not be read"),
        (DecodeHerePanics, Decode, Ran, "its Deserialize panicked"),
    ] {
        // Twenty times: no worker is lost on the way.
        for _ in 0..20 {
            let bad = pool.submit(give_back, Tricky(trick));
            let good = pool.submit(give_back, Tricky(Trick::None));
            let error = bad.result().expect_err("it cannot be sent");
            assert_eq!(
                (error.kind(), error.execution()),
                (kind, execution),
                "{trick:?}: {error}"
            );
            let text = error.to_string();
            assert!(
                text.contains(says) && text.contains("Tricky"),
                "{trick:?}: {error}"
            );
            let side = if execution == Ran { "result" } else { "argument" };
            assert!(text.contains(side), "{trick:?}: {error}");
            assert_eq!(good.result().expect("its neighbour is fine"), Tricky(Trick::None));
        }
    }
    assert_eq!(
        pool.submit(take, Tricky(Trick::None)).result().expect("runs"),
        worker
    );
}

#[test]
fn every_shape_of_value_comes_back_as_it_went() {
    let _sweep = LeakSweep::new();
    use std::collections::BTreeMap;
    let pool = pool(1);
    type Deep = (
        Option<i128>,
        BTreeMap<String, Vec<(u8, char)>>,
        Result<f64, String>,
        [i16; 3],
    );
    let deep: Deep = (
        Some(i128::MIN),
        BTreeMap::from([
            ("k\0\u{1f980}".to_owned(), vec![(255, '\u{10ffff}')]),
            (String::new(), vec![]),
        ]),
        Err("no".to_owned()),
        [i16::MIN, 0, i16::MAX],
    );
    assert_eq!(
        pool.submit(|a: Deep| a, deep.clone()).result().expect("echoed"),
        deep
    );
    assert_eq!(pool.submit(|| (), ()).result().expect("nothing is something"), ());
    let six = pool.submit(
        |a: u8, b: u16, c: u32, d: u64, e: i8, f: bool| (f, e, d, c, b, a),
        (1, 2, 3, 4, -5, true),
    );
    assert_eq!(six.result().expect("runs"), (true, -5, 4, 3, 2, 1));
}
