//! Functions that can be called by name: what [`#[pexec::task]`](macro@crate::task) registers, listed and found again
//! in every process of the same build.
//!
//! Arguments come in any format that serde reads: whoever calls brings a deserialiser for each, and takes what comes
//! back. The commands of `pexec-job` and `pexec-cli` bring TOML and JSON; this crate knows neither. What always holds:
//! a name means one function, for every pool refuses to start while two share one.
//!
//! ```
//! use pexec::named::{self, Arguments};
//! use serde::de::IntoDeserializer;
//! use serde::de::value::Error;
//!
//! /// A number, some times.
//! #[pexec::task(name = "times")]
//! fn times(number: u64, times: Option<u64>) -> Result<u64, String> {
//!     number.checked_mul(times.unwrap_or(2)).ok_or("too large".to_owned())
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     pexec::init();
//!     let task = named::find("times")?;
//!     assert_eq!(task.signature(), "times(number: u64, times: Option<u64>) -> Result<u64, String>");
//!     assert_eq!(task.doc(), "A number, some times.");
//!     assert!(task.arrange(Arguments::ByName(vec![("numbr".to_owned(), 4)])).is_err());
//!
//!     let number = IntoDeserializer::<Error>::into_deserializer(4u64);
//!     assert!(task.check(0, &mut <dyn erased_serde::Deserializer<'_>>::erase(number)).is_ok());
//!     Ok(())
//! }
//! ```

pub(crate) mod answer;
pub(crate) mod decode;
mod error;
pub(crate) mod registry;

use std::fmt;

use erased_serde::Deserializer;

use answer::Answer;
use decode::Given;

pub use error::CallError;
pub(crate) use registry::verify;
pub use registry::{find, tasks};

/// A function that was registered with [`#[pexec::task]`](macro@crate::task).
pub struct NamedTask {
    name: &'static str,
    doc: &'static str,
    parameters: &'static [Parameter],
    result: &'static str,
    place: (&'static str, u32),
    invoke: Invoke,
}

/// Takes the arguments one by one, calls the function, and gives away what it returned.
type Invoke = fn(&mut Given<'_, '_, '_>, Answer<'_>) -> Result<(), CallError>;
type Accepts = fn(&mut dyn Deserializer<'_>) -> Result<(), String>;

/// One parameter of a [`NamedTask`].
pub struct Parameter {
    name: &'static str,
    type_name: &'static str,
    optional: bool,
    accepts: Accepts,
}

impl Parameter {
    /// For the macro.
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        type_name: &'static str,
        optional: bool,
        accepts: Accepts,
    ) -> Parameter {
        Parameter {
            name,
            type_name,
            optional,
            accepts,
        }
    }

    /// What it is called in the function; `argument1` and so on where that is a pattern.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its type, as it is written in the source.
    pub fn type_name(&self) -> &'static str {
        self.type_name
    }

    /// It may be left out: its type is an `Option`.
    pub fn is_optional(&self) -> bool {
        self.optional
    }
}

impl NamedTask {
    /// For the macro.
    #[doc(hidden)]
    pub const fn new(
        name: &'static str,
        doc: &'static str,
        parameters: &'static [Parameter],
        result: &'static str,
        place: (&'static str, u32),
        invoke: Invoke,
    ) -> NamedTask {
        NamedTask {
            name,
            doc,
            parameters,
            result,
            place,
            invoke,
        }
    }

    /// Its name: as given, or else the path of the function (`program::module::function`).
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The first line of its documentation; empty if there is none.
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// What it takes, in order.
    pub fn parameters(&self) -> &'static [Parameter] {
        self.parameters
    }

