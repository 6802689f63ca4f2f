//! How numbers and durations are written for people.

use std::time::Duration;

use pexec_job::event::Since;
use pexec_job::text::Text;

/// `12,345`.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 task`, `2 tasks`.
pub(crate) fn plural(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(n), if n == 1 { "" } else { "s" })
}

/// `4ms`, `0.25s`, `12.3s`, `3m 05s`, `2h 03m`.
pub(crate) fn span(d: Duration) -> String {
    let seconds = d.as_secs();
    match seconds {
        0 if d.as_millis() < 10 => format!("{}ms", d.as_millis()),
        0..10 => format!("{:.2}s", (d.as_millis() / 10) as f64 / 100.0),
        10..60 => format!("{:.1}s", (d.as_millis() / 100) as f64 / 10.0),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The same for what is only an estimate or ticks by: whole seconds.
pub(crate) fn whole_span(d: Duration) -> String {
    match d.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        _ => span(d),
    }
}

/// `1,234/s`, `2.5/s`, and by the minute what is slower than one in two seconds.
pub(crate) fn rate(per_second: f64) -> String {
    if per_second >= 10.0 {
        format!("{}/s", count(per_second.round() as u64))
    } else if per_second >= 0.5 {
        format!("{per_second:.1}/s")
    } else {
        format!("{:.1}/min", per_second * 60.0)
    }
}

/// `1 changed, 2 new, 3 no longer in the job`; nothing where nothing is.
pub(crate) fn since(since: Since) -> Option<String> {
    let parts = [
        (since.changed, "changed"),
        (since.new, "new"),
        (since.gone, "no longer in the job"),
    ];
    let parts = parts.iter().filter(|(n, _)| *n > 0);
    let parts: Vec<String> = parts.map(|(n, what)| format!("{} {what}", count(*n))).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// A label on one line and of a bearable length: an item may be as long as an argument can be.
pub(crate) fn label(label: &Text) -> String {
    const LONGEST: usize = 200;
    let bytes = label.as_bytes();
    if bytes.len() <= LONGEST {
        return label.to_string();
    }
    // The end tells paths apart, the beginning names the task.
    let (head, tail) = (&bytes[..LONGEST / 2], &bytes[bytes.len() - LONGEST / 2..]);
    format!("{}..{}", Text(head.to_vec()), Text(tail.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_label_keeps_its_ends() {
        assert_eq!(label(&"sum(a)".into()), "sum(a)");
        let long = label(&Text([b"sum(".as_slice(), &[b'x'; 3_000_000], b"/end)"].concat()));
        assert!(
            long.starts_with("sum(xxx") && long.ends_with("xxx/end)") && long.len() == 202,
            "{long}"
        );
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!(
            [0, 7, 999, 1000, 12345, 1_000_000].map(count),
            ["0", "7", "999", "1,000", "12,345", "1,000,000"]
        );
        assert_eq!(plural(1, "task"), "1 task");
        assert_eq!(plural(1000, "task"), "1,000 tasks");
    }

    #[test]
    fn durations_are_as_exact_as_they_are_long() {
        let text = |ms| span(Duration::from_millis(ms));
        assert_eq!(text(4), "4ms");
        assert_eq!(text(10), "0.01s");
        assert_eq!(text(1250), "1.25s");
        assert_eq!(text(9999), "9.99s");
        assert_eq!(text(59_999), "59.9s");
        assert_eq!(text(65_000), "1m 05s");
        assert_eq!(text(7_380_000), "2h 03m");
        assert_eq!(whole_span(Duration::from_millis(9999)), "9s");
        assert_eq!(whole_span(Duration::from_secs(61)), "1m 01s");
    }

    #[test]
    fn slow_rates_are_told_by_the_minute() {
        assert_eq!([12345.4, 2.5, 0.1].map(rate), ["12,345/s", "2.5/s", "6.0/min"]);
    }
}
