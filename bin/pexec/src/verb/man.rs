//! `pexec man`: manual pages, made of the same definition as the help.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man as Page;

use crate::answer;
use crate::cli::{self, Man};
use crate::exit::Exit;
use crate::speech::{complain, name, refuse};

/// Prints one page, or writes all of them.
pub(crate) fn man(args: &Man) -> Exit {
    let mut command = cli::command();
    // Now each verb knows the flags that all of them have, and its whole name.
    command.build();
    if let Some(dir) = &args.dir {
        return match write_all(&command, dir) {
            Ok(pages) => {
                complain(&format!("wrote {pages} pages to {}", dir.display()));
                Exit::Success
            }
            Err(error) => refuse(&format!(
                "cannot write manual pages to {}: {error}",
                dir.display()
            )),
        };
    }
    let about = match &args.verb {
        None => &command,
        Some(verb) => match command.find_subcommand(verb) {
            Some(found) => found,
            None => {
                let verbs: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
                return refuse(&format!(
                    "there is no verb `{verb}`; there are {}",
                    verbs.join(", ")
                ));
            }
        },
    };
    match page(about) {
        Ok(page) => answer::print(&page),
        Err(error) => refuse(&format!("the page could not be made: {error}")),
    }
}

/// How many there are.
fn write_all(command: &Command, dir: &Path) -> io::Result<usize> {
    fs::create_dir_all(dir)?;
    let verbs = command.get_subcommands();
    let pages: Vec<&Command> = std::iter::once(command).chain(verbs).collect();
    for about in &pages {
        fs::write(dir.join(format!("{}.1", title(about))), page(about)?)?;
    }
    Ok(pages.len())
}

/// `pexec`, `pexec-run`.
fn title(command: &Command) -> String {
    command
        .get_display_name()
        .unwrap_or(command.get_name())
        .replace(' ', "-")
}

fn page(command: &Command) -> io::Result<Vec<u8>> {
    let page = Page::new(command.clone())
        .title(title(command))
        .section("1")
        .source(format!("pexec {}", env!("CARGO_PKG_VERSION")))
        .manual(format!("{} manual", name()));
    let mut out = Vec::new();
    page.render_title(&mut out)?;
    page.render_name_section(&mut out)?;
    page.render_synopsis_section(&mut out)?;
    page.render_description_section(&mut out)?;
    page.render_options_section(&mut out)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut out)?;
    }
    if let Some(text) = command.get_after_help() {
        behind(&text.to_string(), &mut out)?;
    }
    Ok(out)
}

/// What stands behind the options in the help: a paragraph with a heading becomes a section whose lines stay as they are,
/// since they are there to be pasted.
fn behind(text: &str, out: &mut Vec<u8>) -> io::Result<()> {
    for paragraph in text.split("\n\n") {
        let (first, lines) = paragraph.split_once('\n').unwrap_or((paragraph, ""));
        match first.strip_suffix(':') {
            Some(heading) => {
                writeln!(out, ".SH {}\n.nf", escaped(&heading.to_uppercase()))?;
                for line in lines.lines() {
                    writeln!(out, "{}", escaped(line.trim_start()))?;
                }
                writeln!(out, ".fi")?;
            }
            None => {
                writeln!(out, ".SH NOTES")?;
                for line in paragraph.lines() {
                    writeln!(out, "{}", escaped(line))?;
                }
            }
        }
    }
    Ok(())
}

/// As it stands, for roff: neither a request nor an escape, quotes and dashes as one types them.
fn escaped(line: &str) -> String {
    let mut text = String::with_capacity(line.len() + 8);
    if line.starts_with(['.', '\'']) {
        text.push_str("\\&");
    }
    for c in line.chars() {
        match c {
            '\\' => text.push_str("\\(rs"),
            '-' => text.push_str("\\-"),
            '\'' => text.push_str("\\(aq"),
            '`' => text.push_str("\\(ga"),
            '~' => text.push_str("\\(ti"),
            '^' => text.push_str("\\(ha"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn a_line_of_an_example_is_no_request_and_has_no_escapes() {
        assert_eq!(escaped(".x '\\n' --a"), "\\&.x \\(aq\\(rsn\\(aq \\-\\-a");
    }
}
