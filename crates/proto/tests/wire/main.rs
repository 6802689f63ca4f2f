//! The wire, tested from outside the crate: golden bytes, and what hostile or broken peers can send.

mod codec_bounds;
mod codec_bulk;
mod codec_shapes;
mod codec_values;
mod frames;
mod garbage;
mod golden;
mod handshake_attacks;
mod handshake_rules;
mod peers;
mod seeded;
