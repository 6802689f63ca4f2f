//! One program for all tests that need a process of their own to go wrong: a supervisor that is killed, a program
//! that forgot `pexec::init()`, surroundings that are not what they should be, workers that are not what they
//! say. `MISBEHAVE` says how a worker plays its part; the first argument says what the program does.
//!
//! It prints what it sees; the tests under `tests/programs` judge.

mod forks;
mod impostor;
mod manners;
mod observed;
mod rings;
mod supervisor;
mod surroundings;

use pexec::Executor;
use pexec_tests::tasks;

fn main() {
    impostor::take_over_if_asked();
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    if args.first() == Some(&"forgetful") {
        return forgetful();
    }
    pexec::init();
    match args[..] {
        ["supervise"] => supervisor::supervise(),
        ["supervise-at-work"] => supervisor::supervise_at_work(),
        ["supervise", end] => supervisor::supervise_and_end_by(end),
        ["drain"] => surroundings::drain(),
        ["crash"] => surroundings::crash(),
        ["churn"] => surroundings::churn(),
        ["sigchld-ignored"] => surroundings::sigchld_ignored(),
        ["failing-finalizer"] => surroundings::failing_finalizer(),
        ["stopped-at-work"] => supervisor::stopped_at_work(),
        ["stopped-at-start"] => supervisor::stopped_at_start(),
        ["one-task"] => surroundings::one_task(),
        ["with-impostors"] => impostor::supervise(),
        ["with-ring-impostors"] => rings::supervise(),
        ["on-rings"] => supervisor::supervise_on_rings(),
        ["events"] => observed::print_events(),
        ["dispositions"] => manners::dispositions(),
        ["replaced"] => manners::replaced(),
        ["anywhere"] => manners::anywhere(),
        ["nowhere"] => manners::nowhere(),
        ["hundred-threads"] => manners::hundred_threads(),
        ["default-size"] => manners::default_size(),
        ["few-descriptors"] => manners::few_descriptors(),
        ["no-processes"] => manners::no_processes(),
        ["forks-at-work"] => forks::supervise_at_work(),
        ["template-at-work"] => forks::supervise_an_initializer(),
        ["template-of-a-thread"] => forks::built_by_a_thread_that_ends(),
        ["thread-that-ends"] => surroundings::thread_that_ends(),
        _ => panic!("unknown arguments {args:?}"),
    }
}

/// Builds a pool without having called `pexec::init()`.
fn forgetful() {
    match pexec::ProcessPool::builder().workers(3).build() {
        Ok(pool) => println!("built: {:?}", pool.submit(tasks::add, (1, 2)).result()),
        Err(error) => println!("{error:?}"),
    }
    println!("children: {}", pexec_tests::sweep::children().len());
}
