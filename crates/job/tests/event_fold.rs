//! The fold of a run's events: what progress and summary are made of.

use std::time::Duration;

use pexec_job::event::{Counts, Ended, Event, Kind, Outcome, Since, Who};
use pexec_job::state::{FAILURES, RunState};

fn who(task: &str, index: u64) -> Who {
    Who {
        id: format!("{task}/{index}"),
        task: task.into(),
        index,
        label: format!("{task}({index})").into(),
        item: None,
        key: None,
    }
}

fn ended(outcome: Outcome, retry: bool) -> Box<Ended> {
    Box::new(Ended {
        why: (!outcome.is_success()).then(|| "exit 1".to_owned()),
        retry,
        wall: Duration::from_millis(2),
        user: Duration::from_millis(1),
        peak_rss: 10,
        ..Ended::new(outcome)
    })
}

/// Folds, with stamps a second apart.
struct Fold(RunState, u64);

impl Fold {
    fn new() -> Fold {
        Fold(RunState::new(), 0)
    }

    fn tell(&mut self, kind: Kind) {
        let at = jiff::Timestamp::from_second(1_800_000_000 + self.1 as i64).expect("a time");
        self.0.apply(&Event::new(self.1, at, kind));
        self.1 += 1;
    }

    fn attempt(&mut self, who: Who, attempt: u32, outcome: Outcome, retry: bool) {
        self.tell(Kind::Started {
            who: who.clone(),
            attempt,
            pid: Some(1),
            worker: None,
        });
        self.tell(Kind::Finished {
            who: who.clone(),
            attempt,
            end: ended(outcome, retry),
        });
        if retry {
            self.tell(Kind::Retried {
                who,
                attempt: attempt + 1,
            });
        }
    }
}

#[test]
fn counts_follow_from_events_alone() {
    // Deterministic, so that a failure can be looked at again.
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move |n: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % n
    };
    for _ in 0..300 {
        let mut fold = Fold::new();
        let mut expected = Counts::default();
        let mut flaky = 0;
        for task in ["known", "open"] {
            let total = random(20);
            let known = task == "known";
            fold.tell(Kind::Planned {
                task: task.into(),
                total: known.then_some(total),
            });
            let heard = random(total + 1);
            for index in 0..heard {
                let who = who(task, index);
                match random(5) {
                    0 => {
                        fold.tell(Kind::Blocked { who, by: "x".into() });
                        expected.blocked += 1;
                    }
                    1 => {
                        fold.attempt(who, 1, Outcome::Killed, false);
                        expected.killed += 1;
                    }
                    2 => {
                        fold.tell(Kind::Started {
                            who,
                            attempt: 1,
                            pid: None,
                            worker: None,
                        });
                        expected.running += 1;
                    }
                    _ => {
                        let failures = random(3) as u32;
                        (1..=failures).for_each(|n| fold.attempt(who.clone(), n, Outcome::Failed, true));
                        expected.retried += u64::from(failures);
                        if random(2) == 0 {
                            fold.attempt(who, failures + 1, Outcome::Success, false);
                            expected.succeeded += 1;
                            flaky += u64::from(failures > 0);
                        } else {
                            fold.attempt(who, failures + 1, Outcome::Timeout, false);
                            expected.failed += 1;
                        }
                    }
                }
            }
            expected.planned += if known { total } else { heard };
        }
        let state = &fold.0;
        assert_eq!(state.counts(), expected);
        assert_eq!((state.flaky(), state.planned_complete()), (flaky, false));
        assert_eq!(state.failures().len() as u64, expected.failed);
        assert_eq!(state.running().count() as u64, expected.running);
        assert_eq!(
            expected.planned,
            expected.done() + expected.running + expected.not_run()
        );
    }
}

#[test]
fn what_is_planned_becomes_final_when_the_source_has_ended() {
    let mut fold = Fold::new();
    fold.tell(Kind::Planned {
        task: "s".into(),
        total: None,
    });
    assert_eq!((fold.0.counts().planned, fold.0.planned_complete()), (0, false));
    fold.attempt(who("s", 0), 1, Outcome::Success, false);
    assert_eq!(fold.0.counts().planned, 1);
    fold.tell(Kind::Planned {
        task: "s".into(),
        total: Some(3),
    });
    assert_eq!((fold.0.counts().planned, fold.0.planned_complete()), (3, true));
    assert_eq!(fold.0.counts().not_run(), 2);
}

