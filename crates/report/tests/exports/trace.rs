//! Chrome's trace format: what viewers need to show it as it was.

use std::collections::BTreeMap;

use pexec_report::trace;
use serde_json::Value;

use crate::made::{self, Made};

fn read(made: &Made) -> Value {
    let mut out = Vec::new();
    trace::write(&made.report(), &mut out).expect("written");
    serde_json::from_slice(&out).expect("JSON")
}

#[test]
fn every_event_has_what_its_phase_needs() {
    let told = read(&made::night(300));
    let events = told["traceEvents"].as_array().expect("a list");
    for event in events {
        for key in ["pid", "tid", "ts"] {
            assert!(
                event[key].is_u64() || key == "tid" && event["ph"] == "C",
                "{key}: {event}"
            );
        }
        assert!(
            event["name"].as_str().is_some_and(|name| !name.is_empty()),
            "{event}"
        );
        match event["ph"].as_str() {
            Some("X") => assert!(event["dur"].is_u64() && event["cat"].is_string(), "{event}"),
            Some("C") => assert!(
                event["args"]
                    .as_object()
                    .is_some_and(|a| a.values().all(Value::is_i64)),
                "{event}"
            ),
            Some("M") => assert!(event["args"].is_object(), "{event}"),
            Some("i") => assert_eq!(event["s"], "g", "{event}"),
            other => panic!("{other:?}: {event}"),
        }
    }
    assert_eq!(told["otherData"]["job"], "nightly");
}

#[test]
fn each_worker_is_a_named_lane_whose_slices_do_not_overlap() {
    let made = made::night(300);
    let told = read(&made);
    let events = told["traceEvents"].as_array().expect("a list");
    let names = events.iter().filter(|event| event["name"] == "thread_name");
    let names: BTreeMap<_, _> = names
        .map(|e| (e["tid"].as_u64(), e["args"]["name"].as_str()))
        .collect();
    assert_eq!(names.len(), 8);
    assert_eq!(names[&Some(1)], Some("worker 0"));
    let mut lanes: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["ph"] == "X") {
        let number = |key: &str| event[key].as_u64().expect("a number");
        lanes
            .entry(number("tid"))
            .or_default()
            .push((number("ts"), number("dur")));
    }
    assert_eq!(
        lanes.values().map(Vec::len).sum::<usize>(),
        made.report().attempts.len()
    );
    for (lane, mut slices) in lanes {
        assert!(names.contains_key(&Some(lane)));
        slices.sort_unstable();
        for pair in slices.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?} in lane {lane}");
        }
    }
}

#[test]
fn counters_rise_and_fall_back_to_nothing() {
    let told = read(&made::night(100));
    let events = told["traceEvents"].as_array().expect("a list");
    for name in ["running", "memory"] {
        let curve: Vec<i64> = events
            .iter()
            .filter(|event| event["ph"] == "C" && event["name"] == name)
            .map(|event| event["args"][name].as_i64().expect("a number"))
            .collect();
        assert!(
            curve.iter().all(|value| *value >= 0) && curve.iter().any(|value| *value > 1),
            "{name}"
        );
        assert_eq!(curve.last(), Some(&0), "{name}");
    }
}
