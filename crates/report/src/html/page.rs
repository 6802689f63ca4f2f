//! The frame of the page, with its parts put where it names them.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{data, output, safe};
use crate::captured::Captured;
use crate::model::{Report, Verdict};

const FRAME: &str = include_str!("../../assets/frame.html");
const STYLE: &str = concat!(
    include_str!("../../assets/colours.css"),
    include_str!("../../assets/page.css"),
    include_str!("../../assets/parts.css"),
);
/// One strict function around all, so that the files share their names with each other and with nobody else.
const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("../../assets/data.js"),
    include_str!("../../assets/words.js"),
    include_str!("../../assets/elements.js"),
    include_str!("../../assets/theme.js"),
    include_str!("../../assets/head.js"),
    include_str!("../../assets/captured.js"),
    include_str!("../../assets/details.js"),
    include_str!("../../assets/view.js"),
    include_str!("../../assets/lanes.js"),
    include_str!("../../assets/curves.js"),
    include_str!("../../assets/timeline.js"),
    include_str!("../../assets/failures.js"),
    include_str!("../../assets/lists.js"),
    include_str!("../../assets/rows.js"),
    include_str!("../../assets/table.js"),
    include_str!("../../assets/start.js"),
    "})();\n",
);

/// Writes it all.
pub(super) fn write(report: &Report, captured: &dyn Captured, out: &mut dyn Write) -> io::Result<()> {
    let verdict = Verdict::of(report);
    let mut rest = FRAME;
    while let Some((before, after)) = rest.split_once("{{") {
        out.write_all(before.as_bytes())?;
        let Some((part, after)) = after.split_once("}}") else {
            break;
        };
        rest = after;
        match part {
            "policy" => out.write_all(policy().as_bytes())?,
            "title" => write!(out, "{}: {}", safe::text(&report.job), safe::text(&verdict.text))?,
            "job" => out.write_all(safe::text(&report.job).as_bytes())?,
            "verdict" => out.write_all(safe::text(&verdict.text).as_bytes())?,
            "tone" => out.write_all(verdict.tone.as_str().as_bytes())?,
            "style" => out.write_all(STYLE.as_bytes())?,
            "script" => out.write_all(SCRIPT.as_bytes())?,
            "data" => data::write(report, out)?,
            "output" => output::write(report, captured, out)?,
            other => return Err(io::Error::other(format!("the page has no part {other}"))),
        }
    }
    out.write_all(rest.as_bytes())
}

/// Nothing may be loaded, sent or run but the page's own style and script.
fn policy() -> String {
    let digest = |text: &str| STANDARD.encode(Sha256::digest(text.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        digest(STYLE),
        digest(SCRIPT),
    )
}
