//! What tasks tell `tracing` is told again here: all of it that somebody wants to hear, as it was, before the task's end.

mod listener;

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pexec::{Actor, Executor, ProcessPool, ProcessPoolBuilder, StartMethod, TaskErrorKind, Transport};
use pexec_tests::gate::arrive;
use pexec_tests::tasks::{add, die_by};
use pexec_tests::{Gate, LeakSweep};
use tracing::dispatcher::{self, Dispatch};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::SubscriberExt;

use listener::{listener, listening};

const TRANSPORTS: [Transport; 2] = [Transport::Memory, Transport::Socket];

fn builder(transport: Transport, workers: usize) -> ProcessPoolBuilder {
    ProcessPool::builder()
        .workers(workers)
        .transport(transport)
        .kill_grace(Duration::from_millis(200))
}

const TOLD_AT: u32 = line!() + 3;

fn tell(n: u64) {
    tracing::info!(n, half = 0.5, signed = -1, done = true, name = "x", shown = ?Some(1), "told {n}");
}

#[test]
fn an_event_is_told_as_it_was_with_worker_task_and_label_before_the_tasks_end() {
    let _sweep = LeakSweep::new();
    for transport in TRANSPORTS {
        let (pool, heard) = listening(LevelFilter::INFO, builder(transport, 2));
        for n in 0..200 {
            let future = pool.task(tell, n).label("thumb").submit();
            let id = future.id().0;
            future.result().expect("runs");
            let seen = heard.all();
            assert_eq!(seen.len() as u64, n + 1);
            let seen = seen.last().expect("one");
            assert_eq!(seen.level, Level::INFO);
            assert_eq!(seen.target, module_path!());
            assert_eq!(seen.file.as_deref(), Some(file!()));
            assert_eq!(seen.line, Some(TOLD_AT));
            assert_eq!(seen.field("message"), Some(&*format!("told {n}")));
            assert_eq!(seen.field("n"), Some(&*format!("u64 {n}")));
            assert_eq!(seen.field("half"), Some("f64 0.5"));
            assert_eq!(seen.field("signed"), Some("i64 -1"));
            assert_eq!(seen.field("done"), Some("bool true"));
            assert_eq!(seen.field("name"), Some("str x"));
            assert_eq!(seen.field("shown"), Some("Some(1)"));
            assert_eq!(seen.field("label"), Some("str thumb"));
            assert_eq!(seen.field("task"), Some(&*format!("u64 {id}")));
            assert!(matches!(seen.field("worker"), Some("u64 0" | "u64 1")));
        }
    }
}

#[test]
fn an_events_own_field_is_not_replaced() {
    let _sweep = LeakSweep::new();
    let (pool, heard) = listening(LevelFilter::INFO, builder(Transport::Memory, 1));
    let future = pool.submit(|| tracing::info!(task = "my own", label = 7u64), ());
    future.result().expect("runs");
    let seen = heard.all().pop().expect("one");
    assert_eq!(seen.field("task"), Some("str my own"));
    assert_eq!(seen.field("label"), Some("u64 7"));
    assert_eq!(seen.field("worker"), Some("u64 0"));
}

fn nested() {
    let outer = tracing::info_span!("outer", file = "a.png", size = tracing::field::Empty);
    let entered = outer.enter();
    outer.record("size", 3u64);
    let inner = tracing::debug_span!("inner");
    inner.in_scope(|| tracing::info!("inside"));
    let from_afar = inner;
    std::thread::spawn(move || {
        tracing::info!("of a thread");
        tracing::info!(parent: &from_afar, "named");
    })
    .join()
    .expect("told");
    drop(entered);
    tracing::info!("outside");
}

