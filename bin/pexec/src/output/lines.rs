//! Lines with the label of who wrote them in front.

use pexec_job::text::Text;

use super::order::Place;
use crate::wording;
use crate::writer::Stream;

/// What has been begun and not ended, for each of the command's streams: a line that comes in pieces may be
/// interrupted by another instance's, and is then ended and taken up again with its label.
#[derive(Default)]
pub(super) struct Lines {
    open: [Option<Place>; 2],
}

impl Lines {
    /// A line, or a piece of one, as it is to be written.
    pub(super) fn take(
        &mut self,
        label: &Text,
        place: Place,
        stream: Stream,
        line: &[u8],
        begins: bool,
        ends: bool,
    ) -> (Stream, Vec<u8>) {
        let open = &mut self.open[stream as usize];
        let mut text = Vec::with_capacity(line.len() + 32);
        let continues = !begins && *open == Some(place);
        if open.is_some() && !continues {
            text.push(b'\n');
        }
        if !continues {
            text.extend_from_slice(format!("{}: ", wording::label(label)).as_bytes());
        }
        text.extend_from_slice(line);
        if ends {
            text.push(b'\n');
        }
        *open = (!ends).then_some(place);
        (stream, text)
    }

    /// The streams that end in the middle of a line.
    pub(super) fn finish(&mut self) -> Vec<Stream> {
        [Stream::Out, Stream::Err]
            .into_iter()
            .filter(|&stream| self.open[stream as usize].take().is_some())
            .collect()
    }
}

/// A whole line, with or without its end, as it is to be written.
pub(super) fn prefixed(label: &Text, line: &[u8]) -> Vec<u8> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    Lines::default()
        .take(label, (0, 0), Stream::Err, line, true, true)
        .1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gets_its_label_and_keeps_its_bytes() {
        let mut lines = Lines::default();
        let (stream, text) = lines.take(&"sum(a)".into(), (0, 0), Stream::Out, b"\xff x", true, true);
        assert_eq!(
            (stream, text.as_slice()),
            (Stream::Out, b"sum(a): \xff x\n".as_slice())
        );
        assert!(lines.finish().is_empty());
    }

    #[test]
    fn pieces_of_a_line_are_joined_unless_somebody_interrupts() {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        let mut take = |lines: &mut Lines, label: &str, index, line: &[u8], begins, ends| {
            out.extend(
                lines
                    .take(&label.into(), (0, index), Stream::Out, line, begins, ends)
                    .1,
            );
        };
        take(&mut lines, "a", 0, b"one ", true, false);
        take(&mut lines, "a", 0, b"two ", false, false);
        take(&mut lines, "b", 1, b"whole", true, true);
        take(&mut lines, "a", 0, b"three", false, true);
        take(&mut lines, "b", 1, b"died here", true, false);
        take(&mut lines, "b", 1, b"next attempt", true, false);
        assert_eq!(
            String::from_utf8_lossy(&out),
            "a: one two \nb: whole\na: three\nb: died here\nb: next attempt"
        );
        assert_eq!(lines.finish(), [Stream::Out]);
    }
}
