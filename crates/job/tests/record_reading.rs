//! Records as readers find them: named, whole, cut off, damaged, of somebody else.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::symlink;
use std::path::Path;

use pexec_job::event::{Event, Kind};
use pexec_job::record::{Error, Store};
use tempfile::TempDir;

/// A run's events, as its record holds them.
const LINES: &str = include_str!("event_lines.ndjson");

/// A store with one run of this id and content.
fn store(id: &str, events: &[u8]) -> (TempDir, Store) {
    let dir = TempDir::new().expect("a directory");
    put(&dir.path().join(".pexec/runs"), id, events);
    let store = Store::beside(dir.path());
    (dir, store)
}

fn events_file(store: &Store) -> File {
    let path = store.path().join("r1/events.ndjson");
    File::options().write(true).open(path).expect("there")
}

fn put(runs: &Path, id: &str, events: &[u8]) {
    fs::create_dir_all(runs.join(id)).expect("made");
    fs::write(runs.join(id).join("events.ndjson"), events).expect("written");
    fs::write(runs.join(id).join("output"), b"onetwo").expect("written");
}

/// What can be read, what was cut off (line, bytes), and what is wrong.
type Seen = (usize, Option<(u64, u64)>, Option<Error>);

fn read(events: &[u8]) -> Seen {
    let (_dir, store) = store("r1", events);
    read_in(&store)
}

