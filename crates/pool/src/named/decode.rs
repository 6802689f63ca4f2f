//! Arguments of any format into a function's own types, one after the other.

use erased_serde::Deserializer;
use serde::de::DeserializeOwned;

use super::{CallError, NamedTask};

/// The arguments of one call, in the order of the parameters.
pub struct Given<'a, 'b, 'de> {
    task: &'a NamedTask,
    values: &'a mut [&'b mut dyn Deserializer<'de>],
    place: usize,
}

impl<'a, 'b, 'de> Given<'a, 'b, 'de> {
    pub(super) fn new(
        task: &'a NamedTask,
        values: &'a mut [&'b mut dyn Deserializer<'de>],
    ) -> Given<'a, 'b, 'de> {
        Given {
            task,
            values,
            place: 0,
        }
    }

    /// The next argument.
    ///
    /// # Errors
    ///
    /// There is none, or it is of another type.
    pub fn take<T: DeserializeOwned>(&mut self) -> Result<T, CallError> {
        let place = self.place;
        self.place += 1;
        let decoded = match self.values.get_mut(place) {
            Some(value) => erased_serde::deserialize(*value).map_err(|error| error.to_string()),
            None => Err("it is not there".to_owned()),
        };
        decoded.map_err(|why| self.task.refuse(place, why))
    }
}

/// Whether a `T` can be made of it.
///
/// # Errors
///
/// Says why not.
pub fn accepts<T: DeserializeOwned>(value: &mut dyn Deserializer<'_>) -> Result<(), String> {
    let decoded: Result<T, _> = erased_serde::deserialize(value);
    decoded.map(drop).map_err(|error| error.to_string())
}
