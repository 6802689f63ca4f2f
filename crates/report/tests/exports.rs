//! The files for other programs: each is read back by the rules of its format.

mod made;

#[path = "exports/joblog.rs"]
mod joblog;
#[path = "exports/junit.rs"]
mod junit;
#[path = "exports/page.rs"]
mod page;
#[path = "exports/trace.rs"]
mod trace;
