//! Worlds of random events, millions of them. Each follows from its seed: a failure names it, and
//! `PEXEC_CORE_SEED=n cargo test -p pexec --lib core::tests::random` plays that world alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use super::world::World;

const WORLDS: u64 = 3500;
const EVENTS: u64 = 2500;

fn play(seed: u64, base: Instant, events: u64) -> u64 {
    let mut world = World::new(seed, base);
    world.live(events);
    world.events
}

fn fails(seed: u64, base: Instant, events: u64) -> bool {
    catch_unwind(AssertUnwindSafe(|| play(seed, base, events))).is_err()
}

/// The smallest number of events, found by halving, after which the world still fails.
fn shortest(seed: u64, base: Instant) -> u64 {
    let (mut good, mut bad) = (0, EVENTS);
    while good + 1 < bad {
        let middle = good.midpoint(bad);
        if fails(seed, base, middle) {
            bad = middle;
        } else {
            good = middle;
        }
    }
    bad
}

fn play_or_explain(seed: u64, base: Instant) -> u64 {
    match catch_unwind(AssertUnwindSafe(|| play(seed, base, EVENTS))) {
        Ok(events) => events,
        Err(_) => {
            let events = shortest(seed, base);
            panic!(
                "PEXEC_CORE_SEED={seed} fails, with {events} events already; the first message above says how"
            );
        }
    }
}

#[test]
fn every_task_has_one_outcome_and_no_death_hits_another_task_whatever_happens() {
    let base = Instant::now();
    if let Some(seed) = std::env::var("PEXEC_CORE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
    {
        println!("{} events", play_or_explain(seed, base));
        return;
    }
    let events: u64 = (0..WORLDS).map(|seed| play_or_explain(seed, base)).sum();
    println!("{events} events");
    assert!(
        events > 3_000_000,
        "only {events} events: the worlds end too early to say much"
    );
}

#[test]
fn the_same_events_and_instants_give_the_same_actions() {
    let base = Instant::now();
    for seed in 0..50 {
        let record = || {
            let mut world = World::new(seed, base);
            world.record = Some(Vec::new());
            world.live(EVENTS);
            world.record.unwrap()
        };
        let (once, again) = (record(), record());
        assert!(once.len() > 5);
        assert!(once == again, "seed {seed} decides differently the second time");
    }
}
