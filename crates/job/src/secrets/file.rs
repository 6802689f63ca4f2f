//! A job file as it was run and as it may be kept: with the variables that were set from outside, and without secrets.

use std::collections::HashMap;
use std::fmt::Write;

use toml::de::{DeTable, DeValue};

use super::Secrets;
use crate::planner::Overrides;
use crate::problem::Span;

/// The text of a job file with the values of `--set` in the place of its own, and without secrets in strings and comments.
/// It can be read as a job file again. What is neither string nor comment stays: the names of keys, and numbers.
pub fn as_run(text: &str, overrides: &Overrides, secrets: &Secrets) -> String {
    let (document, _) = DeTable::parse_recoverable(text);
    let set: HashMap<&str, &str> = overrides
        .set
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let mut strings = Strings {
        secrets,
        places: Vec::new(),
    };
    for (key, value) in document.get_ref() {
        let vars = value.get_ref().as_table().filter(|_| key.get_ref() == "vars");
        match vars {
            None => strings.look(key.span(), value.get_ref(), value.span()),
            Some(vars) => {
                for (name, value) in vars {
                    match set.get(name.get_ref().as_ref()) {
                        // It was taken as it is, so no brace in it begins a placeholder.
                        Some(given) => {
                            let literal = given.replace('{', "{{").replace('}', "}}");
                            strings.replace(value.span(), &literal);
                        }
                        None => strings.look(name.span(), value.get_ref(), value.span()),
                    }
                }
            }
        }
    }
    strings.rewrite(text)
}

/// Every string of a file, with what is to stand there instead, if anything.
struct Strings<'a> {
    secrets: &'a Secrets,
    places: Vec<(Span, Option<String>)>,
}

impl Strings<'_> {
    fn look(&mut self, key: Span, value: &DeValue<'_>, span: Span) {
        self.places.push((key, None));
        match value {
            DeValue::String(text) => match self.secrets.hide(text.as_bytes()) {
                std::borrow::Cow::Borrowed(_) => self.places.push((span, None)),
                std::borrow::Cow::Owned(_) => self.replace(span, text),
            },
            DeValue::Array(values) => {
                for value in values {
                    self.look(
                        value.span().start..value.span().start,
                        value.get_ref(),
                        value.span(),
                    );
                }
            }
            DeValue::Table(table) => {
                for (key, value) in table {
                    self.look(key.span(), value.get_ref(), value.span());
                }
            }
            // A secret may be written as a number.
            DeValue::Integer(number)
                if self.secrets.hide(number.as_str().as_bytes()).as_ref() == super::MARK.as_bytes() =>
            {
                self.replace(span, super::MARK);
            }
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
    }

    fn replace(&mut self, span: Span, by: &str) {
        let mut hidden = by.to_owned();
        self.secrets.hide_string(&mut hidden);
        self.places.push((span, Some(quoted(&hidden))));
    }

    fn rewrite(mut self, text: &str) -> String {
        self.places.sort_by_key(|(span, _)| (span.start, span.end));
        let mut out = String::with_capacity(text.len());
        let mut at = 0;
        for (span, instead) in self.places {
            // What could not be read has no place, or a wrong one.
            if span.start < at || span.end > text.len() {
                continue;
            }
            between(&text[at..span.start], self.secrets, &mut out);
            match instead {
                Some(instead) => out.push_str(&instead),
                None => out.push_str(&text[span.clone()]),
            }
            at = span.end;
        }
        between(&text[at..], self.secrets, &mut out);
        out
    }
}

/// What is between strings: comments may hold anything.
fn between(text: &str, secrets: &Secrets, out: &mut String) {
    for line in text.split_inclusive('\n') {
        let (code, comment) = line.split_at(line.find('#').unwrap_or(line.len()));
        out.push_str(code);
        let mut comment = comment.to_owned();
        secrets.hide_string(&mut comment);
        out.push_str(&comment);
    }
}

/// A string as TOML writes it, on one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str, set: &[(&str, &str)], secret: &str) -> String {
        let overrides = Overrides {
            set: set
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Overrides::default()
        };
        as_run(text, &overrides, &Secrets::new([secret.as_bytes().to_vec()]))
    }

    #[test]
    fn strings_and_comments_lose_the_secret_however_they_are_written() {
        let text = "# it is hun\"ter # ok\nname = 'a'\n[vars]\nx = \"hun\\\"ter\"\ny = '''1\nhun\"ter2'''\nn = 7 # hun\"ter\n\
                    [tasks.a]\ncommand = [\"\\u0068un\\\"ter\", 'b'] # c\nenv = { T = { value = 'hun\"ter', secret = true } }\n";
        let kept = kept(text, &[], "hun\"ter");
        assert_eq!(
            kept,
            "# it is *** # ok\nname = 'a'\n[vars]\nx = \"***\"\ny = \"1\\n***2\"\nn = 7 # ***\n\
             [tasks.a]\ncommand = [\"***\", 'b'] # c\nenv = { T = { value = \"***\", secret = true } }\n"
        );
        assert!(DeTable::parse(&kept).is_ok(), "{kept}");
    }

    #[test]
    fn a_secret_that_is_a_number_is_hidden_and_other_numbers_stay() {
        let text =
            "[tasks.a]\nretries = 12\nenv = { PIN = { value = 1234, secret = true } }\ntimeout = '12s'\n";
        assert_eq!(kept(text, &[], "1234"), text.replace("1234", "\"***\""));
    }

    #[test]
    fn what_was_set_from_outside_stands_in_the_file() {
        let text = "[vars]\na = 'x' # why\nb = 3\n[tasks.t]\ncommand = ['echo', '{a}']\n";
        assert_eq!(
            kept(text, &[("a", "{new}\n"), ("b", "4")], "nothing"),
            "[vars]\na = \"{{new}}\\n\" # why\nb = \"4\"\n[tasks.t]\ncommand = ['echo', '{a}']\n"
        );
    }

    #[test]
    fn a_file_without_secrets_stays_as_it_is_to_the_byte() {
        let text =
            "# c\r\n[vars]\nx = '#'\n[\"tasks\".\"a # b\"]\ncommand = [ 'a', # b\n 'c' ]\nx.y = 1.50\n";
        assert_eq!(kept(text, &[], "nothing"), text);
    }
}
