//! The built command, end to end: real processes, real files, real signals. One module per behaviour.

#[path = "cli/bad_input.rs"]
mod bad_input;
#[path = "cli/cgroup.rs"]
mod cgroup;
#[path = "cli/completions.rs"]
mod completions;
#[path = "cli/doctor.rs"]
mod doctor;
#[path = "cli/each.rs"]
mod each;
#[path = "cli/ends.rs"]
mod ends;
#[path = "cli/events.rs"]
mod events;
#[path = "cli/example.rs"]
mod example;
#[path = "cli/halt.rs"]
mod halt;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/init.rs"]
mod init;
#[path = "cli/joblog.rs"]
mod joblog;
#[path = "cli/keys.rs"]
mod keys;
#[path = "cli/kills.rs"]
mod kills;
#[path = "cli/learning.rs"]
mod learning;
#[path = "cli/making.rs"]
mod making;
#[path = "cli/man.rs"]
mod man;
#[path = "cli/output.rs"]
mod output;
#[path = "cli/pairs.rs"]
mod pairs;
#[path = "cli/past.rs"]
mod past;
#[path = "cli/pausing.rs"]
mod pausing;
#[path = "cli/plan.rs"]
mod plan;
#[path = "cli/progress.rs"]
mod progress;
#[path = "cli/record.rs"]
mod record;
#[path = "cli/replay.rs"]
mod replay;
#[path = "cli/report.rs"]
mod report;
#[path = "cli/resume.rs"]
mod resume;
#[path = "cli/retries.rs"]
mod retries;
#[path = "cli/secrets.rs"]
mod secrets;
#[path = "cli/signals.rs"]
mod signals;
#[path = "cli/support.rs"]
mod support;
#[path = "cli/terminal.rs"]
mod terminal;
#[path = "cli/turns.rs"]
mod turns;
#[path = "cli/volume.rs"]
mod volume;
