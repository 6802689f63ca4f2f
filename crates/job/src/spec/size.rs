//! Sizes of memory, as texts with a unit.

use super::reader::{Reader, Value};
use crate::problem::{Problem, quoted};

/// Powers of 1000 and of 1024.
const UNITS: [(&str, u64); 9] = [
    ("B", 1),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];
const EXPECTED: &str = "a size like \"512MiB\"";

/// A size that is more than nothing.
pub(super) fn read(reader: &mut Reader<'_>, value: &Value<'_>) -> Option<u64> {
    if value.get_ref().is_integer() || value.get_ref().is_float() {
        reader.wrong(value, EXPECTED, "write the unit too, as in \"512MiB\"");
        return None;
    }
    let text = reader.string(value, EXPECTED)?;
    let size = parse(&text);
    if size.is_none() {
        let help = "a number with one of the units B, KB, MB, GB, TB, KiB, MiB, GiB and TiB makes a size";
        let title = format!("{} is no size", quoted(&text));
        reader.findings.add(
            Problem::at(value.span(), title)
                .label(format!("expected {EXPECTED}"))
                .help(help),
        );
    }
    size
}

fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let unit = unit.trim_start();
    let (_, factor) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    let size = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(*factor)?,
        // Far below what a float can tell apart, and nobody writes 17 digits and a point.
        Err(_) => (number.parse::<f64>().ok()? * *factor as f64).round() as u64,
    };
    // More than this no machine has, and sums of it must not run over.
    (1..1 << 60).contains(&size).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_number_and_a_unit_make_a_size() {
        for (text, size) in [
            ("1B", Some(1)),
            ("2GiB", Some(2 << 30)),
            (" 1.5 gib ", Some(3 << 29)),
            ("64kb", Some(64_000)),
            ("0MiB", None),
            ("12", None),
            ("12M", None),
            ("MiB", None),
            ("1.2.3MiB", None),
            ("-1MiB", None),
            ("99999999999TiB", None),
            ("", None),
        ] {
            assert_eq!(parse(text), size, "{text:?}");
        }
    }
}
