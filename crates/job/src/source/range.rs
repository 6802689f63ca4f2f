//! Ranges of whole numbers: `1..100`, `1..=100`, `1..100/5`. Nothing is held but their ends.

/// A range; may be empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    start: i64,
    step: u64,
    len: u64,
}

impl Range {
    /// Reads a range. The error says what is wrong with it, in words that follow "is no range:".
    pub(crate) fn parse(text: &str) -> Result<Range, String> {
        let (ends, step) = match text.split_once('/') {
            Some((ends, step)) => (ends, Some(step)),
            None => (text, None),
        };
        let (start, end) = ends.split_once("..").ok_or("it has no `..`")?;
        let (end, inclusive) = match end.strip_prefix('=') {
            Some(end) => (end, true),
            None => (end, false),
        };
        let start = number(start)?;
        let end = number(end)?;
        let step = match step {
            None => 1,
            Some(step) => match number(step)? {
                step @ 1.. => step.unsigned_abs(),
                _ => return Err("its step is not at least 1".to_owned()),
            },
        };
        if start > end {
            return Err("it begins after its end".to_owned());
        }
        // Wide enough for all of i64; the longest range, all of i64 included, has one more than u64 can hold.
        let span = i128::from(end) - i128::from(start) + i128::from(inclusive);
        let len = span.unsigned_abs().div_ceil(u128::from(step));
        let len = u64::try_from(len).map_err(|_| "it is too long".to_owned())?;
        Ok(Range { start, step, len })
    }

    /// How many numbers.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The numbers, upwards.
    pub(crate) fn numbers(self) -> impl Iterator<Item = i64> + Send {
        (0..self.len).map(move |n| {
            let number = i128::from(self.start) + i128::from(n) * i128::from(self.step);
            // Below the end, which is an i64.
            number as i64
        })
    }
}

fn number(text: &str) -> Result<i64, String> {
    let text = text.trim();
    match text.parse::<i64>() {
        Ok(number) => Ok(number),
        Err(error) => match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                Err(format!("{} is too large", crate::problem::shown(text)))
            }
            _ if text.is_empty() => Err("a number is missing".to_owned()),
            _ => Err(format!("{} is no whole number", crate::problem::quoted(text))),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> Vec<i64> {
        Range::parse(text).expect("a range").numbers().collect()
    }

    #[test]
    fn the_end_is_left_out_unless_asked_for() {
        assert_eq!(numbers("1..4"), [1, 2, 3]);
        assert_eq!(numbers("1..=4"), [1, 2, 3, 4]);
        assert_eq!(numbers(" -2 .. 1 "), [-2, -1, 0]);
        assert_eq!(numbers("5..5"), [0i64; 0]);
        assert_eq!(numbers("5..=5"), [5]);
    }

    #[test]
    fn a_step_begins_at_the_start() {
        assert_eq!(numbers("1..100/25"), [1, 26, 51, 76]);
        assert_eq!(numbers("0..=10/5"), [0, 5, 10]);
        assert_eq!(numbers("0..10/5"), [0, 5]);
        assert_eq!(numbers("0..1/9223372036854775807"), [0]);
    }

    #[test]
    fn the_widest_range_is_counted_and_its_ends_are_right() {
        let range = Range::parse("0..1000000000000").expect("a range");
        assert_eq!(range.len(), 1_000_000_000_000);
        let whole = "-9223372036854775808..9223372036854775807";
        assert_eq!(Range::parse(whole).expect("a range").len(), u64::MAX);
        assert!(Range::parse("-9223372036854775808..=9223372036854775807").is_err());
        assert_eq!(
            numbers("9223372036854775806..=9223372036854775807"),
            [i64::MAX - 1, i64::MAX]
        );
    }

    #[test]
    fn what_is_no_range_is_told_why() {
        for (text, why) in [
            ("10", "no `..`"),
            ("1..", "missing"),
            ("a..3", "`a`"),
            ("9..1", "begins after its end"),
            ("1..9/0", "step"),
            ("1..9/-1", "step"),
            ("1..99999999999999999999", "too large"),
            ("1...5", "no whole number"),
            ("1..=", "missing"),
        ] {
            let error = Range::parse(text).expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
