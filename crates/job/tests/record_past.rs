//! What a record says of its instances: which have succeeded, which have failed, whatever became of its end.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;

use pexec_job::event::{Counts, Ended, Event, Kind, Outcome, Since, Who};
use pexec_job::key::Key;
use pexec_job::record::{Again, Error, Fate, Past, Record, Store};
use tempfile::TempDir;

/// A key that stands for `n`.
fn key(n: u8) -> Key {
    Key([n; 16])
}

fn who(n: u8) -> Who {
    Who {
        id: format!("t/{n}"),
        task: "t".into(),
        index: n.into(),
        label: format!("t({n})").into(),
        item: Some(n.to_string().into()),
        key: Some(key(n)),
    }
}

fn began(resumed: bool) -> Kind {
    Kind::RunStarted {
        run: "r1".into(),
        job: "job".into(),
        dir: "/".into(),
        jobs: 2,
        pid: 1,
        version: "0".into(),
        resumed,
    }
}

fn started(n: u8, attempt: u32) -> Kind {
    Kind::Started {
        who: who(n),
        attempt,
        pid: Some(7),
        worker: Some(0),
    }
}

fn finished(n: u8, attempt: u32, outcome: Outcome, retry: bool) -> Kind {
    let second = Duration::from_secs(1);
    let end = Ended {
        retry,
        wall: second,
        user: second,
        system: second,
        peak_rss: 1,
        ..Ended::new(outcome)
    };
    Kind::Finished {
        who: who(n),
        attempt,
        end: Box::new(end),
    }
}

fn blocked(n: u8) -> Kind {
    Kind::Blocked {
        who: who(n),
        by: "x".into(),
    }
}

fn over() -> Kind {
    Kind::RunFinished {
        counts: Counts::default(),
        signal: None,
        broken: None,
        halted: None,
    }
}

fn lines(kinds: Vec<Kind>) -> String {
    let at = "2026-11-21T03:00:00Z".parse().expect("a time");
    (0..)
        .zip(kinds)
        .map(|(seq, kind)| Event::new(seq, at, kind).to_line() + "\n")
        .collect()
}

/// A record with these events, and six bytes of output.
fn record(dir: &Path, events: &str) -> Record {
    let run = dir.join("r1");
    fs::create_dir_all(&run).expect("made");
    fs::write(run.join("events.ndjson"), events).expect("written");
    fs::write(run.join("output"), "output").expect("written");
    Store::at(dir).find("r1").expect("there")
}

fn past(events: &str, again: Again) -> Result<Past, Error> {
    let dir = TempDir::new().expect("a directory");
    Ok(record(dir.path(), events).past(again)?.0)
}

/// The instances below `most`, by what becomes of them.
fn fates(past: &mut Past, most: u8) -> Vec<Fate> {
    (0..most).map(|n| past.fate("t", &key(n))).collect()
}

/// A run of a few instances that was stopped and gone on with: retries, failures, all kinds of ends.
fn lively() -> Vec<Kind> {
    let mut kinds = vec![began(false)];
    for n in 0..6 {
        kinds.push(started(n, 1));
        kinds.push(match n {
            1 => finished(n, 1, Outcome::Failed, true),
            2 => finished(n, 1, Outcome::Timeout, false),
            3 => finished(n, 1, Outcome::Killed, false),
            _ => finished(n, 1, Outcome::Success, false),
        });
    }
    kinds.push(blocked(9));
    kinds.push(began(true));
    for n in [1, 2, 3] {
        kinds.push(started(n, 2));
        kinds.push(finished(n, 2, Outcome::Success, false));
    }
    kinds.push(finished(6, 1, Outcome::UpToDate, false));
    kinds.push(over());
    kinds
}

#[test]
fn cut_at_any_byte_it_keeps_what_has_a_whole_line_and_nothing_else() {
    let kinds = lively();
    let text = lines(kinds.clone());
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).collect();
    let dir = TempDir::new().expect("a directory");
    let record = record(dir.path(), &text);
    let file = File::options()
        .write(true)
        .open(record.path().join("events.ndjson"))
        .expect("there");
    for cut in (0..=text.len()).rev() {
        file.set_len(cut as u64).expect("cut");
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        let has_one = |n: u8| {
            kinds[..whole].iter().any(|kind| {
                matches!(kind, Kind::Finished { who, end, .. } if who.key == Some(key(n)) && end.outcome.is_success())
            })
        };
        let (mut past, events) = record.past(Again::Unfinished).expect("no damage");
        for n in 0..10 {
            let due = if has_one(n) { Fate::Kept } else { Fate::Run };
            assert_eq!(past.fate("t", &key(n)), due, "{n}, cut at {cut}");
        }
        assert_eq!(events.next_seq(), whole as u64, "cut at {cut}");
    }
}

