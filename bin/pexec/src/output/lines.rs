//! Lines with the label of who wrote them in front, in the colour of its task.

use pexec_job::event::Who;
use pexec_job::text::Text;

use super::order::Place;
use crate::terminal::Terminal;
use crate::wording;
use crate::writer::Stream;

/// The colours of tasks: none is red, which is for failures, and each can be read on light and on dark.
const COLOURS: [&str; 10] = ["32", "33", "34", "35", "36", "92", "93", "94", "95", "96"];

/// What has been begun and not ended, for each of the command's streams: a line that comes in pieces may be
/// interrupted by another instance's, and is then ended and taken up again with its label.
#[derive(Default)]
pub(super) struct Lines {
    open: [Option<Place>; 2],
    colour: [bool; 2],
}

/// A line, or a piece of one.
pub(super) struct Line<'a> {
    /// What people call the instance.
    pub(super) label: &'a Text,
    /// Its task.
    pub(super) task: &'a str,
    /// Its place in the plan.
    pub(super) place: Place,
    /// Without the line's end.
    pub(super) text: &'a [u8],
    /// It begins here.
    pub(super) begins: bool,
    /// It ends here.
    pub(super) ends: bool,
}

impl Lines {
    /// With colours where there are any.
    pub(super) fn new(terminal: Terminal) -> Lines {
        Lines {
            colour: [terminal.colour_out, terminal.colour],
            ..Lines::default()
        }
    }

    /// A line, or a piece of one, as it is to be written.
    pub(super) fn take(&mut self, stream: Stream, line: &Line<'_>) -> Vec<u8> {
        let open = &mut self.open[stream as usize];
        let mut text = Vec::with_capacity(line.text.len() + 48);
        let continues = !line.begins && *open == Some(line.place);
        if open.is_some() && !continues {
            text.push(b'\n');
        }
        if !continues {
            let label = wording::label(line.label);
            let prefix = if self.colour[stream as usize] {
                format!("\x1b[{}m{label}:\x1b[0m ", colour(line.task))
            } else {
                format!("{label}: ")
            };
            text.extend_from_slice(prefix.as_bytes());
        }
        text.extend_from_slice(line.text);
        if line.ends {
            text.push(b'\n');
        }
        *open = (!line.ends).then_some(line.place);
        text
    }

    /// The streams that end in the middle of a line.
    pub(super) fn finish(&mut self) -> Vec<Stream> {
        [Stream::Out, Stream::Err]
            .into_iter()
            .filter(|&stream| self.open[stream as usize].take().is_some())
            .collect()
    }
}

/// A whole line, with or without its end, as it is to be written to standard error.
pub(super) fn prefixed(who: &Who, line: &[u8], terminal: Terminal) -> Vec<u8> {
    let line = Line {
        label: &who.label,
        task: &who.task,
        place: (0, 0),
        text: line.strip_suffix(b"\n").unwrap_or(line),
        begins: true,
        ends: true,
    };
    Lines::new(terminal).take(Stream::Err, &line)
}

/// The same for a task in every run and every job, whatever other tasks there are: from a digest of its name (FNV-1a).
fn colour(task: &str) -> &'static str {
    let digest = task.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    COLOURS[(digest % COLOURS.len() as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(label: &'a Text, index: u64, text: &'a [u8], begins: bool, ends: bool) -> Line<'a> {
        Line {
            label,
            task: "sum",
            place: (0, index),
            text,
            begins,
            ends,
        }
    }

    #[test]
    fn a_line_gets_its_label_and_keeps_its_bytes() {
        let mut lines = Lines::default();
        let label = Text::from("sum(a)");
        let text = lines.take(Stream::Out, &line(&label, 0, b"\xff x", true, true));
        assert_eq!(text, b"sum(a): \xff x\n");
        assert!(lines.finish().is_empty());
    }

    #[test]
    fn pieces_of_a_line_are_joined_unless_somebody_interrupts() {
        let mut lines = Lines::default();
        let mut out = Vec::new();
        let (a, b) = (Text::from("a"), Text::from("b"));
        for (label, index, text, begins, ends) in [
            (&a, 0, &b"one "[..], true, false),
            (&a, 0, b"two ", false, false),
            (&b, 1, b"whole", true, true),
            (&a, 0, b"three", false, true),
            (&b, 1, b"died here", true, false),
            (&b, 1, b"next attempt", true, false),
        ] {
            out.extend(lines.take(Stream::Out, &line(label, index, text, begins, ends)));
        }
        assert_eq!(
            String::from_utf8_lossy(&out),
            "a: one two \nb: whole\na: three\nb: died here\nb: next attempt"
        );
        assert_eq!(lines.finish(), [Stream::Out]);
    }

    #[test]
    fn each_stream_is_coloured_by_what_it_is_and_each_task_by_its_name() {
        let mut lines = Lines {
            colour: [true, false],
            ..Lines::default()
        };
        let label = Text::from("sum(a)");
        let out = lines.take(Stream::Out, &line(&label, 0, b"x", true, true));
        assert_eq!(
            String::from_utf8_lossy(&out),
            format!("\x1b[{}msum(a):\x1b[0m x\n", colour("sum"))
        );
        assert_eq!(
            lines.take(Stream::Err, &line(&label, 0, b"x", true, true)),
            b"sum(a): x\n"
        );
        let different: std::collections::BTreeSet<&str> =
            ["sum", "index", "fetch", "compile", "link", "test"]
                .map(colour)
                .into();
        assert!(different.len() >= 4, "{different:?}");
    }
}
