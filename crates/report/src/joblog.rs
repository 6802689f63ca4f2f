//! A job log as GNU parallel writes it: a line of tab-separated columns for each instance that ran, which spreadsheets
//! and scripts read.
//!
//! `Send` and `Receive` are what was transferred; here they are 0 and the bytes of captured standard output. Events do
//! not tell commands: who has a record finds them by the instances' keys. The label is in the place of one that is not known.

use std::collections::HashMap;
use std::io::{self, Write};

use crate::model::{Report, State};

const HEAD: &str = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand\n";

/// Writes the log: the last attempt of each instance that ended, in the order of their ends. `commands`: what instances
/// did, each on one line, by [`Instance::key`](crate::model::Instance::key).
///
/// # Errors
///
/// What `out` says.
pub fn write(report: &Report, commands: &HashMap<u128, String>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(HEAD.as_bytes())?;
    let mut ended: Vec<(u64, usize)> = report
        .instances
        .iter()
        .enumerate()
        .filter_map(|(place, instance)| Some((place, instance.last?)))
        .map(|(place, at)| (place, &report.attempts[at as usize]))
        .filter(|(_, attempt)| attempt.state != State::Unfinished)
        .map(|(place, attempt)| (attempt.start + attempt.wall, place))
        .collect();
    ended.sort_unstable();
    for (_, place) in ended {
        let instance = &report.instances[place];
        let Some(at) = instance.last else { continue };
        let attempt = &report.attempts[at as usize];
        let began = report
            .wall_clock(attempt.start)
            .map_or(0.0, |t| t.as_millisecond() as f64 / 1e3);
        let signal = attempt.signal.unwrap_or(0);
        // As parallel has it: what a signal ended has no exit value of its own, and what failed for another reason
        // must not look like a success.
        let exit = match attempt.exit {
            Some(exit) if exit != 0 || attempt.state.is_success() => exit,
            Some(_) | None if signal != 0 || attempt.state.is_success() => 0,
            Some(_) | None => -1,
        };
        writeln!(
            out,
            "{}\t:\t{began:.3}\t{:10.3}\t0\t{}\t{exit}\t{signal}\t{}",
            place + 1,
            attempt.wall as f64 / 1e6,
            attempt.stdout,
            commands
                .get(&instance.key())
                .map_or_else(|| report.text.get(instance.label), String::as_str),
        )?;
    }
    Ok(())
}
