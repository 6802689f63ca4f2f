//! `#[pexec::main]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Error, ItemFn, Result};

pub(crate) fn expand(arguments: TokenStream, mut function: ItemFn) -> Result<TokenStream> {
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
        return Err(Error::new_spanned(&function.sig, error));
    }
    function
        .block
        .stmts
        .insert(0, syn::parse_quote!(::pexec::init();));
    Ok(quote!(#function))
}
