//! Reads an event's line back. The version is looked at first (a newer one may check itself in another way), then
//! the checksum, then the content.

use std::borrow::Cow;
use std::str::FromStr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::line::{CRC_END, CRC_KEY};
use super::object::Object;
use super::{Counts, Ended, Event, Kind, Outcome, ParseError, Since, VERSION, Who};
use crate::key::Key;
use crate::limits::MemoryBy;
use crate::text::Text;

pub(super) fn parse(line: &str) -> Result<Event, ParseError> {
    let object = Object::parse(line);
    let fields = object.as_ref().map(Fields);
    if let Ok(fields) = &fields
        && let Ok(v) = fields.num::<u64>("v")
        && v > VERSION
    {
        return Err(ParseError::Newer(v));
    }
    check(line)?;
    fields
        .map_err(|e| ParseError::Damaged(format!("not a JSON object: {e}")))?
        .event()
}

pub(super) fn check(line: &str) -> Result<(), ParseError> {
    let damaged = |how: &str| ParseError::Damaged(how.to_owned());
    let (body, digits) = line
        .strip_suffix(CRC_END)
        .and_then(|rest| rest.split_at_checked(rest.len().checked_sub(8)?))
        .and_then(|(rest, digits)| Some((rest.strip_suffix(CRC_KEY)?, digits)))
        .filter(|(_, digits)| digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')))
        .ok_or_else(|| damaged("it does not end with a checksum"))?;
    let told = u32::from_str_radix(digits, 16).map_err(|_| damaged("its checksum is no number"))?;
    let found = crc32c::crc32c(body.as_bytes());
    if told == found {
        Ok(())
    } else {
        Err(damaged(&format!(
            "its checksum is {found:08x}, and it says {told:08x}"
        )))
    }
}

struct Fields<'a>(&'a Object<'a>);

type Parsed<T> = Result<T, ParseError>;

impl Fields<'_> {
    fn event(&self) -> Parsed<Event> {
        let v: u64 = self.num("v")?;
        if v == 0 {
            return Err(ParseError::Malformed("there is no version 0".to_owned()));
        }
        let at = self
            .string("t")?
            .parse()
            .map_err(|e| ParseError::Malformed(format!("`t` is no time: {e}")))?;
        let (seq, kind) = (self.num("seq")?, self.kind()?);
        Ok(Event::new(seq, at, kind).salted(self.salt()?))
    }

    fn salt(&self) -> Parsed<Option<u32>> {
        let Some(digits) = self.optional_string("salt")? else {
            return Ok(None);
        };
        let is_one = digits.len() == 8 && digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let salt = u32::from_str_radix(&digits, 16).ok().filter(|_| is_one);
        salt.map(Some)
            .ok_or_else(|| self.wrong("salt", "8 hexadecimal digits"))
    }

    fn kind(&self) -> Parsed<Kind> {
        Ok(match &*self.string("type")? {
            "run_started" => Kind::RunStarted {
                run: self.owned("run")?,
                job: self.owned("job")?,
                dir: self.text("dir")?,
                jobs: self.num("jobs")?,
                pid: self.num("pid")?,
                version: self.optional_string("version")?.unwrap_or_default(),
                resumed: self.flag("resumed")?,
            },
            "kept" => Kind::Kept {
                task: self.owned("task")?,
                count: self.num("count")?,
                since: Since {
                    changed: self.optional("changed")?.unwrap_or(0),
                    new: self.optional("new")?.unwrap_or(0),
                    gone: self.optional("gone")?.unwrap_or(0),
                },
            },
            "planned" => Kind::Planned {
                task: self.owned("task")?,
                total: self.optional("total")?,
            },
            "started" => Kind::Started {
                who: self.who()?,
                attempt: self.num("attempt")?,
                pid: self.optional("pid")?,
                worker: self.optional("worker")?,
            },
            "finished" => Kind::Finished {
                who: self.who()?,
                attempt: self.num("attempt")?,
                end: Box::new(self.ended()?),
            },
            "retried" => Kind::Retried {
                who: self.who()?,
                attempt: self.num("attempt")?,
            },
            "blocked" => Kind::Blocked {
                who: self.who()?,
                by: self.text("by")?,
            },
            "signal" => Kind::Signal {
                signal: self.num("signal")?,
                again: self.flag("again")?,
            },
            "run_finished" => Kind::RunFinished {
                counts: self.counts()?,
                signal: self.optional("signal")?,
                broken: self.optional_string("broken")?,
                halted: self.optional_string("halted")?,
            },
            other => return Err(ParseError::Malformed(format!("there is no type `{other}`"))),
        })
    }

    fn who(&self) -> Parsed<Who> {
        Ok(Who {
            id: self.owned("id")?,
            task: self.owned("task")?,
            index: self.num("index")?,
            label: self.text("label")?,
            item: self.optional_text("item")?,
            key: match self.optional_string("key")? {
                Some(hex) => {
                    Some(Key::from_hex(&hex).ok_or_else(|| self.wrong("key", "32 hexadecimal digits"))?)
                }
                None => None,
            },
        })
    }

    fn ended(&self) -> Parsed<Ended> {
        let outcome = self.string("outcome")?;
        Ok(Ended {
            outcome: Outcome::from_name(&outcome)
                .ok_or_else(|| ParseError::Malformed(format!("there is no outcome `{outcome}`")))?,
            exit: self.optional("exit")?,
            signal: self.optional("signal")?,
            why: self.optional_string("why")?,
            retry: self.flag("retry")?,
            leaky: self.flag("leaky")?,
            wall: self.micros("wall_us")?,
            user: self.micros("user_us")?,
            system: self.micros("system_us")?,
            peak_rss: self.num("peak_rss")?,
            stdout: self.num("stdout")?,
            stderr: self.num("stderr")?,
            tail: self.optional_text("tail")?.unwrap_or_default(),
            output_at: self.optional("output_at")?,
            memory_by: self
                .optional_string("memory_by")?
                .and_then(|name| MemoryBy::from_name(&name)),
            memory_peak: self.optional("memory_peak")?,
            content: self.optional_string("content")?,
        })
    }

    fn counts(&self) -> Parsed<Counts> {
        Ok(Counts {
            planned: self.num("planned")?,
            running: 0,
            succeeded: self.num("succeeded")?,
            failed: self.num("failed")?,
            killed: self.num("killed")?,
            blocked: self.num("blocked")?,
            retried: self.num("retried")?,
            leaky: self.num("leaky")?,
            up_to_date: self.optional("up_to_date")?.unwrap_or(0),
            kept: self.optional("kept")?.unwrap_or(0),
        })
    }

    /// The JSON of the key's value.
    fn get(&self, key: &str) -> Parsed<&str> {
        self.0
            .get(key)
            .ok_or_else(|| ParseError::Malformed(format!("`{key}` is missing")))
    }

    fn wrong(&self, key: &str, expected: &str) -> ParseError {
        ParseError::Malformed(format!("`{key}` is not {expected}"))
    }

    /// A number in the range of `T`; floats and numbers in quotes are none.
    fn num<T: FromStr>(&self, key: &str) -> Parsed<T> {
        let json = self.get(key)?;
        json.parse()
            .map_err(|_| self.wrong(key, "a whole number in range"))
    }

    fn optional<T: FromStr>(&self, key: &str) -> Parsed<Option<T>> {
        match self.0.get(key) {
            None | Some("null") => Ok(None),
            Some(_) => self.num(key).map(Some),
        }
    }

    fn flag(&self, key: &str) -> Parsed<bool> {
        match self.0.get(key) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.wrong(key, "true or false")),
        }
    }

    fn micros(&self, key: &str) -> Parsed<Duration> {
        self.num(key).map(Duration::from_micros)
    }

    fn string(&self, key: &str) -> Parsed<Cow<'_, str>> {
        string(self.get(key)?).ok_or_else(|| self.wrong(key, "a string"))
    }

    fn owned(&self, key: &str) -> Parsed<String> {
        self.string(key).map(Cow::into_owned)
    }

    fn optional_string(&self, key: &str) -> Parsed<Option<String>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(_) => self.owned(key).map(Some),
        }
    }

    fn text(&self, key: &str) -> Parsed<Text> {
        let json = self.get(key)?;
        if let Some(text) = string(json) {
            return Ok(Text::from(text.into_owned()));
        }
        let object = Object::parse(json).map_err(|_| self.wrong(key, "text"))?;
        let bytes = object
            .get("base64")
            .and_then(string)
            .and_then(|digits| STANDARD.decode(&*digits).ok());
        bytes
            .map(Text::from)
            .ok_or_else(|| self.wrong(key, "text: an object needs a valid `base64`"))
    }

    fn optional_text(&self, key: &str) -> Parsed<Option<Text>> {
        match self.0.get(key) {
            None => Ok(None),
            Some(_) => self.text(key).map(Some),
        }
    }
}

/// The string that this JSON is; most have nothing to unescape.
fn string(json: &str) -> Option<Cow<'_, str>> {
    let inner = json.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(json).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}
