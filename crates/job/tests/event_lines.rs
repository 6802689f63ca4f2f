//! The event stream's form, byte by byte: it is a public one (docs/events.md), and other programs read it.

use std::time::Duration;

use pexec_job::event::{Counts, Ended, Event, Kind, Outcome, ParseError, Since, Who};
use pexec_job::key::Key;
use pexec_job::limits::MemoryBy;
use pexec_job::text::Text;

fn at(seq: u64, kind: Kind) -> Event {
    let t = format!("2026-11-21T03:00:{:02}.{:03}Z", seq / 10, seq);
    Event::new(seq, t.parse().expect("a time"), kind)
}

fn who() -> Who {
    Who {
        id: "sum/0".into(),
        task: "sum".into(),
        index: 0,
        label: "sum(a b)".into(),
        item: Some("a b".into()),
        key: Key::from_hex("00112233445566778899aabbccddeeff"),
    }
}

fn ended(outcome: Outcome) -> Ended {
    Ended {
        outcome,
        exit: Some(0),
        signal: None,
        why: None,
        retry: false,
        leaky: false,
        wall: Duration::from_micros(1234),
        user: Duration::from_micros(800),
        system: Duration::from_micros(300),
        peak_rss: 4_194_304,
        stdout: 75,
        stderr: 0,
        tail: Text::default(),
        output_at: None,
        memory_by: None,
        memory_peak: None,
        content: None,
    }
}

/// Every type of event, and the keys that are there only sometimes.
fn all() -> Vec<Event> {
    let failed = Ended {
        exit: Some(3),
        why: Some("exit 3".into()),
        retry: true,
        leaky: true,
        stderr: 6,
        tail: "oh \"no\"\n".into(),
        ..ended(Outcome::Failed)
    };
    let killed = Ended {
        exit: None,
        signal: Some(15),
        why: Some("stopped with the run, by signal 2 (INT)".into()),
        tail: Text(b"\xff\x00".to_vec()),
        ..ended(Outcome::Killed)
    };
    let odd = Who {
        id: "odd/7".into(),
        task: "odd".into(),
        index: 7,
        label: Text(b"odd(\xff)".to_vec()),
        item: Some(Text(b"\xff".to_vec())),
        key: None,
    };
    let counts = Counts {
        planned: 9,
        running: 0,
        succeeded: 3,
        failed: 1,
        killed: 1,
        blocked: 2,
        retried: 1,
        leaky: 1,
        up_to_date: 1,
        kept: 1,
    };
    let kinds = [
        Kind::RunStarted {
            run: "r1".into(),
            job: "checksums".into(),
            dir: "/srv/data".into(),
            jobs: 2,
            pid: 4711,
            version: "0.1.0".into(),
            resumed: false,
        },
        Kind::Planned {
            task: "sum".into(),
            total: Some(8),
        },
        Kind::Planned {
            task: "odd".into(),
            total: None,
        },
        Kind::Started {
            who: who(),
            attempt: 1,
            pid: Some(4712),
            worker: Some(1),
        },
        Kind::Finished {
            who: who(),
            attempt: 1,
            end: Box::new(failed),
        },
        Kind::Retried {
            who: who(),
            attempt: 2,
        },
        Kind::Started {
            who: who(),
            attempt: 2,
            pid: None,
            worker: None,
        },
        Kind::Finished {
            who: who(),
            attempt: 2,
            end: Box::new(Ended {
                memory_by: Some(MemoryBy::Cgroup),
                memory_peak: Some(6_291_456),
                output_at: Some(81),
                content: Some("c0ffee".into()),
                ..ended(Outcome::Success)
            }),
        },
        Kind::Started {
            who: odd.clone(),
            attempt: 1,
            pid: Some(4713),
            worker: Some(0),
        },
        Kind::Signal {
            signal: 2,
            again: false,
        },
        Kind::Signal {
            signal: 2,
            again: true,
        },
        Kind::Finished {
            who: odd,
            attempt: 1,
            end: Box::new(killed),
        },
        Kind::Blocked {
            who: who(),
            by: "fetch(x)".into(),
        },
        Kind::Blocked {
            who: Who { item: None, ..who() },
            by: "fetch(\u{1b}[1m)".into(),
        },
        Kind::RunFinished {
            counts,
            signal: Some(2),
            broken: Some("no processes left".into()),
            halted: None,
        },
        Kind::RunStarted {
            run: "r1".into(),
            job: "checksums".into(),
            dir: "/srv/data".into(),
            jobs: 2,
            pid: 4720,
            version: "0.1.0".into(),
            resumed: true,
        },
        Kind::Kept {
            task: "sum".into(),
            count: 3,
            since: Since {
                changed: 1,
                new: 2,
                gone: 4,
            },
        },
        Kind::RunFinished {
            counts: Counts {
                up_to_date: 0,
                kept: 0,
                ..counts
            },
            signal: None,
            broken: None,
            halted: Some("soon,fail=1".into()),
        },
    ];
    let salt = |seq| Some(if seq < 15 { 0x9f3a_61c0 } else { 0x0b });
    let events = (0..).zip(kinds);
    events
        .map(|(seq, kind)| at(seq, kind).salted(salt(seq)))
        .collect()
}

