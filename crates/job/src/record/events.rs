//! The events of a record, checked on the way: whole lines, their checksums, one after the other without a gap, of one
//! run. What was cut off at the end is no error: whoever wrote it was killed in the middle of it, and nobody has acted
//! on it. Anything else that is not as it was written is.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;

use super::Error;
use crate::event::line::salted;
use crate::event::{Event, Kind, ParseError, VERSION};

/// The longest line. None that pexec writes comes near it; a file that is no record must not fill the memory.
const LONGEST: u64 = 64 << 20;
/// How much is read at once.
const BUFFER: usize = 64 * 1024;

/// Reads events until the end or the first error.
#[derive(Debug)]
pub struct Events {
    file: BufReader<File>,
    path: PathBuf,
    run: String,
    line: u64,
    seq: u64,
    whole: u64,
    buffer: Vec<u8>,
    torn: Option<Torn>,
    over: bool,
    /// Lines of attempts that began are checked and passed over.
    ends: bool,
    /// The salt of the start of the run that is being read; `None` in records that have none.
    salt: Option<u32>,
    /// The same as a line has it.
    salted: String,
}

/// The end of a record that was cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// The number of the line that is not whole, from 1.
    pub line: u64,
    /// How many bytes there are of it.
    pub bytes: u64,
}

impl Events {
    pub(super) fn new(file: File, path: PathBuf, run: String) -> Events {
        Events {
            file: BufReader::with_capacity(BUFFER, file),
            path,
            run,
            line: 0,
            seq: 0,
            whole: 0,
            buffer: Vec::new(),
            torn: None,
            over: false,
            ends: false,
            salt: None,
            salted: String::new(),
        }
    }

    /// The same without the events of attempts that began, for who wants to know what became of them. Their lines are
    /// as whole and in their turn as ever, but nothing is made of them: half of a record is read in a fraction of the time.
    pub fn ends(mut self) -> Events {
        self.ends = true;
        self
    }

    /// What was cut off at the end; known once the iterator has ended.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// How many bytes the lines have that were read and are whole.
    pub fn whole(&self) -> u64 {
        self.whole
    }

    /// The number that the next event has.
    pub fn next_seq(&self) -> u64 {
        self.seq
    }

