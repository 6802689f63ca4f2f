//! Tests of the decisions alone: a fake clock, workers that are played, no process and no waiting.

mod books;
mod cancelling;
mod deaths;
mod dividing;
mod ending;
mod forking;
mod handout;
mod late;
mod priorities;
mod process;
mod purity;
mod random;
mod recycling;
mod retries;
mod rig;
mod sizing;
mod truth;
mod waiting;
mod world;
