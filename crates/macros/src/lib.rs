//! Attribute macros of pexec; use them through the `pexec` crate.

mod main_fn;
mod task_fn;
mod type_text;

use proc_macro::TokenStream;
use syn::{ItemFn, parse_macro_input};

/// Calls `pexec::init()` before anything else in `main`.
///
/// ```ignore
/// #[pexec::main]
/// fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let pool = pexec::ProcessPool::new()?;
///     Ok(())
/// }
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let function = parse_macro_input!(item as ItemFn);
    main_fn::expand(arguments.into(), function)
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}

/// Gives a function a stable name, under which `pexec::named` and job files (`call = ".."`) find it.
///
/// The name is the function's path, `program::module::function`, unless another is given. The function stays as it
/// is and can still be called and submitted. It must be a plain `fn` with at most six owned, deserialisable arguments
/// and a serialisable result: not generic, not `async`, not a method. A name that two functions have is an error when
/// a pool is built. A library's functions are registered in programs that use something of that library.
///
/// ```ignore
/// /// The checksum of a file.
/// #[pexec::task(name = "checksum")]
/// fn checksum(path: std::path::PathBuf) -> Result<String, pexec::Failure> {
///     let bytes = std::fs::read(path)?;
///     Ok(format!("{:016x}", hash(&bytes)))
/// }
/// ```
#[proc_macro_attribute]
pub fn task(arguments: TokenStream, item: TokenStream) -> TokenStream {
    task_fn::expand(arguments.into(), item.into())
        .unwrap_or_else(|error| error.to_compile_error())
        .into()
}
