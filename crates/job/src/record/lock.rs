//! Who writes a record has its `lock`: a lock of the kernel, so it goes with the process, however that ends. The file's
//! text is only there to name the holder.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};

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