    /// Reads the next line into the buffer, without its end; false: there is no whole one.
    fn read_line(&mut self) -> Result<bool, Error> {
        self.buffer.clear();
        let read = (&mut self.file)
            .take(LONGEST)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|error| Error::Io {
                path: self.path.clone(),
                doing: "read",
                error,
            })?;
        if read == 0 {
            return Ok(false);
        }
        self.line += 1;
        if self.buffer.pop_if(|last| *last == b'\n').is_some() {
            return Ok(true);
        }
        if read as u64 == LONGEST {
            return Err(self.damaged("it does not end".to_owned()));
        }
        self.cut(read as u64);
        Ok(false)
    }

    fn cut(&mut self, bytes: u64) {
        self.torn = Some(Torn {
            line: self.line,
            bytes,
        });
    }

    fn at_end(&mut self) -> Result<bool, Error> {
        let rest = self.file.fill_buf().map_err(|error| Error::Io {
            path: self.path.clone(),
            doing: "read",
            error,
        })?;
        Ok(rest.is_empty())
    }

    fn damaged(&self, how: String) -> Error {
        Error::Damaged {
            path: self.path.clone(),
            line: self.line,
            how,
        }
    }

    fn read(&mut self) -> Result<Option<Event>, Error> {
        loop {
            if !self.read_line()? {
                return Ok(None);
            }
            if !self.ends || !self.is_start() {
                break;
            }
            self.advance();
        }
        let parsed = match std::str::from_utf8(&self.buffer) {
            Ok(line) => Event::parse(line),
            Err(_) => Err(ParseError::Damaged("it is not UTF-8".to_owned())),
        };
        let event = match parsed {
            Ok(event) => event,
            Err(ParseError::Newer(version)) => {
                return Err(Error::Newer {
                    path: self.path.clone(),
                    line: self.line,
                    version,
                });
            }
            // The disk may have kept the end of the last line and not its beginning.
            Err(ParseError::Damaged(_)) if self.at_end()? => {
                self.cut(self.buffer.len() as u64 + 1);
                return Ok(None);
            }
            Err(ParseError::Damaged(how) | ParseError::Malformed(how)) => return Err(self.damaged(how)),
        };
        self.check(&event)?;
        self.advance();
        Ok(Some(event))
    }

    fn advance(&mut self) {
        self.seq += 1;
        self.whole += self.buffer.len() as u64 + 1;
    }

    /// The line is that of an attempt that began, written as we write it, whole, and the one that is due. Any other is
    /// for the parser.
    fn is_start(&self) -> bool {
        /// `2026-11-21T03:00:00.000Z`
        const STAMP: usize = 24;
        let head = self.buffer.strip_prefix(b"{\"v\":");
        let head = head.and_then(|text| after(text, VERSION)?.strip_prefix(b",\"seq\":"));
        let rest = head.and_then(|text| after(text, self.seq)?.strip_prefix(b",\"t\":\""));
        let kind = rest.and_then(|rest| rest.get(STAMP..));
        self.line > 1
            && kind.is_some_and(|kind| kind.starts_with(b"\",\"type\":\"started\","))
            && self.has_salt()
            && std::str::from_utf8(&self.buffer).is_ok_and(Event::is_whole)
    }

    /// The line ends with the salt that is due, or with none where none is.
    fn has_salt(&self) -> bool {
        /// `,"salt":"9f3a61c0"`, and as much again of `,"crc":"0c226dd9"}`.
        const LEN: usize = 18;
        let at = self.buffer.len().checked_sub(2 * LEN);
        let tail = at.map(|at| &self.buffer[at..at + LEN]);
        match self.salt {
            Some(_) => tail == Some(self.salted.as_bytes()),
            None => tail.is_some_and(|tail| !tail.starts_with(b",\"salt\":\"")),
        }
    }

    /// It is this run's, of this start of it, and the next one. What a crash left behind from an earlier record, or from
    /// an earlier start, may be as whole as can be and even have the number that is due.
    fn check(&mut self, event: &Event) -> Result<(), Error> {
        if event.seq != self.seq {
            let (found, due) = (event.seq, self.seq);
            return Err(self.damaged(format!("it is event {found}, and {due} is due")));
        }
        match &event.kind {
            Kind::RunStarted { run, .. } if *run != self.run => {
                Err(self.damaged(format!("it is of another run, {run}")))
            }
            Kind::RunStarted { .. } => {
                self.salt = event.salt;
                self.salted = event.salt.map(salted).unwrap_or_default();
                Ok(())
            }
            _ if self.line > 1 && event.salt != self.salt => {
                let word = |salt: Option<u32>| salt.map_or("none".to_owned(), |salt| format!("{salt:08x}"));
                Err(self.damaged(format!(
                    "it is not of this start of the run but left from something else: its salt is {}, and {} is due",
                    word(event.salt),
                    word(self.salt)
                )))
            }
            _ if self.line == 1 => Err(self.damaged("a record begins with `run_started`".to_owned())),
            _ => Ok(()),
        }
    }
}

/// What follows this number, if the text begins with it.
fn after(text: &[u8], number: u64) -> Option<&[u8]> {
    let (digits, rest) = text.split_at(text.iter().take_while(|byte| byte.is_ascii_digit()).count());
    let told = std::str::from_utf8(digits).ok()?.parse::<u64>();
    (told == Ok(number)).then_some(rest)
}

impl Iterator for Events {
    type Item = Result<Event, Error>;

    fn next(&mut self) -> Option<Result<Event, Error>> {
        if self.over {
            return None;
        }
        let next = self.read().transpose();
        self.over = !matches!(next, Some(Ok(_)));
        next
    }
}