const GOLDEN: &str = include_str!("event_lines.ndjson");

#[test]
fn every_type_of_event_has_the_form_that_is_promised() {
    let lines: Vec<String> = all().iter().map(Event::to_line).collect();
    assert_eq!(
        lines,
        GOLDEN.lines().collect::<Vec<_>>(),
        "\n{}\n",
        lines.join("\n")
    );
}

#[test]
fn every_line_comes_back_as_the_event_it_was() {
    let read: Vec<Event> = GOLDEN
        .lines()
        .map(|line| Event::parse(line).expect(line))
        .collect();
    assert_eq!(read, all());
}

#[test]
fn any_bytes_of_text_survive() {
    for bytes in [
        &b""[..],
        b"\n\t\r\"\\",
        b"\x00\x7f\xc2\x85",
        "ü \u{2028}".as_bytes(),
        b"\xff\xfe",
        b"\xc3",
        &[0x80; 99],
    ] {
        let text = Text(bytes.to_vec());
        let event = at(
            0,
            Kind::Blocked {
                who: Who {
                    label: text.clone(),
                    item: Some(text.clone()),
                    ..who()
                },
                by: text,
            },
        );
        let line = event.to_line();
        assert!(
            !line.contains('\n') && !line.chars().any(char::is_control),
            "{line}"
        );
        assert_eq!(Event::parse(&line), Ok(event));
    }
}

#[test]
fn the_checksum_is_crc_32c_of_what_stands_before_it() {
    for line in GOLDEN.lines() {
        let (body, rest) = line.split_once(",\"crc\":\"").expect("a checksum");
        assert_eq!(format!("{:08x}\"}}", bitwise_crc32c(body.as_bytes())), rest);
    }
    assert_eq!(
        bitwise_crc32c(b"123456789"),
        0xe306_9283,
        "the published check value"
    );
}

/// The definition (reflected polynomial 0x82f63b78), a bit at a time.
fn bitwise_crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 {
                crc >> 1 ^ 0x82f6_3b78
            } else {
                crc >> 1
            }
        })
    })
}

#[test]
fn a_flipped_bit_or_a_missing_end_is_damage() {
    for line in GOLDEN.lines().take(5) {
        for at in 0..line.len() {
            let short = &line[..at];
            assert!(
                matches!(Event::parse(short), Err(ParseError::Damaged(_))),
                "{short}"
            );
            for bit in [0, 3, 6] {
                let mut bytes = line.as_bytes().to_vec();
                bytes[at] ^= 1 << bit;
                let Ok(flipped) = String::from_utf8(bytes) else {
                    continue;
                };
                // A flip in the version's digit makes a newer one of it.
                let read = Event::parse(&flipped);
                assert!(
                    matches!(read, Err(ParseError::Damaged(_) | ParseError::Newer(_))),
                    "{read:?} from {flipped}"
                );
            }
        }
    }
    for garbage in ["", "{}", "null", "{\"v\":1}", "\u{0}", "[1,2,3]"] {
        assert!(
            matches!(Event::parse(garbage), Err(ParseError::Damaged(_))),
            "{garbage}"
        );
    }
}

/// A line with the right checksum, whatever it says.
fn signed(body: &str) -> String {
    format!("{body},\"crc\":\"{:08x}\"}}", bitwise_crc32c(body.as_bytes()))
}

#[test]
fn unknown_keys_are_ignored() {
    let body = "{\"v\":1,\"seq\":0,\"t\":\"2026-11-21T03:00:00.000Z\",\"type\":\"planned\",\"task\":\"a\",\"total\":3";
    let plain = Event::parse(&signed(body)).expect("an event");
    let more = format!("{body},\"colour\":{{\"deep\":[1,2]}},\"crc2\":null");
    assert_eq!(Event::parse(&signed(&more)), Ok(plain));
}

