//! What files hold, as a digest: their paths and every byte. Sizes and times say nothing that could be relied upon.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::{Files, Input, unreadable};
use crate::source;
use crate::text::Text;

/// Why the outputs have no digest.
pub(super) enum Lack {
    /// This one is not there.
    Gone(Text),
    /// One is not what it could be.
    Wrong(String),
}

/// Of the inputs, in their order; what a pattern matches, by name.
pub(super) fn inputs(files: &Files) -> Result<[u8; 16], String> {
    let mut digest = blake3::Hasher::new();
    let mut buffer = Vec::new();
    for input in &files.inputs {
        match input {
            Input::Path(path) => {
                digest.update(&[0]);
                file(files, path, &mut digest, &mut buffer)
                    .map_err(|error| unreadable("input", path, &error))?;
            }
            Input::Pattern(pattern) => {
                let found = source::matches(pattern, Path::new(files.dir.as_os_str()))
                    .map_err(|why| format!("its inputs {pattern}: {why}"))?;
                digest.update(&[1]);
                digest.update(&(found.len() as u64).to_le_bytes());
                for path in &found {
                    file(files, path, &mut digest, &mut buffer)
                        .map_err(|error| unreadable("input", path, &error))?;
                }
            }
        }
    }
    Ok(half(&digest))
}

/// Of the outputs, in their order.
pub(super) fn outputs(files: &Files) -> Result<[u8; 16], Lack> {
    let mut digest = blake3::Hasher::new();
    let mut buffer = Vec::new();
    for path in &files.outputs {
        file(files, path, &mut digest, &mut buffer).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Lack::Gone(path.clone()),
            _ => Lack::Wrong(unreadable("output", path, &error)),
        })?;
    }
    Ok(half(&digest))
}

fn half(digest: &blake3::Hasher) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&digest.finalize().as_bytes()[..16]);
    half
}

/// Adds a file: its path, and a digest of its own, so that no file can be taken for two.
fn file(files: &Files, path: &Text, digest: &mut blake3::Hasher, buffer: &mut Vec<u8>) -> io::Result<()> {
    const READ: usize = 128 * 1024;
    let at = files.at(path);
    // Asked first: to open a pipe that nobody writes to would wait for ever.
    let there = fs::metadata(&at)?;
    if there.is_dir() {
        return Err(io::Error::other("it is a directory; name the files in it"));
    }
    if !there.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut file = File::open(&at)?;
    let mut own = blake3::Hasher::new();
    buffer.resize(READ, 0);
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(n) => own.update(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
    }
    digest.update(&(path.as_bytes().len() as u64).to_le_bytes());
    digest.update(path.as_bytes());
    digest.update(own.finalize().as_bytes());
    Ok(())
}
