//! How a process finds out whether it is a program or one of its workers.
//!
//! A pool starts its own binary again with `PEXEC_WORKER` in the environment and its channel as standard input.
//! A worker takes the variable out of its environment first, so whatever a task starts is an ordinary program.

use std::sync::atomic::{AtomicBool, Ordering};

use pexec_ipc::env;

use crate::worker;

/// Set in a worker's environment until it has taken notice.
pub(crate) const WORKER_VAR: &str = "PEXEC_WORKER";
/// How deep pools may be nested.
pub(crate) const MAX_DEPTH: u32 = 8;

static INITIALIZED: AtomicBool = AtomicBool::new(false);

/// Makes this program able to be its own worker: the first statement of `main`.
///
/// In an ordinary process it only takes note that it was called. In a worker process it serves tasks and never
/// returns. Without it a pool is refused with [`BuildError::NotInitialized`](crate::BuildError::NotInitialized),
/// and no process is started.
///
/// ```
/// // the first statement of main()
/// pexec::init();
/// // .. the program
/// ```
pub fn init() {
    if take_marker() {
        worker::serve();
    }
    INITIALIZED.store(true, Ordering::Release);
}

/// What `test_init!` runs before the test harness does. On a thread of its own, because a panic on the main
/// thread of a program whose `main` has not begun would abort.
pub fn test_entry() {
    if take_marker() {
        let served = std::thread::Builder::new()
            .name("pexec-worker".to_owned())
            .spawn(|| worker::serve());
        match served.map(std::thread::JoinHandle::join) {
            Ok(_) => std::process::exit(1),
            Err(error) => {
                eprintln!("pexec: cannot start the worker's thread: {error}");
                std::process::exit(1);
            }
        }
    }
    INITIALIZED.store(true, Ordering::Release);
}

/// Makes a test binary a valid worker: once at the top of a `tests/*.rs` file, or of a library under
/// `cfg(test)`. Works under `cargo test` and nextest; a worker starts before the harness would.
///
/// ```
/// pexec::test_init!();
/// ```
#[macro_export]
macro_rules! test_init {
    () => {
        const _: () = {
            extern "C" fn enter() {
                $crate::private::test_entry();
            }
            #[used]
            #[allow(unsafe_code)]
            #[unsafe(link_section = ".init_array")]
            static ENTER: extern "C" fn() = enter;
        };
    };
}

pub(crate) fn is_initialized() -> bool {
    INITIALIZED.load(Ordering::Acquire)
}

/// Whether this process is to be a worker. The marker is taken out of the environment, so that whatever a task starts
/// is an ordinary program; a process that has other threads by now must leave it there.
fn take_marker() -> bool {
    let marked = std::env::var_os(WORKER_VAR).is_some();
    if marked && env::threads() == Some(1) {
        env::remove_single_threaded(WORKER_VAR);
    }
    marked
}
