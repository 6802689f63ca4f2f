//! `#[pexec::task]`: checks that a function can be called from another process by its name, and registers it.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit::Visit;
use syn::{
    Attribute, Error, Expr, ExprLit, FnArg, ItemFn, Lit, LitStr, Meta, MetaNameValue, Pat, Result,
    ReturnType, Signature, Type,
};

use crate::type_text;

/// As many as a task function may have.
const MOST_ARGUMENTS: usize = 6;

pub(crate) fn expand(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let name = parse_name(arguments)?;
    let function: ItemFn = syn::parse2(item)
        .map_err(|error| Error::new(error.span(), "#[pexec::task] belongs on a function with a body"))?;
    check(&function.sig)?;
    let registration = register(&function, name);
    Ok(quote! {
        #function
        #registration
    })
}

/// `name = "..."`, or nothing.
fn parse_name(arguments: TokenStream) -> Result<Option<LitStr>> {
    const USAGE: &str = "write it as #[pexec::task] or #[pexec::task(name = \"..\")]";
    if arguments.is_empty() {
        return Ok(None);
    }
    let usage = |error: Error| Error::new(error.span(), USAGE);
    let pair: MetaNameValue = syn::parse2(arguments).map_err(usage)?;
    let Expr::Lit(ExprLit {
        lit: Lit::Str(name), ..
    }) = &pair.value
    else {
        return Err(Error::new_spanned(&pair, USAGE));
    };
    if !pair.path.is_ident("name") {
        return Err(Error::new_spanned(&pair.path, USAGE));
    }
    let text = name.value();
    let plain = |c: char| c.is_alphanumeric() || "_-.:/".contains(c);
    if text.is_empty() || !text.chars().all(plain) {
        return Err(Error::new(
            name.span(),
            "the name of a task is made of letters, digits and `_ - . : /`",
        ));
    }
    Ok(Some(name.clone()))
}

fn check(signature: &Signature) -> Result<()> {
    if let Some(receiver) = signature.receiver() {
        return Err(Error::new_spanned(
            receiver,
            "a task is a free function, not a method: what a method needs is an argument",
        ));
    }
    if signature.asyncness.is_some() {
        return Err(Error::new_spanned(
            signature.asyncness,
            "a task is a plain `fn`: start an async runtime inside it where it needs one",
        ));
    }
    if signature.unsafety.is_some() {
        return Err(Error::new_spanned(
            signature.unsafety,
            "a task is a safe `fn`, for anybody can call it by its name",
        ));
    }
    if !signature.generics.params.is_empty() || signature.generics.where_clause.is_some() {
        let span = match signature.generics.params.is_empty() {
            true => signature.generics.where_clause.span(),
            false => signature.generics.params.span(),
        };
        return Err(Error::new(
            span,
            "a named task is not generic: a name stands for one function, so write one for each type",
        ));
    }
    if let Some(variadic) = &signature.variadic {
        return Err(Error::new_spanned(
            variadic,
            "a task has a fixed number of arguments",
        ));
    }
    if signature.inputs.len() > MOST_ARGUMENTS {
        return Err(Error::new_spanned(
            &signature.inputs[MOST_ARGUMENTS],
            "a task has six arguments at most: put them into a struct",
        ));
    }
    for argument in &signature.inputs {
        owned(argument, "an argument")?;
    }
    owned(&signature.output, "the result")
}

/// Refuses what cannot come from, or go to, another process: references and types without a name.
fn owned<'a>(part: impl Into<Part<'a>>, what: &'static str) -> Result<()> {
    let mut search = Search { found: None, what };
    match part.into() {
        Part::Argument(argument) => search.visit_fn_arg(argument),
        Part::Result(result) => search.visit_return_type(result),
    }
    search.found.map_or(Ok(()), Err)
}

