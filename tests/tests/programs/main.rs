//! Behaviours that need a whole program: its start, its end, its surroundings, and workers that are impostors.

mod building;
mod conformance;
mod embedding;
mod events;
mod impostors;
mod manners;
mod public_api;
mod ring_impostors;
mod stopped_supervisor;
mod supervisor_death;
mod surroundings;
mod zygotes;

/// The program that misbehaves on request.
const MISBEHAVE: &str = env!("CARGO_BIN_EXE_misbehave");
