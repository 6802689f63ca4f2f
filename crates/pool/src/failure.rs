//! An error that travels: any `std::error::Error`, reduced to the texts of its chain.

use std::error::Error;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A serialisable error for tasks that use `?` on errors of many types.
///
/// `{}` prints the error, `{:#}` the whole chain of sources. Like `anyhow::Error` it is not itself an
/// `Error` (that is what lets `?` convert everything else), but it converts into `Box<dyn Error>`.
///
/// ```
/// fn parse(text: String) -> Result<i64, pexec::Failure> {
///     if text.is_empty() {
///         return Err(pexec::Failure::msg("nothing to parse"));
///     }
///     Ok(text.trim().parse()?)
/// }
/// assert_eq!(parse("".into()).unwrap_err().to_string(), "nothing to parse");
/// assert!(format!("{:#}", parse("x".into()).unwrap_err()).contains("invalid digit"));
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The error and its sources, outermost first; never empty.
    chain: Vec<String>,
}

impl Failure {
    /// A failure with this text and no source.
    pub fn msg(text: impl fmt::Display) -> Failure {
        Failure {
            chain: vec![text.to_string()],
        }
    }

    /// The error's text and those of its sources, outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &str> {
        self.chain.iter().map(String::as_str)
    }
}

impl<E: Error> From<E> for Failure {
    fn from(error: E) -> Failure {
        let mut chain = vec![error.to_string()];
        let mut source = error.source();
        while let Some(error) = source {
            chain.push(error.to_string());
            source = error.source();
        }
        Failure { chain }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() {
            f.write_str(&self.chain.join(": "))
        } else {
            f.write_str(self.chain.first().map_or("unknown failure", String::as_str))
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:#}")
    }
}

#[derive(Debug)]
struct Boxed {
    text: String,
    source: Option<Box<Boxed>>,
}

impl fmt::Display for Boxed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Boxed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|s| s as _)
    }
}

impl From<Failure> for Boxed {
    fn from(failure: Failure) -> Boxed {
        let mut source = None;
        for text in failure.chain.into_iter().rev() {
            source = Some(Box::new(Boxed { text, source }));
        }
        source.map_or_else(
            || Boxed {
                text: "unknown failure".into(),
                source: None,
            },
            |b| *b,
        )
    }
}

impl From<Failure> for Box<dyn Error + Send + Sync> {
    fn from(failure: Failure) -> Self {
        Box::new(Boxed::from(failure))
    }
}

impl From<Failure> for Box<dyn Error> {
    fn from(failure: Failure) -> Self {
        Box::new(Boxed::from(failure))
    }
}
