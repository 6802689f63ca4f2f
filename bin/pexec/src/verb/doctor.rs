//! `pexec doctor`: a line for each thing that was tried, as soon as that is known.

use std::io::{self, Write};
use std::ops::ControlFlow;

use serde_json::{Value, json};

use crate::answer;
use crate::cli::{Doctor, DoctorFormat};
use crate::doctor::{Finding, examine};
use crate::exit::Exit;
use crate::speech::complain;
use crate::terminal::Terminal;

/// Tries everything and tells what came of it.
pub(crate) fn doctor(args: &Doctor, terminal: Terminal) -> Exit {
    let mut findings = Vec::new();
    let mut written = Ok(());
    examine(|finding| {
        if args.format == DoctorFormat::Text {
            written = say(&line(&finding, terminal.stdout && terminal.colour));
        }
        findings.push(finding);
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    if args.format == DoctorFormat::Json {
        written = say(&format!("{:#}\n", described(&findings)));
    }
    match answer::ended(written) {
        Exit::Success => judge(&findings),
        failed => failed,
    }
}

fn say(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn judge(findings: &[Finding]) -> Exit {
    let fatal: Vec<&str> = findings.iter().filter(|f| f.is_fatal()).map(|f| f.name).collect();
    let missing: Vec<&str> = findings
        .iter()
        .filter(|f| !f.holds && !f.needed)
        .map(|f| f.name)
        .collect();
    let without = match missing.is_empty() {
        true => String::new(),
        false => format!("; it does without {}", missing.join(", ")),
    };
    if fatal.is_empty() {
        complain(&format!("all that pexec needs holds here{without}"));
        return Exit::Success;
    }
    complain(&format!(
        "pexec needs what does not hold here: {}{without}",
        fatal.join(", ")
    ));
    Exit::Failed
}

/// `ok  pidfd  the end ..`, `no  pidfd  why; what that means; what to do`.
fn line(finding: &Finding, colour: bool) -> String {
    let (word, code) = match finding.holds {
        true => ("ok", 32),
        false if finding.needed => ("no", 31),
        false => ("no", 33),
    };
    let word = match colour {
        true => format!("\x1b[{code}m{word}\x1b[0m"),
        false => word.to_owned(),
    };
    let mut text = format!("{word}  {:<16} {}", finding.name, finding.seen);
    if let Some((means, advice)) = finding.so {
        text += &format!(": {means}; {advice}");
    }
    text.push('\n');
    text
}

fn described(findings: &[Finding]) -> Value {
    let checks: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut check = json!({
                "name": finding.name,
                "ok": finding.holds,
                "needed": finding.needed,
                "seen": finding.seen,
            });
            if let Some((means, advice)) = finding.so {
                check["means"] = means.into();
                check["advice"] = advice.into();
            }
            check
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "ok": !findings.iter().any(Finding::is_fatal),
        "checks": checks,
    })
}
