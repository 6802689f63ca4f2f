//! Events become a report: what every instance came to, and every attempt's place in time.

mod made;

use std::collections::HashMap;

use made::{How, Made, failure, success};
use pexec_job::event::{Counts, Kind, Outcome, Since};
use pexec_report::model::{Fold, State, Tone, Verdict};

fn counts(planned: u64, succeeded: u64, failed: u64) -> Counts {
    Counts {
        planned,
        succeeded,
        failed,
        ..Counts::default()
    }
}

#[test]
fn attempts_of_a_lane_follow_each_other_to_the_microsecond() {
    let mut made = Made::begun(&[("a", 3)]);
    // Stamps are cut to the millisecond: the second one seems to begin before the first one ended.
    made.now = 1_200;
    for index in 0..3 {
        made.ran(
            &Made::who("a", index, &format!("a({index})")),
            1,
            How {
                wall: 400,
                ..success()
            },
        );
    }
    let report = made.report();
    let times: Vec<_> = report
        .attempts
        .iter()
        .map(|attempt| (attempt.lane, attempt.start, attempt.wall))
        .collect();
    assert_eq!(
        times,
        [
            (Some(0), 1_000, 400),
            (Some(0), 1_400, 400),
            (Some(0), 2_000, 400)
        ]
    );
    assert_eq!(report.lanes, 1);
}

#[test]
fn lanes_are_workers_in_their_order_and_found_where_none_are_named() {
    for (workers, lanes) in [
        ([Some(4), Some(1), Some(4)], [1, 0, 1]),
        ([None, None, None], [0, 1, 0]),
    ] {
        let mut made = Made::begun(&[("a", 3)]);
        let who = |index| Made::who("a", index, &format!("a({index})"));
        made.start(&who(0), 1, workers[0]);
        made.start(&who(1), 1, workers[1]);
        made.now = 100_000;
        made.end(&who(0), 1, success());
        made.start(&who(2), 1, workers[2]);
        made.now = 200_000;
        made.end(&who(1), 1, success());
        made.end(&who(2), 1, success());
        let found: Vec<_> = made
            .report()
            .attempts
            .iter()
            .filter_map(|attempt| attempt.lane)
            .collect();
        assert_eq!(found, lanes, "{workers:?}");
    }
}

#[test]
fn a_retried_instance_is_one_with_all_its_attempts() {
    let mut made = Made::begun(&[("a", 1)]);
    let who = Made::who("a", 0, "a(x)");
    made.ran(
        &who,
        1,
        How {
            retry: true,
            ..failure()
        },
    );
    made.tell(Kind::Retried {
        who: who.clone(),
        attempt: 2,
    });
    made.ran(&who, 2, success());
    made.over(counts(1, 1, 0));
    let report = made.report();
    let [instance] = report.instances[..] else {
        panic!("{:?}", report.instances)
    };
    assert_eq!((instance.state, instance.attempts), (State::Success, 2));
    let states: Vec<_> = report
        .attempts_of(&instance)
        .iter()
        .map(|at| report.attempts[*at as usize].state)
        .collect();
    assert_eq!(states, [State::Failed, State::Success]);
    assert_eq!(Verdict::of(&report).tone, Tone::Good);
}

#[test]
fn what_still_ran_when_the_events_stop_is_unfinished() {
    let mut made = Made::begun(&[("a", 3)]);
    let retried = Made::who("a", 0, "a(0)");
    made.ran(
        &retried,
        1,
        How {
            retry: true,
            ..failure()
        },
    );
    made.start(&Made::who("a", 1, "a(1)"), 1, Some(1));
    made.now += 5_000;
    made.tell(Kind::Planned {
        task: "a".into(),
        total: Some(3),
    });
    let report = made.report();
    assert_eq!(
        report.instances.iter().map(|i| i.state).collect::<Vec<_>>(),
        [State::Unfinished; 2]
    );
    assert_eq!(report.attempts[1].wall, 5_000, "until the last event");
    assert_eq!(report.not_run(), 3);
    let verdict = Verdict::of(&report);
    assert_eq!(verdict.tone, Tone::Cut);
    assert!(
        verdict.text.contains("pexec was killed, or it still runs"),
        "{verdict:?}"
    );
}

#[test]
fn a_resumed_record_has_each_instance_once_matched_by_what_it_is() {
    let mut made = Made::begun(&[("a", 4)]);
    let who = |index, label| Made::who("a", index, label);
    made.ran(&who(0, "a(x)"), 1, success());
    made.ran(&who(1, "a(y)"), 1, failure());
    // The same thing twice: one of them succeeds, the other one is killed with pexec.
    made.ran(&who(2, "a(z)"), 1, success());
    made.start(&who(3, "a(z)"), 1, Some(1));
    made.now += 10_000;
    made.tell(Kind::Planned {
        task: "a".into(),
        total: Some(4),
    });
    let first = made.report();
    let night = 9 * 3600 * 1_000_000;
    made.now += night;
    made.begin(true);
    made.tell(Kind::Planned {
        task: "a".into(),
        total: Some(4),
    });
    made.tell(Kind::Kept {
        task: "a".into(),
        count: 2,
        since: Since::default(),
    });
    // A line was taken out of the items meanwhile: places are others.
    made.ran(&who(0, "a(y)"), 1, success());
    made.ran(&who(1, "a(z)"), 1, success());
    made.over(Counts {
        kept: 2,
        ..counts(4, 4, 0)
    });
    let report = made.report();
    assert_eq!(report.instances.len(), 4);
    assert!(
        report
            .instances
            .iter()
            .all(|instance| instance.state == State::Success),
        "{:?}",
        report.instances
    );
    let attempts: Vec<_> = report
        .instances
        .iter()
        .map(|instance| instance.attempts)
        .collect();
    assert_eq!(attempts, [1, 2, 1, 2]);
    // The night is not in the timeline, and is in the clock.
    assert_eq!(report.segments.len(), 2);
    assert!(report.elapsed < first.elapsed + 1_000_000, "{}", report.elapsed);
    let again = report.attempts[4];
    assert!(again.start >= first.elapsed && again.segment == 1);
    let clock = report.wall_clock(again.start).expect("known");
    assert!(clock.to_string().starts_with("2026-11-21T12:00:00"), "{clock}");
    assert_eq!(
        Verdict::of(&report).more,
        ["Resumed once; the last time 2 were kept"]
    );
}

