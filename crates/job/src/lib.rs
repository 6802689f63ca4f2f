//! pexec-job: a job file becomes a plan, a plan becomes a run, a run becomes events.

pub mod call;
pub mod command;
pub mod event;
pub mod exec;
pub mod files;
pub mod history;
pub mod key;
pub mod limits;
pub mod outlook;
pub mod plan;
pub mod planner;
pub mod problem;
pub mod record;
pub mod run;
pub mod secrets;
mod source;
mod spec;
pub mod state;
mod template;
pub mod text;
pub mod work;
