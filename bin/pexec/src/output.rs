//! What tasks wrote, as the user wants to see it: grouped, in the order of the plan, line by line, or not.
//!
//! Everything ends up in the [`Writer`]; this decides what, and in which order.

mod held;
mod lines;
mod order;

use std::io;
use std::path::Path;

use pexec_job::event::{Event, Kind, Outcome};
use pexec_job::exec::Captured;
use pexec_job::plan::Output;
use pexec_job::run::{OutputChunk, OutputKind};

use crate::speech;
use crate::terminal::Terminal;
use crate::writer::{Piece, Stream, Writer};
use held::{Held, Holder};
use lines::{Line, Lines};
use order::Order;

/// Sorts output into the writer.
pub(crate) struct Outputs {
    writer: Writer,
    mode: Mode,
    holder: Holder,
    terminal: Terminal,
}

enum Mode {
    Grouped,
    Ordered(Ordered),
    Line(Lines),
    None,
}

/// Instances in the order of the plan. The one whose turn it is is written as it comes.
#[derive(Default)]
struct Ordered {
    order: Order<Held>,
    /// The instance of which something was written before its end, and how much of each stream.
    begun: Option<(order::Place, [u64; 2])>,
}

impl Outputs {
    /// Output in this mode; what is large and has to wait does so in `dir`.
    pub(crate) fn new(mode: Output, writer: Writer, dir: &Path, terminal: Terminal) -> Outputs {
        let mode = match mode {
            Output::Grouped => Mode::Grouped,
            Output::Ordered => Mode::Ordered(Ordered::default()),
            Output::Line => Mode::Line(Lines::new(terminal)),
            Output::None => Mode::None,
        };
        Outputs {
            writer,
            mode,
            holder: Holder::new(dir),
            terminal,
        }
    }

    /// Takes what an instance wrote.
    pub(crate) fn chunk(&mut self, chunk: &OutputChunk<'_>) -> io::Result<()> {
        match (&mut self.mode, chunk.kind) {
            (
                Mode::Line(lines),
                OutputKind::Line {
                    stream,
                    line,
                    begins,
                    ends,
                },
            ) => {
                let stream = stream.into();
                let line = Line {
                    label: chunk.label,
                    task: chunk.task,
                    place: chunk.place,
                    text: line,
                    begins,
                    ends,
                };
                let text = lines.take(stream, &line);
                self.writer.push(stream, Piece::Bytes(text))
            }
            (Mode::Ordered(Ordered { order, begun }), OutputKind::Part { stream, bytes })
                if order.is_next(chunk.place) =>
            {
                let stream = Stream::from(stream);
                let (_, written) = match begun {
                    Some(begun) if begun.0 == chunk.place => begun,
                    other => other.insert((chunk.place, [0; 2])),
                };
                written[stream as usize] += bytes.len() as u64;
                self.writer.push(stream, Piece::Bytes(bytes.to_vec()))
            }
            (Mode::Grouped | Mode::Ordered(_), OutputKind::Whole { stdout, stderr, .. }) => {
                let begun = match &mut self.mode {
                    Mode::Ordered(Ordered { begun, .. }) => begun.take_if(|begun| begun.0 == chunk.place),
                    _ => None,
                };
                let written = begun.map_or([0; 2], |(_, written)| written);
                self.whole(chunk.place, Stream::Out, stdout, written[0])?;
                self.whole(chunk.place, Stream::Err, stderr, written[1])
            }
            (Mode::Line(_) | Mode::None, OutputKind::Whole { .. })
            | (_, OutputKind::Part { .. })
            | (Mode::Grouped | Mode::Ordered(_) | Mode::None, OutputKind::Line { .. }) => Ok(()),
        }
    }

    /// The output of this instance is of interest before its end: it is its turn.
    pub(crate) fn follows(&self, place: order::Place) -> bool {
        matches!(&self.mode, Mode::Ordered(Ordered { order, .. }) if order.is_next(place))
    }

    fn whole(
        &mut self,
        place: order::Place,
        stream: Stream,
        captured: &Captured,
        from: u64,
    ) -> io::Result<()> {
        let Some(piece) = self.holder.claim(captured, from)? else {
            return Ok(());
        };
        match &mut self.mode {
            Mode::Ordered(Ordered { order, .. }) if !order.is_next(place) => {
                order.hold(place, self.holder.hold(stream, piece)?);
                Ok(())
            }
            _ => self.writer.push(stream, piece),
        }
    }

    /// Learns from what happens who will write nothing more, and who failed.
    pub(crate) fn event(&mut self, event: &Event) -> io::Result<()> {
        match (&mut self.mode, &event.kind) {
            (Mode::Ordered(Ordered { order, .. }), Kind::Planned { task, total }) => {
                let free = order.planned(task, *total);
                self.release(free)
            }
            (Mode::Ordered(Ordered { begun, .. }), Kind::Finished { end, .. }) if end.retry => {
                // The next attempt writes anew, even if this one did not come home.
                *begun = None;
                Ok(())
            }
            (Mode::None, Kind::Finished { end, .. }) if end.retry => Ok(()),
            (
                Mode::Ordered(Ordered { order, .. }),
                Kind::Finished { who, .. } | Kind::Blocked { who, .. },
            ) => {
                let free = order.settle(order.place(&who.task, who.index));
                self.release(free)
            }
            (Mode::None, Kind::Finished { who, end, .. }) if end.outcome != Outcome::Killed => {
                let tail = end.tail.as_bytes();
                let lines = tail.split_inclusive(|&b| b == b'\n');
                let text: Vec<u8> = lines
                    .flat_map(|line| lines::prefixed(who, line, self.terminal))
                    .collect();
                if text.is_empty() {
                    Ok(())
                } else {
                    self.writer.push(Stream::Err, Piece::Bytes(text))
                }
            }
            _ => Ok(()),
        }
    }

    /// Says something of pexec's own on standard error, between what tasks wrote.
    pub(crate) fn say(&self, words: &str) -> io::Result<()> {
        self.tell(format!("{}: {words}\n", speech::name()))
    }

    /// The same, as whole lines.
    pub(crate) fn tell(&self, lines: String) -> io::Result<()> {
        self.writer.push(Stream::Err, Piece::Bytes(lines.into_bytes()))
    }

    /// Shows this block at the bottom of the screen.
    pub(crate) fn show(&self, block: Vec<String>) {
        self.writer.show(block);
    }

    /// Writes what is still held back, because a run that was cut short leaves gaps in the order, and waits
    /// until all is out.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let held = match &mut self.mode {
            Mode::Ordered(Ordered { order, .. }) => order.drain(),
            Mode::Line(lines) => {
                let ends = lines.finish();
                ends.into_iter()
                    .try_for_each(|stream| self.writer.push(stream, Piece::Bytes(b"\n".to_vec())))?;
                Vec::new()
            }
            Mode::Grouped | Mode::None => Vec::new(),
        };
        let released = self.release(held);
        self.writer.finish().and(released)
    }

    fn release(&mut self, held: Vec<Held>) -> io::Result<()> {
        for held in held {
            let (stream, piece) = self.holder.release(held)?;
            self.writer.push(stream, piece)?;
        }
        Ok(())
    }
}
