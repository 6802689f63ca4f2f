//! The columns of GNU parallel.

use std::collections::HashMap;

use pexec_job::event::Outcome;
use pexec_report::joblog;

use crate::made::{How, Made, failure, success};

fn lines(made: &Made) -> Vec<String> {
    let mut out = Vec::new();
    joblog::write(&made.report(), &HashMap::new(), &mut out).expect("written");
    String::from_utf8(out)
        .expect("text")
        .lines()
        .map(str::to_owned)
        .collect()
}

#[test]
fn each_instance_that_ended_is_a_line_of_nine_columns() {
    let mut made = Made::begun(&[("a", 3)]);
    let slow = Made::who("a", 0, "a(slow\tone\n)");
    made.start(&slow, 1, Some(0));
    made.ran(
        &Made::who("a", 1, "a(1)"),
        1,
        How {
            stdout: b"12345".to_vec(),
            ..failure()
        },
    );
    made.now = 1_500_000;
    made.end(
        &slow,
        1,
        How {
            wall: 1_500_000,
            ..success()
        },
    );
    made.start(&Made::who("a", 2, "a(2)"), 1, Some(0));
    let lines = lines(&made);
    assert_eq!(
        lines[0],
        "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"
    );
    // In the order of their ends, as parallel writes them; what runs still is not in it.
    assert_eq!(lines[1], "2\t:\t1795230000.000\t     0.100\t0\t5\t3\t0\ta(1)");
    assert_eq!(
        lines[2],
        "1\t:\t1795230000.000\t     1.500\t0\t0\t0\t0\ta(slow one )"
    );
    assert_eq!(lines.len(), 3);
}

#[test]
fn what_failed_never_looks_like_a_success() {
    let mut made = Made::begun(&[("a", 3)]);
    let killed = How {
        exit: None,
        signal: Some(9),
        ..failure()
    };
    let lost = How {
        exit: None,
        ..failure()
    };
    let late = How {
        outcome: Outcome::Timeout,
        exit: Some(0),
        ..failure()
    };
    for (index, how) in [killed, lost, late].into_iter().enumerate() {
        made.ran(&Made::who("a", index as u64, "x"), 1, how);
    }
    let ends: Vec<_> = lines(&made)[1..]
        .iter()
        .map(|line| line.split('\t').skip(6).take(2).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(ends, ["0 9", "-1 0", "-1 0"]);
}
