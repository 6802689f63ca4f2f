//! What a run came to, as files for people and for other programs: a self-contained HTML report, JUnit XML, a
//! Chrome trace and a job log.
//!
//! Events go in ([`model::Fold`]), a [`model::Report`] comes out, and each writer turns that into one file. Nothing
//! here starts a process, reads a clock or knows where a record lies: captured output is asked for through
//! [`captured::Captured`].

pub mod captured;
pub mod html;
pub mod joblog;
pub mod junit;
pub mod model;
pub mod plain;
pub mod trace;
