//! `[run]`: how many workers, what ends the run early, and how output is shown.

use toml::de::DeValue;

use super::reader::{Reader, Value};
use crate::plan::{Halt, Output};
use crate::problem::nearest::advice;
use crate::problem::{Problem, quoted};

/// How many CPUs this process may use.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many workers `4`, `50%` or `cpus-1` are on `cpus` CPUs: at least one. The error is what was expected.
pub(crate) fn workers(text: &str, cpus: usize) -> Result<usize, &'static str> {
    const EXPECTED: &str = "a number of at least 1, a percentage of the CPUs like \"50%\", or \"cpus-1\"";
    // Far more than any machine runs, few enough to multiply.
    let number = |digits: &str| match digits.trim().parse::<u32>() {
        Ok(number) if digits.trim().starts_with(|c: char| c.is_ascii_digit()) => Ok(number as usize),
        _ => Err(EXPECTED),
    };
    let text = text.trim();
    let workers = if let Some(percent) = text.strip_suffix('%') {
        match number(percent)? {
            0 => return Err(EXPECTED),
            percent => cpus.saturating_mul(percent) / 100,
        }
    } else if let Some(rest) = text.strip_prefix("cpus") {
        let rest = rest.trim_start();
        match (rest.strip_prefix('-'), rest.strip_prefix('+')) {
            (Some(fewer), _) => cpus.saturating_sub(number(fewer)?),
            (_, Some(more)) => cpus + number(more)?,
            _ if rest.is_empty() => cpus,
            _ => return Err(EXPECTED),
        }
    } else {
        match number(text)? {
            0 => return Err(EXPECTED),
            workers => workers,
        }
    };
    Ok(workers.max(1))
}

pub(super) fn read_workers(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<usize> {
    if matches!(value.get_ref(), DeValue::Integer(_)) {
        return reader
            .integer(value, 1, i64::from(u32::MAX))
            .map(|workers| workers as usize);
    }
    let text = reader.string(value, "a number, or a string like \"50%\" or \"cpus-1\"")?;
    match workers(&text, cpus()) {
        Ok(workers) => Some(workers),
        Err(expected) => {
            let title = format!("{} is no number of workers", quoted(&text));
            reader
                .findings
                .add(Problem::at(value.span(), title).help(format!("expected {expected}")));
            None
        }
    }
}

/// The policy; `never` is none.
pub(super) fn read_halt(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Halt> {
    let text = reader.string(value, "a string like \"soon,fail=1\"")?;
    match Halt::read(&text) {
        Ok(halt) => halt,
        Err(why) => {
            let title = format!("{} is no policy to halt by", quoted(&text));
            reader.findings.add(Problem::at(value.span(), title).help(why));
            None
        }
    }
}

pub(super) fn read_output(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Output> {
    const KNOWN: [(&str, Output); 4] = [
        ("grouped", Output::Grouped),
        ("ordered", Output::Ordered),
        ("line", Output::Line),
        ("none", Output::None),
    ];
    let text = reader.string(value, "a string")?;
    let output = KNOWN
        .iter()
        .find(|(name, _)| *name == text)
        .map(|(_, output)| *output);
    if output.is_none() {
        let title = format!("{} is no way to show output", quoted(&text));
        let help = advice(&text, KNOWN.iter().map(|(name, _)| *name));
        reader.findings.add(Problem::at(value.span(), title).help(help));
    }
    output
}
