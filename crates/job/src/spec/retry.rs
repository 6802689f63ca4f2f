//! `backoff` and `retry_on`: which failures get another attempt, and after what pause.

use super::reader::{Reader, Value};
use crate::plan::{Backoff, Cause};
use crate::problem::nearest::advice;
use crate::problem::{Problem, quoted};

pub(super) fn read_backoff(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Backoff> {
    const EXPECTED: &str = "a pause like \"5s\", or two like \"1s..60s\"";
    let text = reader.string(value, EXPECTED)?;
    match text.parse::<Backoff>() {
        Ok(backoff) => Some(backoff),
        Err(why) => {
            let title = format!("{} is no pause between attempts: {why}", quoted(&text));
            let help = format!("expected {EXPECTED}");
            reader.findings.add(Problem::at(value.span(), title).help(help));
            None
        }
    }
}

pub(super) fn read_causes(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<Vec<Cause>> {
    let list = reader.array(value, "an array of reasons", "[\"exit\", \"signal\"]")?;
    if list.is_empty() {
        let title = "`retry_on` is empty: nothing would ever be tried again";
        let help = "leave it out, or write `retries = 0`";
        reader.findings.add(Problem::at(value.span(), title).help(help));
    }
    let mut causes = Vec::new();
    for value in list.iter() {
        let Some(name) = reader.string(value, "a reason") else {
            continue;
        };
        match Cause::ALL.iter().find(|(known, _)| *known == name) {
            Some((_, cause)) => causes.push(*cause),
            None => {
                let title = format!("{} is no reason to try again", quoted(&name));
                let help = advice(&name, Cause::ALL.iter().map(|(known, _)| *known));
                reader.findings.add(Problem::at(value.span(), title).help(help));
            }
        }
    }
    Some(causes)
}