#[test]
fn a_success_counts_once_for_each_instance_that_has_its_key() {
    let twice = vec![
        began(false),
        finished(1, 1, Outcome::Success, false),
        finished(1, 1, Outcome::Success, false),
    ];
    let mut past = past(&lines(twice), Again::Unfinished).expect("whole");
    let fates: Vec<Fate> = (0..3).map(|_| past.fate("t", &key(1))).collect();
    assert_eq!(fates, [Fate::Kept, Fate::Kept, Fate::Run]);
}

#[test]
fn a_success_without_its_output_is_none() {
    let with = |at| {
        let mut kind = finished(1, 1, Outcome::Success, false);
        if let Kind::Finished { end, .. } = &mut kind {
            (end.stdout, end.stderr, end.output_at) = (2, 1, Some(at));
        }
        kind
    };
    for (at, due) in [
        (0, Fate::Kept),
        (3, Fate::Kept),
        (4, Fate::Run),
        (u64::MAX, Fate::Run),
    ] {
        let mut past = past(&lines(vec![began(false), with(at)]), Again::Unfinished).expect("whole");
        assert_eq!(past.fate("t", &key(1)), due, "{at}");
    }
}

#[test]
fn the_last_word_decides_what_has_failed() {
    use Outcome::{Failed, Killed, Memory, Success, Timeout};
    let kinds = vec![
        began(false),
        finished(0, 1, Failed, false),
        finished(1, 1, Timeout, false),
        finished(2, 1, Success, false),
        finished(3, 1, Failed, true),
        finished(3, 2, Success, false),
        finished(4, 1, Failed, true),
        finished(5, 1, Killed, false),
        blocked(6),
        finished(7, 1, Memory, false),
        finished(8, 1, Failed, false),
        over(),
        began(true),
        finished(1, 1, Success, false),
        finished(6, 1, Success, false),
        finished(7, 1, Killed, false),
        finished(8, 1, Failed, true),
        finished(8, 2, Failed, false),
    ];
    let (run, kept, left) = (Fate::Run, Fate::Kept, Fate::Left);
    let mut failed = past(&lines(kinds.clone()), Again::Failed).expect("whole");
    assert_eq!(
        fates(&mut failed, 10),
        // 4 failed and had no other attempt; 7 failed before it was stopped; 5 was only stopped, 9 never heard of.
        [run, kept, kept, kept, run, left, kept, run, run, left]
    );
    assert_eq!(failed.fate("t", &key(0)), left, "each failure is one instance");
    assert_eq!(failed.fate("t", &key(8)), left, "however often it failed");
    let mut unfinished = past(&lines(kinds), Again::Unfinished).expect("whole");
    assert_eq!(
        fates(&mut unfinished, 10),
        [run, kept, kept, kept, run, run, kept, run, run, run]
    );
}

#[test]
fn a_task_that_was_blocked_or_failed_as_a_whole_runs_as_a_whole() {
    let whole = |kind: Kind| match kind {
        Kind::Blocked { who, by } => Kind::Blocked {
            who: Who { key: None, ..who },
            by,
        },
        Kind::Finished { who, attempt, end } => Kind::Finished {
            who: Who { key: None, ..who },
            attempt,
            end,
        },
        kind => kind,
    };
    for kind in [blocked(0), finished(0, 1, Outcome::Failed, false)] {
        let kinds = vec![began(false), finished(1, 1, Outcome::Success, false), whole(kind)];
        let mut past = past(&lines(kinds), Again::Failed).expect("whole");
        assert_eq!(past.fate("t", &key(1)), Fate::Kept);
        assert_eq!(past.fate("t", &key(2)), Fate::Run);
        assert_eq!(past.fate("other", &key(2)), Fate::Left);
    }
}

