//! Shared bytes between processes: a message is encoded, sent with its descriptors through a socket, and decoded, as a
//! pool does it.

mod arrival;
mod holders;
mod hostile;
mod traffic;
