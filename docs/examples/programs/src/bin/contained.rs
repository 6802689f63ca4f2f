//! A C library that reads through null pointers, aborts and leaks, used all the same: each call is a task, and
//! whatever it does to its process, the program gets an answer.

use pexec::{Executor, ProcessPool};

#[allow(unsafe_code, reason = "this is what calling C takes")]
mod frail {
    #[link(name = "frail", kind = "static")]
    unsafe extern "C" {
        fn frail_sum(bytes: *const u8, n: std::ffi::c_ulong) -> std::ffi::c_ulong;
    }

    /// The sum of the bytes, if the library survives them.
    pub(crate) fn sum(bytes: Vec<u8>) -> u64 {
        // SAFETY: the pointer is good for reads of as many bytes. What the library does beyond that is why it runs
        // in a process of its own.
        unsafe { frail_sum(bytes.as_ptr(), bytes.len() as _) }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    pexec::init();
    let pool = ProcessPool::builder().workers(2).name("frail").build()?;
    let inputs = [
        b"ordinary".to_vec(),
        Vec::new(),
        b"fine".to_vec(),
        b"a\0b".to_vec(),
    ];
    let sums: Vec<_> = inputs
        .iter()
        .map(|i| {
            pool.task(frail::sum, i.clone())
                .label(i.escape_ascii().to_string())
                .submit()
        })
        .collect();
    for (input, sum) in inputs.iter().zip(sums) {
        match sum.result() {
            Ok(sum) => println!("{:?}: {sum}", input.escape_ascii().to_string()),
            Err(error) => println!("{:?}: {error}", input.escape_ascii().to_string()),
        }
    }
    // Each call keeps a megabyte for ever; the worker has it, and not we.
    let ours =
        || std::fs::read_to_string("/proc/self/statm").map(|s| s.split(' ').nth(1)?.parse::<u64>().ok());
    let before = ours()?;
    let lots = pool.map(frail::sum, (0..64).map(|_| vec![1; 16]));
    assert!(lots.into_iter().all(|sum| sum.is_ok_and(|s| s == 16)));
    let theirs: u64 = pool.workers().iter().map(|w| w.rss).sum();
    let grown = ours()?
        .zip(before)
        .map_or(0, |(now, before)| now.saturating_sub(before) * 4096);
    println!(
        "the workers hold {} MiB, this program grew by {} MiB",
        theirs >> 20,
        grown >> 20
    );
    Ok(())
}