#[test]
fn whatever_is_done_to_its_lines_it_never_keeps_what_has_not_succeeded() {
    let kinds = lively();
    let text = lines(kinds.clone());
    let original: Vec<&str> = text.split_inclusive('\n').collect();
    let other = lines(lively().into_iter().skip(1).collect());
    let other: Vec<&str> = other.split_inclusive('\n').collect();
    let mut succeeded: HashMap<u8, bool> = HashMap::new();
    for kind in &kinds {
        if let Kind::Finished { who, end, .. } = kind {
            *succeeded.entry(who.index as u8).or_default() |= end.outcome.is_success();
        }
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut dice = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut refused, mut read) = (0, 0);
    let dir = TempDir::new().expect("a directory");
    let record = record(dir.path(), "");
    for _ in 0..800 {
        let mut lines: Vec<Vec<u8>> = original.iter().map(|line| line.as_bytes().to_vec()).collect();
        for _ in 0..=dice(2) {
            let (a, b) = (dice(lines.len()), dice(lines.len()));
            match dice(7) {
                0 => lines.swap(a, b),
                1 => lines.insert(a, lines[b].clone()),
                2 => lines.truncate(a + 1),
                3 => lines.push((0..dice(300)).map(|_| dice(256) as u8).collect()),
                4 => lines.insert(a, other[dice(other.len())].as_bytes().to_vec()),
                5 => {
                    let at = dice(lines[a].len());
                    lines[a][at] = dice(256) as u8;
                }
                _ => drop(lines.remove(a)),
            }
            if lines.is_empty() {
                break;
            }
        }
        fs::write(record.path().join("events.ndjson"), lines.concat()).expect("written");
        match record.past(Again::Unfinished) {
            Err(Error::Damaged { .. } | Error::Newer { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
            Ok((mut past, _)) => {
                read += 1;
                for n in 0..10 {
                    let ever = succeeded.get(&n).copied().unwrap_or_default();
                    assert!(ever || past.fate("t", &key(n)) == Fate::Run, "{n}");
                }
            }
        }
    }
    assert!(refused > 100 && read > 50, "{refused} refused, {read} read");
}

/// Task `t`'s instance of this number, which does something of its own in each version.
fn version(n: u8, version: u8) -> Who {
    Who {
        key: Some(Key([n + 100 * version; 16])),
        ..who(n)
    }
}

fn planned(total: u64) -> Kind {
    Kind::Planned {
        task: "t".into(),
        total: Some(total),
    }
}

/// How these instances compare with a record of these events.
fn since(kinds: Vec<Kind>, instances: &[Who]) -> Since {
    let mut past = past(&lines(kinds), Again::Unfinished).expect("whole");
    for who in instances {
        past.fate(&who.task, &who.key.expect("a key"));
        past.meet(who);
    }
    past.since("t")
}

fn is(changed: u64, new: u64, gone: u64) -> Since {
    Since { changed, new, gone }
}

#[test]
fn a_later_run_is_told_what_has_changed_what_is_new_and_what_is_gone() {
    let whole = || {
        let mut kinds = vec![began(false), planned(4)];
        kinds.extend((0..4).map(|n| finished(n, 1, Outcome::Success, n == 9)));
        kinds
    };
    let all = |numbers: std::ops::Range<u8>| numbers.map(|n| version(n, 0)).collect::<Vec<_>>();
    assert_eq!(since(whole(), &all(0..4)), is(0, 0, 0));
    assert_eq!(since(whole(), &all(1..6)), is(0, 2, 1));
    assert_eq!(
        since(whole(), &[version(0, 1), version(1, 0), version(2, 1)]),
        is(2, 0, 1)
    );
    // What the run did not come to was planned and is not new; what failed and what was blocked has been heard of.
    let mut early = vec![began(false), planned(6), finished(0, 1, Outcome::Success, false)];
    early.push(finished(1, 1, Outcome::Failed, true));
    early.push(finished(1, 2, Outcome::Failed, false));
    early.push(blocked(2));
    assert_eq!(since(early.clone(), &all(0..6)), is(0, 0, 0));
    assert_eq!(since(early.clone(), &all(0..8)), is(0, 2, 0));
    // Resumed with two of them changed, it has both forms of these; the old ones are not missed for ever.
    early.extend([began(true), planned(6)]);
    early.push(Kind::Kept {
        task: "t".into(),
        count: 1,
        since: Since::default(),
    });
    for n in [1, 2] {
        let mut kind = finished(n, 1, Outcome::Success, false);
        if let Kind::Finished { who, .. } = &mut kind {
            *who = version(n, 1);
        }
        early.push(kind);
    }
    let now = [
        version(0, 0),
        version(1, 1),
        version(2, 1),
        version(3, 0),
        version(4, 0),
        version(5, 0),
    ];
    assert_eq!(since(early, &now), is(0, 0, 0));
}

#[test]
fn tasks_that_the_job_no_longer_has_are_told_with_their_instances() {
    let kinds = vec![
        began(false),
        planned(2),
        finished(0, 1, Outcome::Success, false),
        finished(1, 1, Outcome::Failed, false),
    ];
    let past = past(&lines(kinds), Again::Unfinished).expect("whole");
    assert_eq!(past.gone_tasks(|_| false), [("t".to_owned(), 2)]);
    assert!(past.gone_tasks(|name| name == "t").is_empty());
}
