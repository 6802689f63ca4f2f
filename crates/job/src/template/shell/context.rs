//! Where in a shell script a placeholder stands: bare, or inside something that quotes or nests.
//!
//! A reader of the shell's quoting rules (POSIX.1-2024, Shell Command Language, 2.2, 2.3, 2.6 and 2.7.4), no more: it
//! follows quotes, substitutions, comments and here-documents, and knows nothing of commands.

use crate::template::Piece;

/// Where a placeholder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    Bare,
    Comment,
    SingleQuotes,
    DoubleQuotes,
    Backquotes,
    Substitution,
    Braces,
    Heredoc,
    Delimiter,
    AfterDollar,
    AfterBackslash,
}

impl Context {
    /// In words, where a placeholder may not stand.
    pub(super) fn wrong(self) -> Option<&'static str> {
        match self {
            // What stands in a comment is not used.
            Context::Bare | Context::Comment => None,
            Context::SingleQuotes => Some("inside single quotes"),
            Context::DoubleQuotes => Some("inside double quotes"),
            Context::Backquotes => Some("inside backquotes"),
            Context::Substitution => Some("inside `$(..)`"),
            Context::Braces => Some("inside `${..}`"),
            Context::Heredoc => Some("inside a here-document"),
            Context::Delimiter => Some("as the delimiter of a here-document"),
            Context::AfterDollar => Some("directly after a `$`"),
            Context::AfterBackslash => Some("directly after a backslash"),
        }
    }
}

/// What the script is inside of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    Single,
    Double,
    Back,
    /// `$(`, with this many plain parentheses open in it.
    Dollar(u32),
    Brace,
}

/// A byte of the script, or a placeholder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    Byte(u8),
    Hole,
}

/// The context of each placeholder, in their order.
pub(super) fn contexts(pieces: &[Piece]) -> Vec<Context> {
    let mut units = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Literal(text) => units.extend(text.bytes().map(Unit::Byte)),
            Piece::Hole(_) => units.push(Unit::Hole),
        }
    }
    let mut scan = Scan {
        units,
        at: 0,
        frames: Vec::new(),
        heredocs: Vec::new(),
        word: false,
        found: Vec::new(),
    };
    scan.run();
    scan.found
}

struct Scan {
    units: Vec<Unit>,
    at: usize,
    frames: Vec<Frame>,
    /// Here-documents whose body begins at the next line: delimiter, and whether tabs before it are dropped.
    heredocs: Vec<(Vec<u8>, bool)>,
    /// The unit before belongs to a word, so a `#` begins no comment.
    word: bool,
    found: Vec<Context>,
}

impl Scan {
    fn peek(&self, ahead: usize) -> Option<u8> {
        match self.units.get(self.at + ahead) {
            Some(Unit::Byte(byte)) => Some(*byte),
            Some(Unit::Hole) | None => None,
        }
    }

    fn hole_at(&self, at: usize) -> bool {
        self.units.get(at) == Some(&Unit::Hole)
    }

    fn run(&mut self) {
        while let Some(unit) = self.units.get(self.at).copied() {
            self.at += 1;
            match (unit, self.frames.last().copied()) {
                (Unit::Hole, frame) => {
                    self.found.push(inside(frame));
                    self.word = true;
                }
                (Unit::Byte(byte), Some(Frame::Single)) => {
                    if byte == b'\'' {
                        self.frames.pop();
                    }
                }
                (Unit::Byte(b'\\'), _) => self.escaped(),
                (Unit::Byte(b'$'), _) => self.dollar(),
                (Unit::Byte(b'`'), frame) => self.toggle(Frame::Back, frame),
                (Unit::Byte(b'"'), frame) => self.toggle(Frame::Double, frame),
                (Unit::Byte(b'}'), Some(Frame::Brace)) => {
                    self.frames.pop();
                    self.word = true;
                }
                (Unit::Byte(_), Some(Frame::Double)) => {}
                // In `"${x:-'}"` the quote is an ordinary character.
                (Unit::Byte(b'\''), Some(Frame::Brace)) if self.frames.contains(&Frame::Double) => {}
                (Unit::Byte(b'\''), _) => {
                    self.frames.push(Frame::Single);
                    self.word = true;
                }
                (Unit::Byte(_), Some(Frame::Brace)) => {}
                (Unit::Byte(byte), frame) => self.code(byte, frame),
            }
        }
    }

    /// After a backslash.
    fn escaped(&mut self) {
        if self.hole_at(self.at) {
            self.found.push(Context::AfterBackslash);
        }
        self.at += 1;
        self.word = true;
    }