enum Part<'a> {
    Argument(&'a FnArg),
    Result(&'a ReturnType),
}

impl<'a> From<&'a FnArg> for Part<'a> {
    fn from(argument: &'a FnArg) -> Part<'a> {
        Part::Argument(argument)
    }
}

impl<'a> From<&'a ReturnType> for Part<'a> {
    fn from(result: &'a ReturnType) -> Part<'a> {
        Part::Result(result)
    }
}

struct Search {
    found: Option<Error>,
    what: &'static str,
}

impl<'a> Visit<'a> for Search {
    fn visit_type(&mut self, ty: &'a Type) {
        let why = match ty {
            // What a function pointer in a type takes is not passed to the task.
            Type::BareFn(_) => return,
            Type::Reference(_) => "owned, for it travels between processes: take a `String` for a `&str`",
            Type::ImplTrait(_) => "of a type that is written out, not `impl Trait`",
            _ => return syn::visit::visit_type(self, ty),
        };
        let error = Error::new_spanned(ty, format!("{} of a task is {why}", self.what));
        self.found.get_or_insert(error);
    }

    /// Patterns hold no types of the signature.
    fn visit_pat(&mut self, _: &'a Pat) {}
}

fn register(function: &ItemFn, name: Option<LitStr>) -> TokenStream {
    let ident = &function.sig.ident;
    let name = match name {
        Some(name) => quote!(#name),
        None => {
            let ident = ident.to_string();
            let ident = ident.trim_start_matches("r#");
            quote!(::core::concat!(::core::module_path!(), "::", #ident))
        }
    };
    let doc = first_line(&function.attrs);
    let conditions = function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"));
    let types: Vec<&Type> = function
        .sig
        .inputs
        .iter()
        .filter_map(|argument| match argument {
            FnArg::Typed(typed) => Some(&*typed.ty),
            FnArg::Receiver(_) => None,
        })
        .collect();
    let parameters = function.sig.inputs.iter().enumerate().map(|(at, argument)| {
        let (name, ty) = match argument {
            FnArg::Typed(typed) => (parameter_name(&typed.pat, at), &*typed.ty),
            FnArg::Receiver(_) => return TokenStream::new(),
        };
        let (text, optional) = (type_text::of(ty), is_option(ty));
        quote_spanned! {ty.span()=>
            ::pexec::named::Parameter::new(#name, #text, #optional, ::pexec::private::accepts::<#ty>)
        }
    });
    let result = match &function.sig.output {
        ReturnType::Default => "()".to_owned(),
        ReturnType::Type(_, ty) => type_text::of(ty),
    };
    let values: Vec<_> = (0..types.len())
        .map(|at| format_ident!("argument_{at}"))
        .collect();
    let takes = types.iter().zip(&values).map(|(ty, value)| {
        quote_spanned! {ty.span()=> let #value: #ty = given.take()?; }
    });
    let span = match &function.sig.output {
        ReturnType::Default => Span::call_site(),
        ReturnType::Type(_, ty) => ty.span(),
    };
    let answer = quote_spanned! {span=>
        (&&&&::pexec::private::Returned(#ident(#(#values),*))).answer(answer)
    };
    quote! {
        #(#conditions)*
        const _: () = {
            #[allow(unused_imports, unused_variables, clippy::all)]
            fn invoke(
                given: &mut ::pexec::private::Given<'_, '_, '_>,
                answer: ::pexec::private::Answer<'_>,
            ) -> ::core::result::Result<(), ::pexec::named::CallError> {
                use ::pexec::private::{
                    AnswerOfValue as _, FailureAsDebug as _, FailureAsDisplay as _, FailureWithoutText as _,
                };
                #(#takes)*
                #answer
            }

            #[::pexec::private::linkme::distributed_slice(::pexec::private::TASKS)]
            #[linkme(crate = ::pexec::private::linkme)]
            static TASK: ::pexec::named::NamedTask = ::pexec::named::NamedTask::new(
                #name,
                #doc,
                &[#(#parameters),*],
                #result,
                (::core::file!(), ::core::line!()),
                invoke,
            );
        };
    }
}

fn parameter_name(pattern: &Pat, at: usize) -> String {
    match pattern {
        Pat::Ident(ident) => ident.ident.to_string().trim_start_matches("r#").to_owned(),
        _ => format!("argument{}", at + 1),
    }
}

fn is_option(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Option"),
        _ => false,
    }
}

/// The first line of the documentation.
fn first_line(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text), ..
            }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    });
    let text: Vec<String> = lines.collect();
    let text = text.join("\n");
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or_default().to_owned()
}
