//! What an instance does as somebody would type it, always on one line: a shell takes the words back as they were, and
//! nothing in them can move a cursor or begin another line.

use std::fmt::Write;

use pexec_job::call::{Argument, Call};
use pexec_job::text::Text;
use pexec_job::work::Work;
use serde_json::Value;

/// A command with its words, or a call with its arguments.
pub(crate) fn work(work: &Work) -> String {
    match work {
        Work::Command(command) => argv(&command.argv),
        Work::Call(it) => call(it),
    }
}

/// The words with spaces between them.
pub(crate) fn argv(words: &[Text]) -> String {
    let words: Vec<String> = words.iter().map(word).collect();
    words.join(" ")
}

/// A word as a shell takes it: as it is, or in quotes. What is no text or would act on a terminal is written as
/// `$'..'`, which Bash, Zsh and Ksh read.
pub(crate) fn word(word: &Text) -> String {
    let plain = |c: char| c.is_alphanumeric() || "_-./=:,+@%^".contains(c);
    match std::str::from_utf8(word.as_bytes()) {
        Ok(text) if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        Ok(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', "'\\''")),
        _ => escaped(word.as_bytes()),
    }
}

fn escaped(bytes: &[u8]) -> String {
    let mut out = "$'".to_owned();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\'' | '\\' => out.extend(['\\', c]),
                c if c.is_control() => {
                    let mut buffer = [0; 4];
                    octal(c.encode_utf8(&mut buffer).as_bytes(), &mut out);
                }
                c => out.push(c),
            }
        }
        octal(chunk.invalid(), &mut out);
    }
    out.push('\'');
    out
}

/// Three digits each: what follows can be no part of the number.
fn octal(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "\\{byte:03o}");
    }
}

/// `name("text", 3)`.
pub(crate) fn call(call: &Call) -> String {
    let arguments = call.arguments.iter().map(|argument| match argument {
        Some(argument) => json(argument).to_string(),
        None => "null".to_owned(),
    });
    format!("{}({})", call.name, arguments.collect::<Vec<_>>().join(", "))
}

/// JSON has no other bytes than text; the rest is shown escaped.
fn json(argument: &Argument) -> Value {
    match argument {
        Argument::None => Value::Null,
        Argument::Boolean(value) => Value::from(*value),
        Argument::Integer(value) => Value::from(*value),
        Argument::Float(value) => Value::from(*value),
        Argument::Text(text) => Value::from(text.to_string()),
        Argument::List(items) => items.iter().map(json).collect(),
        Argument::Table(entries) => entries
            .iter()
            .map(|(name, value)| (name.clone(), json(value)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_every_word_back_as_it_was() {
        let words: [&[u8]; 8] = [
            b"plain-1.txt",
            b"",
            b"two words",
            b"it's $HOME `x` \\ !",
            b"line\none\ttab",
            b"\x1b[1m\x7f9",
            b"not \xff text'\\",
            "\u{9b}31m\u{fc}".as_bytes(),
        ];
        for bytes in words {
            let typed = word(&Text(bytes.to_vec()));
            assert!(!typed.chars().any(char::is_control), "{typed:?}");
            let script = format!("printf %s {typed}");
            let out = std::process::Command::new("bash").args(["-c", &script]).output();
            assert_eq!(out.expect("bash").stdout, bytes, "{typed}");
        }
    }
}
