//! pexec killed with SIGKILL at random instants, and gone on with until all is done: every success is recorded once,
//! none is run again after its record, and what comes of it is what an undisturbed run makes.
//!
//! The seeds are fixed, the instants are not: they depend on the machine, which is what makes them worth trying.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pexec_job::event::{Kind, Outcome};
use pexec_job::key::Key;
use pexec_job::record::{Record, Store};

use crate::support::Test;

/// How many instances `after` waits for.
const WORK: usize = 6;
const WATCHDOG: Duration = Duration::from_secs(300);

/// A generator of numbers that is good enough to choose instants.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % most
    }
}

fn start(dir: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_pexec"))
        .args(["run", "job.toml", "-j4", "--resume", "--output", "none"])
        .current_dir(dir)
        .env("TMPDIR", dir.join("tmp"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts")
}

/// Kills it, unless it has come to its end; true: it was killed.
fn kill(child: &mut Child) -> bool {
    child.kill().expect("ours");
    !child.wait().expect("ours").success()
}

/// How often each line is in a file.
fn tally(path: &Path) -> HashMap<String, usize> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let mut tally = HashMap::new();
    for line in text.lines() {
        *tally.entry(line.to_owned()).or_insert(0) += 1;
    }
    tally
}

fn lines(path: &Path) -> usize {
    fs::read(path).map_or(0, |text| text.iter().filter(|&&byte| byte == b'\n').count())
}

fn only_record(dir: &Path) -> Option<Record> {
    let mut all = Store::beside(dir).list().expect("a store");
    // One that was killed before it had written a word has left the place for it, and nothing to go on with.
    all.retain(|record| record.events().expect("opens").next().is_some());
    assert!(all.len() <= 1, "a resumed run has made a record of its own");
    all.pop()
}

/// What a record holds of successes: the item and the output, checked on the way.
#[track_caller]
fn successes(record: &Record) -> BTreeMap<String, String> {
    let mut items = HashMap::new();
    let mut seen: HashSet<Key> = HashSet::new();
    let mut work = 0;
    let mut events = record.events().expect("opens");
    for event in events.by_ref() {
        match event.expect("whole").kind {
            Kind::Started { who, .. } => {
                let key = who.key.expect("a key");
                assert!(!seen.contains(&key), "{} ran again after its success", who.label);
                assert!(
                    who.task != "after" || work == WORK,
                    "{} before what it needs",
                    who.label
                );
            }
            Kind::Finished { who, end, .. } if end.outcome == Outcome::Success => {
                assert!(seen.insert(who.key.expect("a key")), "{} twice", who.label);
                let at = end.output_at.unwrap_or(0);
                let mut text = String::new();
                let mut output = record.output(at, end.stdout).expect("there");
                output.read_to_string(&mut text).expect("read");
                items.insert(who.label.to_string(), text);
                if who.task == "work" {
                    work += 1;
                }
            }
            _ => {}
        }
    }
    items.into_iter().collect()
}

#[test]
fn a_hundred_kills_lose_no_success_of_two_thousand_and_repeat_none() {
    const INSTANCES: usize = 2000;
    const KILLS: usize = 100;
    let job = format!(
        "[tasks.work]\nforeach = {{ range = '0..{INSTANCES}' }}\n\
         shell = 'echo {{item}} >> log; echo out-{{item}}; echo made-{{item}} > made/{{item}}'\n"
    );
    let test = Test::new().file("job.toml", job).file("made/.here", "");
    let dir = test.path();
    let log = dir.join("log");
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let until = Instant::now() + WATCHDOG;
    // How often an instance had run when its success was first found in the record.
    let mut recorded: HashMap<String, usize> = HashMap::new();
    for kills in 0..KILLS {
        let enough = lines(&log) + dice.below(34) as usize;
        let mut child = start(dir);
        while lines(&log) < enough {
            assert!(Instant::now() < until, "no end in sight after {kills} kills");
            assert!(
                child.try_wait().expect("ours").is_none(),
                "it ended after {kills} kills"
            );
            thread::sleep(Duration::from_micros(300));
        }
        thread::sleep(Duration::from_micros(dice.below(3000)));
        assert!(kill(&mut child), "it was done after {kills} kills");
        let ran = tally(&log);
        for label in only_record(dir)
            .iter()
            .flat_map(|record| successes(record).into_keys())
        {
            let item = label.trim_start_matches("work(").trim_end_matches(')').to_owned();
            let times = ran[&item];
            recorded.entry(item).or_insert(times);
        }
    }
    let status = start(dir).wait().expect("ours");
    assert!(status.success(), "{status}");
    let record = only_record(dir).expect("one");
    let found = successes(&record);
    assert_eq!(found.len(), INSTANCES);
    let ran = tally(&log);
    assert!(recorded.len() > INSTANCES / 4, "{}", recorded.len());
    for (item, times) in recorded {
        assert_eq!(ran[&item], times, "{item} ran again");
    }
    for n in 0..INSTANCES {
        assert_eq!(found[&format!("work({n})")], format!("out-{n}\n"));
        let made = fs::read_to_string(dir.join(format!("made/{n}"))).expect("made");
        assert_eq!(made, format!("made-{n}\n"));
    }
}

#[test]
fn two_hundred_kills_at_any_instant_of_small_jobs_are_survived() {
    const KILLS: usize = 200;
    // Retries, dependants, and output that is larger than what is kept in memory.
    let job = "[tasks.work]\nforeach = { range = '0..6' }\nretries = 1\n\
        shell = 'echo {item}; test {item} != 3 || test {attempt} = 2'\n\
        [tasks.after]\nneeds = ['work']\nshell = 'head -c 300000 /dev/zero | tr \"\\\\0\" x'\n";
    let mut dice = Dice(0xfeed_beef_1357_2468);
    let until = Instant::now() + WATCHDOG;
    let (mut kills, mut jobs) = (0, 0);
    while kills < KILLS {
        let test = Test::new().file("job.toml", job);
        let dir = test.path();
        loop {
            assert!(Instant::now() < until, "no end in sight after {kills} kills");
            let mut child = start(dir);
            thread::sleep(Duration::from_micros(dice.below(60_000)));
            if !kill(&mut child) {
                break;
            }
            kills += 1;
            if let Some(record) = only_record(dir) {
                successes(&record);
            }
        }
        jobs += 1;
        let found = successes(&only_record(dir).expect("one"));
        assert_eq!(found.len(), 7, "job {jobs}");
        assert_eq!(found["after"], "x".repeat(300_000));
        for n in 0..6 {
            assert_eq!(found[&format!("work({n})")], format!("{n}\n"));
        }
    }
}

#[test]
fn what_a_killed_run_leaves_among_the_temporary_files_the_next_one_removes_and_nothing_else() {
    let job = "[tasks.t]\nshell = 'head -c 1000000 /dev/zero | tr \"\\0\" x; touch began; sleep 600'\n";
    let done = Test::new()
        .file("job.toml", job)
        .file("quick.toml", "[tasks.t]\ncommand = ['true']\n")
        .file("slow.toml", "[tasks.t]\nshell = 'touch slow; until [ -e go ]; do sleep 0.02; done; head -c 1000000 /dev/zero'\n")
        .shell(
            "set +e; left() { find tmp -mindepth 1 -maxdepth 1 | wc -l; }; \
             pexec run job.toml 2>/dev/null & pexec=$!; until [ -e began ]; do sleep 0.01; done; \
             kill -KILL $pexec; wait $pexec; left; \
             pexec run slow.toml > big & slow=$!; until [ -e slow ]; do sleep 0.01; done; \
             until [ $(left) = 1 ]; do sleep 0.02; done; pexec run quick.toml; left; \
             touch go; wait $slow; left; wc -c < big",
        )
        .code(0);
    done.stdout("1\n1\n0\n1000000\n");
}
