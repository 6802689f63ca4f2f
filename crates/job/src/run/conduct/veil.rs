//! What an attempt wrote, as it may be kept: without the secrets. What the screen gets is another matter.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use pexec::Executor;

use super::Conductor;
use crate::event::Ended;
use crate::exec::Captured;
use crate::run::judge::TAIL;
use crate::secrets::Secrets;
use crate::text::Text;

const READ: usize = 64 * 1024;

impl<E: Executor> Conductor<'_, E> {
    /// Has the sink keep it, and tells where it lies and how much it is then.
    pub(super) fn keep_hidden(&mut self, stdout: &Captured, stderr: &Captured, ended: &mut Ended) {
        if !ended.tail.as_bytes().is_empty() && !stderr.is_empty() {
            ended.tail = tail(&self.secrets, stderr);
        }
        let hidden =
            veiled(&self.secrets, stdout).and_then(|stdout| Ok((stdout, veiled(&self.secrets, stderr)?)));
        match hidden {
            Ok((stdout, stderr)) => {
                (ended.stdout, ended.stderr) = (stdout.0.len(), stderr.0.len());
                ended.output_at = self.teller.keep(&stdout.0, &stderr.0);
            }
            Err(error) => self.teller.refused(io::Error::new(
                error.kind(),
                format!("secrets could not be taken out of recorded output: {error}"),
            )),
        }
    }
}

/// The end of what a failure wrote. A secret may begin before it and end in it.
fn tail(secrets: &Secrets, stderr: &Captured) -> Text {
    let more = stderr.tail(TAIL + secrets.reach());
    let before = more.len().saturating_sub(TAIL);
    Text::from(secrets.hide_from(&more, before).into_owned())
}

/// Removed from the disk when it is not needed any more.
struct Veiled(Captured);

impl Drop for Veiled {
    fn drop(&mut self) {
        self.0.discard();
    }
}

/// A copy without the secrets, beside the original where that is a file.
fn veiled(secrets: &Secrets, captured: &Captured) -> io::Result<Veiled> {
    let path = match captured {
        Captured::Inline(bytes) => return Ok(Veiled(Captured::Inline(secrets.hide(bytes).into_owned()))),
        Captured::Spilled { path, .. } => PathBuf::from(path.as_os_str()),
    };
    let mut name = path.clone().into_os_string();
    name.push(".kept");
    let mut copy = Veiled(Captured::Spilled {
        path: Text::from(std::os::unix::ffi::OsStringExt::into_vec(name.clone())),
        len: 0,
    });
    // A file of this name is our own, from a pexec that was killed.
    let _ = fs::remove_file(&name);
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&name)?;
    let written = hide_file(secrets, File::open(&path)?, file)?;
    if let Captured::Spilled { len, .. } = &mut copy.0 {
        *len = written;
    }
    Ok(copy)
}

fn hide_file(secrets: &Secrets, mut from: File, to: File) -> io::Result<u64> {
    let (mut to, mut written) = (BufWriter::new(to), 0);
    let (mut hider, mut buffer, mut out) = (secrets.hider(), vec![0; READ], Vec::new());
    loop {
        let n = from.read(&mut buffer)?;
        match n {
            0 => hider.finish(&mut out),
            n => hider.push(&buffer[..n], &mut out),
        }
        to.write_all(&out)?;
        written += out.len() as u64;
        out.clear();
        if n == 0 {
            to.flush()?;
            return Ok(written);
        }
    }
}
