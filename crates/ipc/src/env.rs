//! Taking a variable out of the environment of a process that has one thread.
#![allow(unsafe_code)]

/// Removes a variable from this process's environment.
///
/// # Panics
///
/// If the process has more than one thread: another one might be reading the environment.
pub fn remove_single_threaded(name: &str) {
    assert_eq!(
        threads(),
        Some(1),
        "the environment can be changed by a process with one thread only"
    );
    // SAFETY: there is no other thread (counted by the kernel just above), so nobody reads the environment meanwhile.
    unsafe { std::env::remove_var(name) };
}

/// How many threads this process has, where /proc says so.
pub fn threads() -> Option<usize> {
    Some(std::fs::read_dir("/proc/self/task").ok()?.count())
}
