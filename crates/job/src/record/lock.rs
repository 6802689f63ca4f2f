//! Who writes a record has its `lock`: a lock of the kernel, so it goes with the process, however that ends. The file's
//! text is only there to name the holder.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::Duration;

/// How often a lock that is taken is tried again. A reader that looks has it for an instant, and so has a process
/// that the holder was just starting when it was killed.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "held, not used")] File);

/// Takes the lock; `Err(Ok(pid))`: somebody else has it.
pub(super) fn take(mut file: File) -> Result<Lock, Result<Option<u32>, io::Error>> {
    for tried in 1.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if tried < TRIES => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Err(Ok(told(&mut file))),
            Err(TryLockError::Error(error)) => return Err(Err(error)),
        }
    }
    tell(&mut file).map_err(Err)?;
    Ok(Lock(file))
}

fn tell(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{}\n", std::process::id()).as_bytes())
}

/// Who has the lock: `None` nobody, `Some(None)` somebody who has not said who.
pub(super) fn holder(mut file: File) -> io::Result<Option<Option<u32>>> {
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(told(&mut file))),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn told(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