#[test]
fn what_runs_is_listed_longest_first() {
    let mut fold = Fold::new();
    for index in [5, 3, 4] {
        fold.tell(Kind::Started {
            who: who("t", index),
            attempt: 1,
            pid: Some(100 + index as u32),
            worker: None,
        });
    }
    fold.tell(Kind::Finished {
        who: who("t", 3),
        attempt: 1,
        end: ended(Outcome::Success, false),
    });
    let running: Vec<_> = fold.0.running().map(|r| (r.who.index, r.pid)).collect();
    assert_eq!(running, [(5, Some(105)), (4, Some(104))]);
}

#[test]
fn failures_beyond_the_limit_are_counted_and_not_kept() {
    let mut fold = Fold::new();
    let more = 5;
    for index in 0..(FAILURES as u64 + more) {
        fold.attempt(who("t", index), 1, Outcome::Failed, false);
    }
    assert_eq!(fold.0.counts().failed, FAILURES as u64 + more);
    assert_eq!(
        (fold.0.failures().len(), fold.0.more_failures()),
        (FAILURES, more)
    );
}

#[test]
fn cost_and_time_add_up() {
    let mut fold = Fold::new();
    let run = Kind::RunStarted {
        run: "r".into(),
        job: "j".into(),
        dir: "/".into(),
        jobs: 1,
        pid: 1,
        version: "1".into(),
        resumed: false,
    };
    fold.tell(run);
    fold.attempt(who("t", 0), 1, Outcome::Failed, true);
    fold.attempt(who("t", 0), 2, Outcome::Success, false);
    fold.tell(Kind::Signal {
        signal: 15,
        again: false,
    });
    fold.tell(Kind::Signal {
        signal: 2,
        again: true,
    });
    let counts = fold.0.counts();
    fold.tell(Kind::RunFinished {
        counts,
        signal: Some(15),
        broken: None,
        halted: None,
    });
    let state = &fold.0;
    assert_eq!(
        (state.cost().wall, state.cost().user),
        (Duration::from_millis(4), Duration::from_millis(2))
    );
    assert_eq!(state.elapsed(), Duration::from_secs(8));
    assert_eq!(
        (state.run(), state.job(), state.signal(), state.is_over()),
        ("r", "j", Some(15), true)
    );
}

#[test]
fn a_resumed_run_counts_anew_and_counts_what_it_keeps() {
    let started = |resumed| Kind::RunStarted {
        run: "r".into(),
        job: "j".into(),
        dir: "/".into(),
        jobs: 1,
        pid: 1,
        version: "1".into(),
        resumed,
    };
    let planned = || Kind::Planned {
        task: "t".into(),
        total: Some(5),
    };
    let mut fold = Fold::new();
    fold.tell(started(false));
    fold.tell(planned());
    fold.attempt(who("t", 0), 1, Outcome::Success, false);
    fold.attempt(who("t", 1), 1, Outcome::Success, false);
    fold.attempt(who("t", 2), 1, Outcome::Failed, false);
    fold.tell(Kind::Started {
        who: who("t", 3),
        attempt: 1,
        pid: None,
        worker: None,
    });
    // Killed here.
    fold.tell(started(true));
    assert_eq!(fold.0.running().count(), 0);
    fold.tell(planned());
    fold.tell(Kind::Kept {
        task: "t".into(),
        count: 2,
        since: Since::default(),
    });
    fold.attempt(who("t", 2), 1, Outcome::Success, false);
    fold.tell(Kind::Finished {
        who: who("t", 3),
        attempt: 1,
        end: ended(Outcome::UpToDate, false),
    });
    let expected = Counts {
        planned: 5,
        succeeded: 4,
        kept: 2,
        up_to_date: 1,
        ..Counts::default()
    };
    assert_eq!(fold.0.counts(), expected);
    assert!(fold.0.failures().is_empty());
}
