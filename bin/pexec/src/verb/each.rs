//! `pexec each -- CMD {}`: a job without a file.

use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, IsTerminal};
use std::os::unix::ffi::OsStringExt;

use pexec_job::planner;
use serde_json::Value;

use super::execute;
use crate::cli::Each;
use crate::exit::Exit;
use crate::records::Place;
use crate::speech::{complain, refuse};
use crate::terminal::Terminal;

/// Stands before items on the command line.
const SEPARATOR: &str = ":::";

/// Runs the command once per item.
pub(crate) fn each(args: Each, terminal: Terminal, logging: bool) -> Exit {
    let Each { null, flags, argv } = args;
    let (command, items) = match split(argv) {
        Ok(parts) => parts,
        Err(why) => return refuse(why),
    };
    let overrides = execute::overrides(&flags);
    let (argv, listed) = (command.clone(), items.clone());
    let planned = match items {
        Some(items) => {
            let total = items.len() as u64;
            planner::each(
                command,
                items.into_iter().map(|item| Ok(item.into_vec())),
                Some(total),
                &overrides,
            )
        }
        None => {
            if io::stdin().is_terminal() {
                complain("reading items from the terminal, one a line; Ctrl-D ends them");
            }
            planner::each(
                command,
                items_of(io::stdin(), if null { 0 } else { b'\n' }),
                None,
                &overrides,
            )
        }
    };
    let plan = match planned {
        Ok(plan) => plan,
        Err(problems) => return super::explain(&problems, terminal),
    };
    match Place::find(&flags.record, Some((&plan.name, &plan.dir)), None) {
        Ok(place) => {
            let text = job_file(&plan.name, &argv, listed.as_deref());
            execute::execute(plan, flags, place, text.as_bytes(), terminal, logging)
        }
        Err(exit) => exit,
    }
}

/// The job file that would do the same, for the record.
fn job_file(name: &str, command: &[OsString], items: Option<&[OsString]>) -> String {
    let quoted = |word: &OsString| Value::from(word.to_string_lossy()).to_string();
    let list = |words: Vec<String>| format!("[{}]", words.join(", "));
    let source = match items {
        None => "{ lines = \"-\" }".to_owned(),
        Some(items) => format!("{{ values = {} }}", list(items.iter().map(quoted).collect())),
    };
    let holder = "\0";
    let bound = |word: &OsString| {
        let word = quoted(word).replace("{}", holder);
        let word = word.replace('{', "{{").replace('}', "}}");
        word.replace(holder, "{item}")
    };
    let mut words: Vec<String> = command.iter().map(bound).collect();
    if !words.iter().any(|word| word.contains("{item}")) {
        words.push("\"{item}\"".to_owned());
    }
    let name = Value::from(name);
    format!("[tasks.{name}]\nforeach = {source}\ncommand = {}\n", list(words))
}

/// The command, and the items after the separator where there is one.
fn split(mut argv: Vec<OsString>) -> Result<(Vec<OsString>, Option<Vec<OsString>>), &'static str> {
    let Some(at) = argv.iter().position(|arg| arg == SEPARATOR) else {
        return Ok((argv, None));
    };
    let items = argv.split_off(at).split_off(1);
    if argv.is_empty() {
        return Err("there is no command before `:::`; write it as: pexec each -- CMD {} ::: ITEM ..");
    }
    if items.iter().any(|item| item == SEPARATOR) {
        return Err("there is more than one `:::`; only one list of items can be given");
    }
    Ok((argv, Some(items)))
}

/// What ends with `end`, without it; the last end may be missing. Read as it is needed, never ahead.
fn items_of(input: impl io::Read, end: u8) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    let mut input = BufReader::new(input);
    std::iter::from_fn(move || {
        let mut item = Vec::new();
        match input.read_until(end, &mut item) {
            Ok(0) => None,
            Ok(_) => {
                item.pop_if(|last| *last == end);
                Some(Ok(item))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(input: &[u8], end: u8) -> Vec<Vec<u8>> {
        items_of(input, end)
            .collect::<io::Result<_>>()
            .expect("memory can be read")
    }

    #[test]
    fn items_keep_every_byte_but_their_end() {
        assert_eq!(
            items(b"a\n\n b \xff\nc", b'\n'),
            [b"a".as_slice(), b"", b" b \xff", b"c"]
        );
        assert_eq!(items(b"a\nb\0c\0", 0), [b"a\nb".as_slice(), b"c"]);
        assert!(items(b"", b'\n').is_empty());
        assert_eq!(items(b"\n", b'\n'), [b""]);
    }

    #[test]
    fn the_separator_ends_the_command() {
        let argv = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(split(argv(&["a", "b"])), Ok((argv(&["a", "b"]), None)));
        assert_eq!(
            split(argv(&["a", ":::", "b"])),
            Ok((argv(&["a"]), Some(argv(&["b"]))))
        );
        assert_eq!(split(argv(&["a", ":::"])), Ok((argv(&["a"]), Some(Vec::new()))));
        assert!(split(argv(&[":::", "b"])).is_err());
        assert!(split(argv(&["a", ":::", "b", ":::", "c"])).is_err());
    }
}
