//! `glob`: the paths that match a pattern, sorted by bytes.
//!
//! `*`, `?` and `[..]` stay within a component and skip names that begin with a dot unless the pattern has the dot.
//! `**` is any number of directories, neither hidden ones nor links. Only files match, links to files included; a
//! pattern that ends in `/` matches only directories. What cannot be listed is an error: a run over half of what was
//! asked for would look like one over all of it.

use std::fs::{self, ReadDir};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::Trouble;
use super::pattern::Pattern;
use crate::text::Text;

/// A component of the pattern.
enum Part {
    /// A name as it is.
    Name(String),
    /// Names that match.
    Names(Pattern),
    /// `**`
    Directories,
}

/// All paths that match, relative if the pattern is; relative ones are looked for in `dir`.
pub(super) fn expand(pattern: &str, dir: &Path) -> Result<Vec<Text>, Trouble> {
    let parts = parse(pattern).map_err(|why| Trouble::new(format!("the pattern is wrong: {why}")))?;
    let mut walk = Walk {
        dir,
        parts: &parts,
        directories: pattern.ends_with('/'),
        found: Vec::new(),
    };
    let root = if pattern.starts_with('/') { "/" } else { "" };
    // A stack of its own: a tree may be deeper than a thread's.
    let mut todo = vec![(root.as_bytes().to_vec(), 0)];
    while let Some((path, part)) = todo.pop() {
        walk.step(path, part, &mut todo)?;
    }
    let mut found = walk.found;
    found.sort_unstable();
    // `**/a/**` reaches the same file in more than one way.
    found.dedup();
    Ok(found.into_iter().map(Text).collect())
}

fn parse(pattern: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    for component in pattern.split('/').filter(|component| !component.is_empty()) {
        if component == "**" {
            if !matches!(parts.last(), Some(Part::Directories)) {
                parts.push(Part::Directories);
            }
            continue;
        }
        let component = Pattern::parse(component)?;
        parts.push(match component.as_literal() {
            Some(name) => Part::Name(name),
            None => Part::Names(component),
        });
    }
    match parts.is_empty() {
        true => Err("it names nothing".to_owned()),
        false => Ok(parts),
    }
}

struct Walk<'a> {
    dir: &'a Path,
    parts: &'a [Part],
    /// Directories are looked for, not files.
    directories: bool,
    found: Vec<Vec<u8>>,
}

/// Places that are still to be looked at: a path so far, and the part that comes next.
type Todo = Vec<(Vec<u8>, usize)>;

impl Walk<'_> {
    fn step(&mut self, path: Vec<u8>, at: usize, todo: &mut Todo) -> Result<(), Trouble> {
        let last = at + 1 == self.parts.len();
        match &self.parts[at] {
            Part::Name(name) => {
                let next = join(&path, name.as_bytes());
                match last {
                    true => self.offer(next, None),
                    false => todo.push((next, at + 1)),
                }
            }
            Part::Names(pattern) => {
                let Some(entries) = self.list(&path)? else {
                    return Ok(());
                };
                for entry in entries {
                    let entry = entry.map_err(|error| self.unreadable(&path, &error))?;
                    let name = entry.file_name().into_vec();
                    if pattern.matches(&name) {
                        let next = join(&path, &name);
                        match last {
                            true => self.offer(next, entry.file_type().ok()),
                            false => todo.push((next, at + 1)),
                        }
                    }
                }
            }
            Part::Directories => self.directories(path, at, last, todo)?,
        }
        Ok(())
    }

    /// `**`: goes on here, and in every directory below.
    fn directories(&mut self, path: Vec<u8>, at: usize, last: bool, todo: &mut Todo) -> Result<(), Trouble> {
        let Some(entries) = self.list(&path)? else {
            return Ok(());
        };
        for entry in entries {
            let entry = entry.map_err(|error| self.unreadable(&path, &error))?;
            let name = entry.file_name().into_vec();
            let kind = entry.file_type().ok();
            if name.starts_with(b".") {
                continue;
            }
            let next = join(&path, &name);
            if last {
                self.offer(next.clone(), kind);
            }
            // Not through links: they may lead back.
            if kind.is_some_and(|kind| kind.is_dir()) {
                todo.push((next, at));
            }
        }
        if !last {
            todo.push((path, at + 1));
        }
        Ok(())
    }

    /// Takes a path if there is what is looked for; `kind` is what its directory says about it.
    fn offer(&mut self, mut path: Vec<u8>, kind: Option<fs::FileType>) {
        let fits = |kind: fs::FileType| match self.directories {
            true => kind.is_dir(),
            false => kind.is_file(),
        };
        let fits = match kind {
            Some(kind) if !kind.is_symlink() => fits(kind),
            _ => fs::metadata(self.place(&path)).is_ok_and(|metadata| fits(metadata.file_type())),
        };
        if !fits {
            return;
        }
        if self.directories {
            path.push(b'/');
        }
        // Or a command would take it for an option.
        if path.starts_with(b"-") {
            path.splice(0..0, *b"./");
        }
        self.found.push(path);
    }

    /// The entries of a directory; `None` if it is none, or not there (any more).
    fn list(&self, path: &[u8]) -> Result<Option<ReadDir>, Trouble> {
        match fs::read_dir(self.place(path)) {
            Ok(entries) => Ok(Some(entries)),
            Err(error) => match Errno::from_raw(error.raw_os_error().unwrap_or(0)) {
                Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP => Ok(None),
                _ => Err(self.unreadable(path, &error)),
            },
        }
    }

    fn unreadable(&self, path: &[u8], error: &io::Error) -> Trouble {
        let place = Text(self.place(path).into_os_string().into_vec());
        Trouble {
            what: format!("cannot list {place}: {error}"),
            help: "name the directories that are meant, so that this one is not among them".to_owned(),
        }
    }

    fn place(&self, path: &[u8]) -> PathBuf {
        self.dir.join(std::ffi::OsStr::from_bytes(path))
    }
}

fn join(path: &[u8], name: &[u8]) -> Vec<u8> {
    let mut joined = path.to_vec();
    if !path.is_empty() && !path.ends_with(b"/") {
        joined.push(b'/');
    }
    joined.extend_from_slice(name);
    joined
}