    /// The type of what it returns, as it is written in the source; `()` for none.
    pub fn result(&self) -> &'static str {
        self.result
    }

    /// Where it stands: file and line.
    pub fn place(&self) -> (&'static str, u32) {
        self.place
    }

    /// Name, parameters with their types, and the result's type, in one line.
    pub fn signature(&self) -> String {
        let parameters: Vec<String> = self
            .parameters
            .iter()
            .map(|parameter| format!("{}: {}", parameter.name, parameter.type_name))
            .collect();
        let mut text = format!("{}({})", self.name, parameters.join(", "));
        if self.result != "()" {
            text.push_str(" -> ");
            text.push_str(self.result);
        }
        text
    }

    /// Puts arguments in the order of the parameters. `None` stands for an optional one that was left out.
    ///
    /// # Errors
    ///
    /// [`CallError::Arguments`]: one is missing, unknown or too many.
    pub fn arrange<V>(&self, arguments: Arguments<V>) -> Result<Vec<Option<V>>, CallError> {
        match arguments {
            Arguments::ByName(named) => self.by_name(named),
            Arguments::ByPlace(list) => self.by_place(list),
        }
    }

    fn by_name<V>(&self, named: Vec<(String, V)>) -> Result<Vec<Option<V>>, CallError> {
        let mut arranged: Vec<Option<V>> = self.parameters.iter().map(|_| None).collect();
        for (name, value) in named {
            let place = self
                .parameters
                .iter()
                .position(|parameter| parameter.name == name);
            match place.map(|place| &mut arranged[place]) {
                Some(none @ None) => *none = Some(value),
                Some(Some(_)) => return Err(self.wrong(format!("`{name}` is there twice"))),
                None => return Err(self.wrong(format!("it has no parameter `{name}`"))),
            }
        }
        let missing = self.parameters.iter().zip(&arranged);
        let missing: Vec<String> = missing
            .filter(|(parameter, value)| value.is_none() && !parameter.optional)
            .map(|(parameter, _)| format!("`{}: {}`", parameter.name, parameter.type_name))
            .collect();
        match missing.as_slice() {
            [] => Ok(arranged),
            [one] => Err(self.wrong(format!("{one} is missing"))),
            several => Err(self.wrong(format!("{} are missing", several.join(" and ")))),
        }
    }

    fn by_place<V>(&self, list: Vec<V>) -> Result<Vec<Option<V>>, CallError> {
        let least = self.parameters.iter().rposition(|parameter| !parameter.optional);
        let least = least.map_or(0, |last| last + 1);
        let most = self.parameters.len();
        if list.len() < least || list.len() > most {
            let plural = if most == 1 { "" } else { "s" };
            return Err(self.wrong(format!("expected {most} argument{plural}, found {}", list.len())));
        }
        let mut arranged: Vec<Option<V>> = list.into_iter().map(Some).collect();
        arranged.resize_with(most, || None);
        Ok(arranged)
    }

    fn wrong(&self, why: String) -> CallError {
        CallError::Arguments {
            signature: self.signature(),
            why,
        }
    }

    /// Whether the parameter at this place takes `value`; calls nothing but the type's `Deserialize`.
    ///
    /// # Errors
    ///
    /// [`CallError::Argument`] if it does not.
    ///
    /// # Panics
    ///
    /// If there is no such parameter.
    pub fn check(&self, place: usize, value: &mut dyn Deserializer<'_>) -> Result<(), CallError> {
        (self.parameters[place].accepts)(value).map_err(|why| self.refuse(place, why))
    }

    fn refuse(&self, place: usize, why: String) -> CallError {
        let parameter = &self.parameters[place];
        CallError::Argument {
            task: self.name.to_owned(),
            parameter: parameter.name.to_owned(),
            expected: parameter.type_name.to_owned(),
            why,
        }
    }

    /// Calls it here, on this thread, with an argument for each parameter; `answer` gets what it returned, of a
    /// `Result` the value. A panic of the function goes on to the caller.
    ///
    /// # Errors
    ///
    /// An argument of the wrong type, the function's own `Err`, or what `answer` says.
    pub fn invoke(
        &self,
        arguments: &mut [&mut dyn Deserializer<'_>],
        answer: &mut dyn FnMut(&dyn erased_serde::Serialize) -> Result<(), String>,
    ) -> Result<(), CallError> {
        (self.invoke)(&mut Given::new(self, arguments), answer)
    }
}

/// Arguments of a call, in some form `V`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arguments<V> {
    /// Each with its parameter's name.
    ByName(Vec<(String, V)>),
    /// In the order of the parameters; optional ones at the end may be left out.
    ByPlace(Vec<V>),
}

impl fmt::Debug for NamedTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NamedTask({})", self.signature())
    }
}

impl fmt::Debug for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.type_name)
    }
}