#[test]
fn spans_are_the_context_of_their_events_and_end() {
    let _sweep = LeakSweep::new();
    for transport in TRANSPORTS {
        let (pool, heard) = listening(LevelFilter::DEBUG, builder(transport, 1));
        pool.submit(nested, ()).result().expect("runs");
        let outer = r#"outer{"file": "str a.png"}{"size": "u64 3"}"#;
        let both = ["inner{}", outer];
        let seen: Vec<_> = heard
            .all()
            .into_iter()
            .map(|e| (e.field("message").map(str::to_owned), e.spans))
            .collect();
        let expected = [
            ("inside", both.to_vec()),
            ("of a thread", vec![]),
            ("named", both.to_vec()),
            ("outside", vec![]),
        ];
        for ((message, spans), (text, names)) in seen.iter().zip(&expected) {
            assert_eq!(message.as_deref(), Some(*text));
            assert_eq!(spans, names);
        }
        assert_eq!(seen.len(), expected.len());
        assert!(heard.ended().into_iter().all(|ended| ended));
    }
}

#[test]
fn a_span_that_the_filter_leaves_out_is_left_out_of_its_events() {
    let _sweep = LeakSweep::new();
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::DEBUG)
        .with_ansi(false)
        .without_time()
        .with_writer(lines.clone())
        .finish();
    let only = tracing_subscriber::filter::filter_fn(|meta| meta.name() != "inner");
    let dispatch = Dispatch::new(subscriber.with(only));
    let pool = dispatcher::with_default(&dispatch, || builder(Transport::Memory, 1).build()).expect("a pool");
    pool.submit(nested, ()).result().expect("runs");
    let told = lines.text();
    assert!(
        told.contains(r#"outer{file="a.png" size=3}: pool::tracing: inside worker=0"#),
        "{told}"
    );
    assert!(!told.contains("inner"), "{told}");
}

/// What `fmt` writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("the lines").clone()).expect("text")
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the lines").write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Lines {
    type Writer = Lines;
    fn make_writer(&self) -> Lines {
        self.clone()
    }
}

fn of_two_targets() {
    tracing::debug!(target: "quiet", "no");
    tracing::warn!(target: "quiet", "yes, a warning");
    tracing::debug!(target: "loud::part", n = 3, "yes");
    tracing::trace!(target: "loud", "no");
}

