//! What a function returned: a `Result` gives its value or fails with its error, anything else is the value.
//!
//! Which of these it is the compiler decides, by how many references a method call has to look through; the macro
//! writes that call for a type that is known.

use std::fmt::{Debug, Display};

use erased_serde::Serialize as Erased;
use serde::Serialize;

use super::CallError;

/// Takes the value that a function returned; the text says why it cannot.
pub type Answer<'a> = &'a mut dyn FnMut(&dyn Erased) -> Result<(), String>;

/// What a function returned.
pub struct Returned<T>(pub T);

macro_rules! way {
    ($(#[doc = $doc:literal])* $name:ident) => {
        $(#[doc = $doc])*
        pub trait $name {
            /// Gives the value away.
            ///
            /// # Errors
            ///
            /// The function's own error, or the value cannot be taken.
            fn answer(&self, out: Answer<'_>) -> Result<(), CallError>;
        }
    };
}

way!(
    /// A `Result` whose error has a text: `{:#}`, for an error's sources are in it where that form shows them.
    FailureAsDisplay
);
way!(
    /// A `Result` whose error has a text for programmers.
    FailureAsDebug
);
way!(
    /// A `Result` whose error has no text.
    FailureWithoutText
);
way!(
    /// Anything else.
    AnswerOfValue
);

impl<T: Serialize, E: Display> FailureAsDisplay for &&&Returned<Result<T, E>> {
    fn answer(&self, out: Answer<'_>) -> Result<(), CallError> {
        result(&self.0, out, |error| format!("{error:#}"))
    }
}

impl<T: Serialize, E: Debug> FailureAsDebug for &&Returned<Result<T, E>> {
    fn answer(&self, out: Answer<'_>) -> Result<(), CallError> {
        result(&self.0, out, |error| format!("{error:?}"))
    }
}

impl<T: Serialize, E> FailureWithoutText for &Returned<Result<T, E>> {
    fn answer(&self, out: Answer<'_>) -> Result<(), CallError> {
        let text = format!("it returned an error of type `{}`", std::any::type_name::<E>());
        result(&self.0, out, |_| text.clone())
    }
}

impl<T: Serialize> AnswerOfValue for Returned<T> {
    fn answer(&self, out: Answer<'_>) -> Result<(), CallError> {
        out(&self.0).map_err(CallError::Result)
    }
}

fn result<T: Serialize, E>(
    result: &Result<T, E>,
    out: Answer<'_>,
    text: impl Fn(&E) -> String,
) -> Result<(), CallError> {
    match result {
        Ok(value) => out(value).map_err(CallError::Result),
        Err(error) => Err(CallError::Failed(text(error))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the macro writes, and whether a value came out.
    macro_rules! answer {
        ($returned:expr) => {{
            let mut values = 0;
            let answer = (&&&&Returned($returned)).answer(&mut |_| {
                values += 1;
                Ok(())
            });
            (answer, values)
        }};
    }

    #[derive(Debug)]
    struct Shown;
    struct Mute;

    #[test]
    fn a_result_is_its_value_or_a_failure_with_the_best_text_that_there_is() {
        let failed = |text: &str| (Err(CallError::Failed(text.to_owned())), 0);
        assert_eq!(answer!(5u8), (Ok(()), 1));
        assert_eq!(answer!(()), (Ok(()), 1));
        assert_eq!(answer!(Some("x")), (Ok(()), 1));
        assert_eq!(answer!(Ok::<u8, String>(5)), (Ok(()), 1));
        assert_eq!(answer!(Err::<u8, _>("why")), failed("why"));
        assert_eq!(answer!(Ok::<u8, Shown>(5)), (Ok(()), 1));
        assert_eq!(answer!(Err::<u8, _>(Shown)), failed("Shown"));
        assert_eq!(answer!(Ok::<u8, Mute>(5)), (Ok(()), 1));
        let (mute, values) = answer!(Err::<u8, _>(Mute));
        assert!(mute.expect_err("failed").to_string().ends_with("Mute`") && values == 0);
    }

    #[test]
    fn the_sources_of_an_error_are_part_of_its_text() {
        let number: Result<i64, crate::Failure> = "x".parse::<i64>().map_err(crate::Failure::from);
        let (Err(CallError::Failed(text)), _) = answer!(number) else {
            panic!("not failed")
        };
        assert!(text.contains("invalid digit"), "{text}");
    }

    #[test]
    fn a_value_that_is_not_taken_is_an_error_and_no_failure_of_the_function() {
        let refused = Returned(5u8).answer(&mut |_| Err("no".to_owned()));
        assert_eq!(refused, Err(CallError::Result("no".to_owned())));
    }
}