#[test]
fn a_newer_version_is_refused_by_name() {
    let error = Event::parse(&signed("{\"v\":7,\"whatever\":true")).expect_err("newer");
    assert_eq!(error, ParseError::Newer(7));
    assert!(error.to_string().contains("version 7"), "{error}");
    assert_eq!(
        Event::parse("{\"v\":2,\"and\":\"another checksum\"}"),
        Err(ParseError::Newer(2))
    );
}

#[test]
fn what_a_type_must_have_is_missed_by_name() {
    let head = "{\"v\":1,\"seq\":0,\"t\":\"2026-11-21T03:00:00.000Z\",\"type\":";
    for (rest, missed) in [
        ("\"planned\"", "`task`"),
        ("\"planned\",\"task\":5", "`task`"),
        ("\"planned\",\"task\":\"a\",\"total\":-1", "`total`"),
        ("\"planned\",\"task\":\"a\",\"total\":1.5", "`total`"),
        ("\"signal\",\"signal\":99999999999", "`signal`"),
        (
            "\"blocked\",\"id\":\"a\",\"task\":\"a\",\"index\":0,\"label\":{\"base64\":\"%\"}",
            "`label`",
        ),
        ("\"exploded\"", "`exploded`"),
    ] {
        match Event::parse(&signed(&format!("{head}{rest}"))) {
            Err(ParseError::Malformed(why)) => assert!(why.contains(missed), "{why}"),
            other => panic!("{other:?} from {rest}"),
        }
    }
}

#[test]
fn an_event_is_worth_what_its_line_is_worth() {
    let t = "2026-11-21T03:00:00.123987654Z".parse().expect("a time");
    let end = Ended {
        wall: Duration::from_nanos(1_999_999),
        ..ended(Outcome::Success)
    };
    let event = Event::new(
        5,
        t,
        Kind::Finished {
            who: who(),
            attempt: 1,
            end: Box::new(end),
        },
    );
    assert_eq!(Event::parse(&event.to_line()), Ok(event.clone()));
    assert!(
        event.to_line().contains("\"t\":\"2026-11-21T03:00:00.123Z\""),
        "{}",
        event.to_line()
    );
}

#[test]
fn the_documentation_shows_these_lines_and_no_others() {
    let page = include_str!("../../../docs/events.md");
    let shown: Vec<&str> = page
        .lines()
        .filter(|l| l.starts_with("{\"v\":") && !l.contains(" .. "))
        .collect();
    assert!(
        shown
            .iter()
            .all(|line| GOLDEN.lines().any(|golden| golden == *line)),
        "{shown:#?}"
    );
    let kind = |line: &str| {
        line.split("\"type\":\"")
            .nth(1)
            .and_then(|l| l.split('"').next().map(str::to_owned))
    };
    for golden in GOLDEN.lines() {
        assert!(shown.iter().any(|line| kind(line) == kind(golden)), "{golden}");
    }
}

#[test]
fn the_schema_knows_every_key_and_asks_for_none_that_can_be_missing() {
    use serde_json::Value;
    let schema: Value = serde_json::from_str(include_str!("../../../docs/events.schema.json")).expect("JSON");
    let types = schema["oneOf"].as_array().expect("types");
    let mut met = std::collections::BTreeSet::new();
    for line in GOLDEN.lines() {
        let event: Value = serde_json::from_str(line).expect("JSON");
        let of = types
            .iter()
            .find(|t| t["properties"]["type"]["const"] == event["type"])
            .expect("a type");
        for key in event.as_object().expect("an object").keys() {
            assert!(!of["properties"][key].is_null(), "{key} of {line}");
            met.insert((event["type"].to_string(), key.clone()));
        }
        for key in of["required"].as_array().expect("required keys") {
            assert!(
                event.get(key.as_str().expect("a key")).is_some(),
                "{key} of {line}"
            );
        }
    }
    let known: usize = types
        .iter()
        .map(|t| t["properties"].as_object().expect("keys").len())
        .sum();
    assert_eq!(
        met.len(),
        known,
        "every key of the schema stands in a golden line"
    );
}

#[test]
fn what_fuzzing_found_interesting_is_refused_or_an_event() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/event_line");
    let mut played = 0;
    for entry in std::fs::read_dir(corpus).expect("the corpus").flatten() {
        let bytes = std::fs::read(entry.path()).expect("readable");
        played += 1;
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let body = text
            .rsplit_once(",\"crc\"")
            .map_or(text.as_str(), |(body, _)| body);
        let checked = format!("{body},\"crc\":\"{:08x}\"}}", crc32c::crc32c(body.as_bytes()));
        for line in [&text, &checked] {
            if let Ok(event) = Event::parse(line) {
                assert_eq!(Event::parse(&event.to_line()), Ok(event), "{line}");
            }
        }
    }
    assert!(played >= 5, "{played}");
}
