//! How C code in this process writes to its standard output.
#![allow(unsafe_code)]

use std::ptr;

unsafe extern "C" {
    /// The C library's standard output.
    #[link_name = "stdout"]
    static C_STDOUT: *mut libc::FILE;
}

/// Writes out what C code has printed and the C library still holds, in every stream: a copy of this process would write
/// it once more.
pub fn flush_c_streams() {
    // SAFETY: no stream stands for all of them, each of which the call locks.
    let _ = unsafe { libc::fflush(ptr::null_mut()) };
}

/// Has C code's standard output reach the descriptor at once, as its standard error does. Otherwise what `printf` has
/// written to a pipe would lie in this process until 4 KiB are together, and be lost in a crash.
///
/// To be called before any C code has written there, and before there is a thread that might.
pub fn unbuffer_c_stdout() {
    // SAFETY: the C library sets this pointer before any of our code runs, and it is only read.
    let stdout = unsafe { C_STDOUT };
    // SAFETY: the stream is open as long as the process lives, and without buffering the buffer is not looked at.
    let _ = unsafe { libc::setvbuf(stdout, ptr::null_mut(), libc::_IONBF, 0) };
}
