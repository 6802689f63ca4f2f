//! Attribute macros of pexec; use them through the `pexec` crate.

use proc_macro::TokenStream;
use quote::quote;
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
    let mut function = parse_macro_input!(item as ItemFn);
    let error = if !arguments.is_empty() {
        Some("#[pexec::main] takes no arguments")
    } else if function.sig.ident != "main" {
        Some("#[pexec::main] belongs on `fn main`")
    } else if function.sig.asyncness.is_some() {
        Some(
            "#[pexec::main] belongs on a plain `fn main`: call `pexec::init()` first and start the async runtime after it",
        )
    } else {
        None
    };
    if let Some(error) = error {
        return syn::Error::new_spanned(&function.sig, error)
            .to_compile_error()
            .into();
    }
    function
        .block
        .stmts
        .insert(0, syn::parse_quote!(::pexec::init();));
    quote!(#function).into()
}