#[test]
fn the_usual_formatter_and_filters_see_levels_and_targets() {
    let _sweep = LeakSweep::new();
    let lines = Lines::default();
    let filter: tracing_subscriber::filter::Targets = "warn,loud=debug".parse().expect("a filter");
    let subscriber = tracing_subscriber::registry().with(filter).with(
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .without_time()
            .with_writer(lines.clone()),
    );
    let dispatch = Dispatch::new(subscriber);
    let pool = dispatcher::with_default(&dispatch, || builder(Transport::Memory, 1).build()).expect("a pool");
    let future = pool.task(of_two_targets, ()).label("a").submit();
    let id = future.id().0;
    future.result().expect("runs");
    let told: Vec<String> = lines.text().lines().map(|l| l.trim().to_owned()).collect();
    assert_eq!(
        told,
        [
            format!(r#"WARN quiet: yes, a warning worker=0 task={id} label="a""#),
            format!(r#"DEBUG loud::part: yes n=3 worker=0 task={id} label="a""#),
        ]
    );
}

/// Which levels are asked for here, and whether the fields of one that is not were looked at.
fn asked_for() -> (Vec<bool>, bool) {
    let mut looked = false;
    let mut look = || looked = true;
    tracing::debug!(looked = ?look(), "nobody hears this");
    let asked = vec![
        tracing::enabled!(Level::WARN),
        tracing::enabled!(Level::INFO),
        tracing::enabled!(Level::DEBUG),
    ];
    (asked, looked)
}

#[test]
fn what_nobody_wants_to_hear_is_not_made_in_the_worker() {
    let _sweep = LeakSweep::new();
    let nobody = builder(Transport::Memory, 1).build().expect("a pool");
    let asked = nobody.submit(asked_for, ()).result().expect("runs");
    assert_eq!(asked, (vec![false, false, false], false));
    let has_one = nobody.submit(dispatcher::has_been_set, ()).result();
    assert!(
        !has_one.expect("runs"),
        "without a listener there is no subscriber"
    );
    let (some, _heard) = listening(LevelFilter::INFO, builder(Transport::Memory, 1));
    let asked = some.submit(asked_for, ()).result().expect("runs");
    assert_eq!(asked, (vec![true, true, false], false));
    let less = builder(Transport::Memory, 1).tracing(LevelFilter::WARN);
    let (less, _heard) = listening(LevelFilter::TRACE, less);
    let asked = less.submit(asked_for, ()).result().expect("runs");
    assert_eq!(asked, (vec![true, false, false], false));
    let off = builder(Transport::Memory, 1).tracing(LevelFilter::OFF);
    let (off, _heard) = listening(LevelFilter::TRACE, off);
    let asked = off.submit(asked_for, ()).result().expect("runs");
    assert_eq!(asked, (vec![false, false, false], false));
}

#[test]
fn a_crash_loses_nothing_of_what_was_told_before_it() {
    let _sweep = LeakSweep::new();
    for transport in TRANSPORTS {
        let (pool, heard) = listening(LevelFilter::INFO, builder(transport, 1));
        for round in 1..=3 {
            let crash = pool.submit(
                |n: u64| {
                    let _open = tracing::info_span!("open").entered();
                    (0..n).for_each(|n| tracing::info!(n));
                    die_by(9);
                },
                500,
            );
            assert_eq!(
                crash.result().expect_err("crashes").kind(),
                TaskErrorKind::Crashed
            );
            assert_eq!(heard.all().len(), 500 * round);
        }
        pool.shutdown();
        assert_eq!(heard.ended(), [true; 3]);
    }
}

fn flood(n: u64, gate: String) {
    (0..n).for_each(|n| tracing::info!(n, "flood"));
    arrive(&gate);
}

#[test]
fn a_flood_is_bounded_and_what_is_left_out_is_counted() {
    let _sweep = LeakSweep::new();
    const TOLD: u64 = 300_000;
    for transport in TRANSPORTS {
        let (pool, heard) = listening(LevelFilter::INFO, builder(transport, 2));
        let gate = Gate::new();
        // Nothing is taken before all of it was told, which is several times what may wait.
        heard.hold(true);
        let flooding = pool.submit(flood, (TOLD, gate.path()));
        for n in 0..100 {
            assert_eq!(pool.submit(add, (n, 1)).result().expect("runs"), n + 1);
        }
        gate.wait_for(1);
        heard.hold(false);
        flooding.result().expect("runs");
        let seen = heard.all();
        let arrived = seen
            .iter()
            .filter(|e| e.field("message") == Some("flood"))
            .count() as u64;
        let lost: u64 = seen
            .iter()
            .filter(|e| e.level == Level::WARN)
            .filter_map(|e| e.field("lost")?.strip_prefix("u64 ")?.parse::<u64>().ok())
            .sum();
        assert!(
            arrived >= 10_000 && lost > 0,
            "{arrived} arrived, {lost} were lost"
        );
        assert_eq!(arrived + lost, TOLD);
    }
}

#[test]
fn a_subscriber_that_blocks_holds_up_only_who_told_it_something() {
    let _sweep = LeakSweep::new();
    for transport in TRANSPORTS {
        let (pool, heard) = listening(LevelFilter::INFO, builder(transport, 2));
        heard.hold(true);
        let telling = pool.submit(tell, 1);
        for n in 0..300 {
            assert_eq!(pool.submit(add, (n, 1)).result().expect("runs"), n + 1);
        }
        assert!(!telling.wait_timeout(Duration::from_millis(50)));
        heard.hold(false);
        telling.result().expect("runs");
        assert_eq!(heard.messages(), ["told 1"]);
    }
}

#[test]
fn a_shutdown_waits_until_everything_is_told() {
    let _sweep = LeakSweep::new();
    let (pool, heard) = listening(LevelFilter::INFO, builder(Transport::Memory, 2));
    let told: Vec<_> = (0..500).map(|n| pool.submit(tell, n)).collect();
    pool.shutdown();
    assert_eq!(heard.all().len(), 500);
    for future in told {
        assert!(future.is_done());
    }
}

#[test]
fn a_subscriber_that_panics_costs_its_record_only() {
    let _sweep = LeakSweep::new();
    let (pool, heard) = listening(LevelFilter::INFO, builder(Transport::Memory, 1));
    let task = |text: String| tracing::info!("{text}");
    for text in ["panic", "on", "panic", "and on"] {
        pool.submit(task, text.to_owned()).result().expect("runs");
    }
    assert_eq!(heard.messages(), ["panic", "on", "panic", "and on"]);
}

#[test]
fn every_item_of_a_map_tells_under_its_own_number() {
    let _sweep = LeakSweep::new();
    let (pool, heard) = listening(LevelFilter::INFO, builder(Transport::Memory, 2));
    let done = pool
        .map(tell, 0..1000)
        .collect::<Result<Vec<()>, _>>()
        .expect("all run")
        .len();
    pool.shutdown();
    let seen = heard.all();
    assert_eq!((done, seen.len()), (1000, 1000));
    let tasks: std::collections::BTreeSet<_> = seen.iter().filter_map(|e| e.field("task")).collect();
    assert_eq!(tasks.len(), 1000);
}

#[test]
fn an_initializer_is_heard_and_has_no_task() {
    let _sweep = LeakSweep::new();
    for transport in TRANSPORTS {
        let warm = builder(transport, 1).initializer(|| tracing::info!("warm"), ());
        let (pool, heard) = listening(LevelFilter::INFO, warm);
        pool.submit(tell, 1).result().expect("runs");
        assert_eq!(heard.messages(), ["warm", "told 1"]);
        let seen = heard.all();
        assert_eq!(
            (seen[0].field("task"), seen[0].field("worker")),
            (None, Some("u64 0"))
        );
    }
}

#[test]
fn workers_that_a_template_has_forked_are_heard() {
    let _sweep = LeakSweep::new();
    let forked = builder(Transport::Memory, 2).start_method(StartMethod::Zygote);
    let (pool, heard) = listening(LevelFilter::INFO, forked);
    for n in 0..20 {
        pool.submit(tell, n).result().expect("runs");
        assert_eq!(heard.all().len() as u64, n + 1);
    }
}

/// Counts the events of this process.
struct Counter;

static COUNTED: AtomicU64 = AtomicU64::new(0);

impl Subscriber for Counter {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {
        COUNTED.fetch_add(1, Ordering::Relaxed);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn a_worker_that_installs_a_subscriber_of_its_own_keeps_it() {
    let _sweep = LeakSweep::new();
    let install = || tracing::subscriber::set_global_default(Counter).expect("nobody has installed one");
    let own = builder(Transport::Memory, 1).initializer(install, ());
    let (pool, heard) = listening(LevelFilter::INFO, own);
    pool.submit(tell, 1).result().expect("runs");
    let counted = pool.submit(|| COUNTED.load(Ordering::Relaxed), ());
    assert_eq!(counted.result().expect("runs"), 1);
    assert!(heard.all().is_empty());
}

/// Tells from a pool inside.
fn from_inside() -> u64 {
    let pool = builder(Transport::Memory, 1).build().expect("a pool");
    let future = pool.task(tell, 7).label("inner").submit();
    let id = future.id().0;
    future.result().expect("runs");
    id
}

#[test]
fn what_is_told_in_a_pool_inside_a_task_comes_through() {
    let _sweep = LeakSweep::new();
    let (pool, heard) = listening(LevelFilter::INFO, builder(Transport::Memory, 1));
    let outer = pool.task(from_inside, ()).label("outer").submit();
    let inner = outer.result().expect("runs");
    let seen = heard.all();
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].field("message"), Some("told 7"));
    // It is the inner task that has told it.
    assert_eq!(seen[0].field("label"), Some("str inner"));
    assert_eq!(seen[0].field("task"), Some(&*format!("u64 {inner}")));
}

#[test]
fn actors_and_single_processes_are_heard_too() {
    let _sweep = LeakSweep::new();
    let (listener, heard) = listener(LevelFilter::INFO);
    dispatcher::with_default(&listener, || {
        pexec::spawn(tell, 1).expect("starts").join().expect("runs");
        let actor = Actor::spawn(|n: u64| n, 5).expect("starts");
        let call = actor.call(|n: &mut u64, ()| tracing::info!("state {n}"), ());
        call.result().expect("runs");
    });
    assert_eq!(heard.messages(), ["told 1", "state 5"]);
}