#[test]
fn a_clock_that_is_set_back_takes_no_time() {
    let mut made = Made::begun(&[("a", 2)]);
    made.now = 10_000_000;
    made.ran(&Made::who("a", 0, "a(0)"), 1, success());
    made.now = 1_000_000;
    made.ran(&Made::who("a", 1, "a(1)"), 1, success());
    let report = made.report();
    assert_eq!(report.attempts[1].start, 10_100_000);
    assert_eq!(report.elapsed, 10_200_000);
}

#[test]
fn how_a_run_ended_is_said_in_a_sentence() {
    let end = |signal, broken: Option<&str>, halted: Option<&str>, counts| {
        let mut made = Made::begun(&[("a", 10)]);
        made.ran(&Made::who("a", 0, "a(0)"), 1, failure());
        made.tell(Kind::RunFinished {
            counts,
            signal,
            broken: broken.map(Into::into),
            halted: halted.map(Into::into),
        });
        Verdict::of(&made.report())
    };
    let stopped = end(Some(2), None, None, counts(10, 0, 1));
    assert_eq!(stopped.text, "Stopped by signal 2 (INT)");
    assert_eq!(
        stopped.more,
        ["1 of 10 failed", "9 of 10 did not run or did not end"]
    );
    assert_eq!(
        end(None, Some("no processes left"), None, counts(10, 0, 1)).text,
        "The pool broke: no processes left"
    );
    assert_eq!(
        end(None, None, Some("now,fail=1"), counts(10, 0, 1)).text,
        "Halted by the policy now,fail=1"
    );
    assert_eq!(
        end(None, None, None, counts(1, 0, 1)).text,
        "1 of 10 failed".replace("10", "1")
    );
    let mut empty = Made::begun(&[]);
    empty.over(Counts::default());
    assert_eq!(Verdict::of(&empty.report()).text, "There was nothing to run");
}

#[test]
fn a_blocked_instance_names_its_culprit_and_an_up_to_date_one_has_no_lane() {
    let mut made = Made::begun(&[("a", 2), ("b", 1)]);
    made.ran(&Made::who("a", 0, "a(\x1b[1m)"), 1, failure());
    made.end(
        &Made::who("a", 1, "a(1)"),
        1,
        How {
            outcome: Outcome::UpToDate,
            exit: None,
            wall: 0,
            ..success()
        },
    );
    made.tell(Kind::Blocked {
        who: Made::who("b", 0, "b"),
        by: "a(\x1b[1m)".into(),
    });
    let report = made.report();
    let states: Vec<_> = report.instances.iter().map(|instance| instance.state).collect();
    assert_eq!(states, [State::Failed, State::UpToDate, State::Blocked]);
    assert_eq!(report.text.get(report.instances[2].by), "a()");
    assert_eq!(report.attempts[1].lane, None);
}

#[test]
fn what_never_reached_a_worker_has_no_lane() {
    let mut made = Made::begun(&[("a", 2)]);
    let who = Made::who("a", 0, "a(0)");
    made.tell(Kind::Started {
        who: who.clone(),
        attempt: 1,
        pid: None,
        worker: None,
    });
    made.end(
        &who,
        1,
        How {
            outcome: Outcome::Timeout,
            wall: 0,
            ..failure()
        },
    );
    made.ran(&Made::who("a", 1, "a(1)"), 1, success());
    let report = made.report();
    let lanes: Vec<_> = report.attempts.iter().map(|attempt| attempt.lane).collect();
    assert_eq!((lanes, report.lanes), (vec![None, Some(0)], 1));
}

#[test]
fn a_million_instances_are_a_few_hundred_bytes_each() {
    // The fixed parts; texts come on top, once each.
    let each = size_of::<pexec_report::model::Instance>() + size_of::<pexec_report::model::Attempt>();
    assert!(each < 320, "{each}");
}

#[test]
fn any_part_of_a_stream_is_a_report() {
    let made = made::night(60);
    for from in [0, 1, 7] {
        for to in (from..made.events.len()).step_by(11) {
            let mut fold = Fold::new();
            made.events[from..to].iter().for_each(|event| fold.apply(event));
            let report = fold.finish();
            Verdict::of(&report);
            pexec_report::trace::write(&report, &mut std::io::sink()).expect("written");
            pexec_report::joblog::write(&report, &HashMap::new(), &mut std::io::sink()).expect("written");
            pexec_report::junit::write(&report, &made.output, &mut std::io::sink()).expect("written");
            pexec_report::html::write(&report, &made.output, &mut std::io::sink()).expect("written");
        }
    }
}