    /// After a `$`.
    fn dollar(&mut self) {
        self.word = true;
        match self.peek(0) {
            Some(b'(') => {
                self.frames.push(Frame::Dollar(0));
                self.at += 1;
                self.word = false;
            }
            Some(b'{') => {
                self.frames.push(Frame::Brace);
                self.at += 1;
            }
            // `$$`, `$#` and the like are parameters, not the beginning of something.
            Some(b'$' | b'#') => self.at += 1,
            _ if self.hole_at(self.at) => {
                let context = match inside(self.frames.last().copied()) {
                    Context::Bare => Context::AfterDollar,
                    inside => inside,
                };
                self.found.push(context);
                self.at += 1;
            }
            _ => {}
        }
    }

    /// At a quote that also ends what it begins.
    fn toggle(&mut self, kind: Frame, frame: Option<Frame>) {
        if frame == Some(kind) {
            self.frames.pop();
        } else {
            self.frames.push(kind);
        }
        // A new command begins inside backquotes, a word goes on after any quote.
        self.word = kind != Frame::Back || frame == Some(kind);
    }

    /// A byte where commands are.
    fn code(&mut self, byte: u8, frame: Option<Frame>) {
        let in_word = std::mem::replace(&mut self.word, false);
        match (byte, frame) {
            (b'#', _) if !in_word => self.comment(),
            (b'\n', _) => self.bodies(),
            (b'<', _) if self.peek(0) == Some(b'<') => self.redirect(),
            (b'(', Some(Frame::Dollar(depth))) => self.replace(Frame::Dollar(depth + 1)),
            (b')', Some(Frame::Dollar(0))) => {
                self.frames.pop();
                self.word = true;
            }
            (b')', Some(Frame::Dollar(depth))) => self.replace(Frame::Dollar(depth - 1)),
            (b' ' | b'\t' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')', _) => {}
            _ => self.word = true,
        }
    }

    fn replace(&mut self, frame: Frame) {
        self.frames.pop();
        self.frames.push(frame);
    }

    /// To the line's end, which is left.
    fn comment(&mut self) {
        while let Some(unit) = self.units.get(self.at) {
            match unit {
                Unit::Byte(b'\n') => return,
                Unit::Byte(_) => {}
                Unit::Hole => self.found.push(Context::Comment),
            }
            self.at += 1;
        }
    }

    /// After the first `<` of `<<`.
    fn redirect(&mut self) {
        self.at += 1;
        if self.peek(0) == Some(b'<') {
            // `<<<` takes a word like any other.
            self.at += 1;
            return;
        }
        let tabs = self.peek(0) == Some(b'-');
        self.at += usize::from(tabs);
        while matches!(self.peek(0), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        let mut delimiter = Vec::new();
        let mut quote = None;
        while let Some(unit) = self.units.get(self.at).copied() {
            match (unit, quote) {
                (Unit::Hole, _) => self.found.push(Context::Delimiter),
                (Unit::Byte(byte), Some(open)) if byte == open => quote = None,
                (Unit::Byte(byte @ (b'\'' | b'"')), None) => quote = Some(byte),
                (Unit::Byte(b'\\'), None) => {}
                (
                    Unit::Byte(b' ' | b'\t' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'`'),
                    None,
                ) => break,
                (Unit::Byte(byte), _) => delimiter.push(byte),
            }
            self.at += 1;
        }
        self.heredocs.push((delimiter, tabs));
        self.word = true;
    }

    /// After a line's end: the bodies of the here-documents that the line named.
    fn bodies(&mut self) {
        for (delimiter, tabs) in std::mem::take(&mut self.heredocs) {
            while self.at < self.units.len() {
                let end = self.units[self.at..]
                    .iter()
                    .position(|unit| *unit == Unit::Byte(b'\n'))
                    .map_or(self.units.len(), |length| self.at + length);
                let line = &self.units[self.at..end];
                let holes = line.iter().filter(|unit| **unit == Unit::Hole).count();
                let is_last = holes == 0 && {
                    let bytes = line.iter().filter_map(|unit| match unit {
                        Unit::Byte(byte) => Some(*byte),
                        Unit::Hole => None,
                    });
                    let text: Vec<u8> = bytes.skip_while(|byte| tabs && *byte == b'\t').collect();
                    text == delimiter
                };
                self.found.extend(std::iter::repeat_n(Context::Heredoc, holes));
                self.at = (end + 1).min(self.units.len());
                if is_last {
                    break;
                }
            }
        }
    }
}

/// What a placeholder directly inside a frame is inside of.
fn inside(frame: Option<Frame>) -> Context {
    match frame {
        None => Context::Bare,
        Some(Frame::Single) => Context::SingleQuotes,
        Some(Frame::Double) => Context::DoubleQuotes,
        Some(Frame::Back) => Context::Backquotes,
        Some(Frame::Dollar(_)) => Context::Substitution,
        Some(Frame::Brace) => Context::Braces,
    }
}