/// Whoever passes over what began sees the same of everything else.
fn read_in(store: &Store) -> Seen {
    let record = store.find("r1").expect("there");
    let mut all = record.events().expect("opens");
    let mut ends = record.events().expect("opens").ends();
    let is_end = |read: &Result<Event, Error>| !matches!(read, Ok(event) if matches!(event.kind, Kind::Started { .. }));
    let told = |read: Result<Event, Error>| read.map_err(|error| error.to_string());
    let expected: Vec<_> = all.by_ref().filter(is_end).map(told).collect();
    let found: Vec<_> = ends.by_ref().map(told).collect();
    assert_eq!(found, expected);
    assert_eq!(
        (ends.torn(), ends.whole(), ends.next_seq()),
        (all.torn(), all.whole(), all.next_seq())
    );

    let mut reader = record.events().expect("opens");
    let mut whole = 0;
    let wrong = loop {
        match reader.next() {
            Some(Ok(_)) => whole += 1,
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    (whole, reader.torn().map(|torn| (torn.line, torn.bytes)), wrong)
}

#[test]
fn a_run_is_named_by_its_id_its_beginning_or_last() {
    let (dir, store) = store("20261121-030000-0001", LINES.as_bytes());
    put(&store.path(), "20261121-030000-0002", LINES.as_bytes());
    put(&store.path(), "20261120-000000-ffff", LINES.as_bytes());
    fs::create_dir(store.path().join("no-record")).expect("made");
    let found = |name: &str| store.find(name).map(|record| record.id().to_owned());
    let ids: Vec<_> = store
        .list()
        .expect("read")
        .iter()
        .map(|r| r.id().to_owned())
        .collect();
    assert_eq!(
        ids,
        [
            "20261120-000000-ffff",
            "20261121-030000-0001",
            "20261121-030000-0002"
        ]
    );
    assert_eq!(found("last").expect("one"), "20261121-030000-0002");
    assert_eq!(found("20261120").expect("one"), "20261120-000000-ffff");
    assert_eq!(
        found("20261121-030000-0001").expect("one"),
        "20261121-030000-0001"
    );
    let ambiguous = found("20261121").expect_err("two");
    assert!(
        ambiguous.is_usage() && ambiguous.to_string().contains("20261121-030000-0001"),
        "{ambiguous}"
    );
    for name in ["", "no-record", "nope", "../runs", "."] {
        assert!(found(name).expect_err("none").is_usage(), "{name}");
    }
    let empty = Store::at(dir.path().join("nowhere"));
    assert!(empty.list().expect("none").is_empty());
    assert!(empty.find("last").expect_err("none").is_usage());
}

#[test]
fn a_whole_record_gives_every_event() {
    let (_dir, store) = store("r1", LINES.as_bytes());
    let record = store.find("r1").expect("there");
    let mut events = record.events().expect("opens");
    let read: Vec<Event> = events.by_ref().map(|event| event.expect("whole")).collect();
    let lines: Vec<Event> = LINES
        .lines()
        .map(|line| Event::parse(line).expect("whole"))
        .collect();
    assert_eq!(read, lines);
    assert_eq!(events.torn(), None);
    assert_eq!(events.whole(), LINES.len() as u64);
    assert_eq!(events.next_seq(), lines.len() as u64);
    let mut text = String::new();
    record
        .output(3, 3)
        .expect("there")
        .read_to_string(&mut text)
        .expect("read");
    assert_eq!(text, "two");
    assert!(record.output(3, 4).is_err(), "beyond its end");
    assert!(record.output(u64::MAX, 1).is_err());
    assert_eq!(record.holder().expect("known"), None);
}

#[test]
fn a_cut_at_any_byte_leaves_the_whole_lines_before_it() {
    let bytes = LINES.as_bytes();
    let (_dir, store) = store("r1", bytes);
    let file = events_file(&store);
    for cut in (0..bytes.len()).rev() {
        file.set_len(cut as u64).expect("cut");
        let whole = bytes[..cut].iter().filter(|&&b| b == b'\n').count();
        let start = bytes[..cut]
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(0, |at| at + 1);
        let torn = (cut > start).then_some((whole as u64 + 1, (cut - start) as u64));
        let (read, cut_off, wrong) = read_in(&store);
        assert!(wrong.is_none(), "{wrong:?} at {cut}");
        assert_eq!((read, cut_off), (whole, torn), "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_is_damage_of_its_line_and_of_the_last_line_a_torn_end() {
    let count = LINES.lines().count();
    let mut start = 0;
    let (_dir, store) = store("r1", LINES.as_bytes());
    let file = events_file(&store);
    for (nth, line) in LINES.lines().enumerate() {
        for at in 0..=line.len() {
            let place = start + at;
            let byte = LINES.as_bytes()[place];
            let flipped = byte ^ 1 << (place % 8);
            file.write_all_at(&[flipped], place as u64).expect("written");
            let (whole, torn, wrong) = read_in(&store);
            file.write_all_at(&[byte], place as u64).expect("written");
            // A line whose end is hit goes on into the next one.
            let last = nth + 1 == count || (nth + 2 == count && at == line.len());
            // One that gains an end where none was is two lines.
            let split = flipped == b'\n';
            match wrong {
                None => assert!(
                    last && !split && whole == nth && torn.is_some(),
                    "{at} of line {}",
                    nth + 1
                ),
                Some(Error::Damaged { line, .. } | Error::Newer { line, .. }) => {
                    assert_eq!(line, nth as u64 + 1, "{at}");
                    assert_eq!(whole, nth);
                }
                Some(other) => panic!("{other}"),
            }
        }
        start += line.len() + 1;
    }
}

#[test]
fn lines_that_are_not_this_runs_next_ones_are_refused_by_number() {
    let lines: Vec<&str> = LINES.lines().collect();
    let joined = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let mut swapped = lines.clone();
    swapped.swap(3, 4);
    let mut twice = lines.clone();
    twice.insert(6, lines[5]);
    let mut missing = lines.clone();
    missing.remove(7);
    let pasted = [&lines[..], &lines[2..5]].concat();
    let mut garbage = lines.clone();
    garbage.insert(2, "garbage");
    let mut empty = lines.clone();
    empty.insert(8, "");
    for (lines, wrong_at) in [
        (swapped, 4),
        (twice, 7),
        (missing, 8),
        (pasted, lines.len() as u64 + 1),
        (garbage, 3),
        (empty, 9),
        (lines[1..].to_vec(), 1),
    ] {
        match read(joined(&lines).as_bytes()).2 {
            Some(error @ Error::Damaged { line, .. }) => {
                assert_eq!(line, wrong_at, "{error}");
                assert!(error.to_string().contains(&format!("line {line} of ")), "{error}");
            }
            other => panic!("{other:?} at {wrong_at}"),
        }
    }
    let (_dir, store) = store("another", LINES.as_bytes());
    let error = store
        .find("another")
        .expect("there")
        .events()
        .expect("opens")
        .next()
        .expect("an event")
        .expect_err("not its run");
    assert!(error.to_string().contains("another run, r1"), "{error}");
}

#[test]
fn garbage_at_the_end_is_a_torn_line_when_it_is_one_and_damage_when_it_is_more() {
    let whole = LINES.lines().count();
    for end in ["{\"v\":1", "\0\0\0\0", "\u{1F980}", "garbage\n"] {
        let (read, torn, wrong) = read(format!("{LINES}{end}").as_bytes());
        assert!(wrong.is_none(), "{wrong:?}");
        assert_eq!((read, torn), (whole, Some((whole as u64 + 1, end.len() as u64))));
    }
    let (_, _, wrong) = read(format!("{LINES}gar\nbage\n").as_bytes());
    assert!(matches!(wrong, Some(Error::Damaged { line, .. }) if line == whole as u64 + 1));
}

#[test]
fn no_link_and_no_pipe_stands_for_a_record() {
    let (dir, store) = store("r1", LINES.as_bytes());
    let runs = store.path();
    symlink("r1", runs.join("r2")).expect("made");
    assert!(store.find("r2").expect_err("a link").is_usage());
    let record = store.find("r1").expect("there");
    for name in ["events.ndjson", "output"] {
        fs::rename(runs.join("r1").join(name), dir.path().join(name)).expect("moved");
        symlink(dir.path().join(name), runs.join("r1").join(name)).expect("made");
    }
    let link = record.events().expect_err("a link").to_string();
    assert!(
        link.contains("events.ndjson") && link.contains("symbolic link"),
        "{link}"
    );
    assert!(record.output(0, 1).is_err());
    fs::remove_file(runs.join("r1/events.ndjson")).expect("ours");
    nix::unistd::mkfifo(
        &runs.join("r1/events.ndjson"),
        nix::sys::stat::Mode::from_bits_truncate(0o600),
    )
    .expect("made");
    assert!(record.events().is_err(), "a pipe would never end");
    let elsewhere = dir.path().join("elsewhere");
    fs::rename(dir.path().join(".pexec"), &elsewhere).expect("moved");
    symlink(&elsewhere, dir.path().join(".pexec")).expect("made");
    assert!(store.list().is_err(), "`.pexec` itself");
    // A directory that the user named may be reached by one.
    let named = Store::at(dir.path().join(".pexec/runs"));
    assert!(named.list().expect("read").is_empty());
}

/// The lines of an event stream that was started with this salt.
fn salted(salt: u32, kinds: Vec<Kind>) -> Vec<String> {
    let at = "2026-11-21T03:00:00Z".parse().expect("a time");
    let events = (0..)
        .zip(kinds)
        .map(|(seq, kind)| Event::new(seq, at, kind).salted(Some(salt)));
    events.map(|event| event.to_line() + "\n").collect()
}

#[test]
fn a_line_that_a_crash_left_behind_from_something_else_is_refused_by_its_salt() {
    let kinds: Vec<Kind> = LINES
        .lines()
        .take(8)
        .map(|line| Event::parse(line).expect("whole").kind)
        .collect();
    let (mine, theirs) = (salted(1, kinds.clone()), salted(2, kinds.clone()));
    let plain: Vec<String> = (0..)
        .zip(&kinds)
        .map(|(seq, kind)| {
            let at = "2026-11-21T03:00:00Z".parse().expect("a time");
            Event::new(seq, at, kind.clone()).to_line() + "\n"
        })
        .collect();
    // Whole, of the same run and with the number that is due: nothing but the salt tells.
    let mut kinds_met = 0;
    for left in [&theirs, &plain] {
        for at in 1..mine.len() {
            let pasted = format!("{}{}", mine[..at].concat(), left[at..].concat());
            let (whole, torn, wrong) = read(pasted.as_bytes());
            assert_eq!((whole, torn), (at, None));
            match wrong {
                Some(Error::Damaged { line, how, .. }) => {
                    assert_eq!(line, at as u64 + 1);
                    assert!(how.contains("salt") && how.contains("00000001 is due"), "{how}");
                }
                other => panic!("{other:?}"),
            }
            kinds_met += 1;
        }
    }
    assert_eq!(kinds_met, 14);
    // The same where a record without salts is followed by lines that have one.
    let pasted = format!("{}{}", plain[..3].concat(), mine[3..].concat());
    assert!(matches!(
        read(pasted.as_bytes()),
        (3, None, Some(Error::Damaged { line: 4, .. }))
    ));
    assert!(matches!(read(plain.concat().as_bytes()), (8, None, None)));
    assert!(matches!(read(mine.concat().as_bytes()), (8, None, None)));
}
