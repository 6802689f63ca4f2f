//! What lies in a slot: an argument first, then a value or a failure, which is handed out once.

use std::any::Any;

use crate::error::TaskError;
use crate::future::bytes::{Bytes, Descriptors};

/// What a task gave back.
pub(crate) enum Value {
    /// The codec's bytes, from another process.
    Encoded(Bytes),
    /// Likewise, with what came along.
    Carried(Box<Carried>),
    /// The value itself, from this process.
    Local(Box<dyn Any + Send>),
    /// Each item's, in the slot's batch.
    Batch,
}

/// The end of a task; errors are boxed because millions of slots wait and few fail.
pub(crate) type End = Result<Value, Box<TaskError>>;

/// A value's encoding, and the descriptors of the handles in it.
#[derive(Clone)]
pub(crate) struct Carried {
    pub(crate) bytes: Bytes,
    pub(crate) descriptors: Descriptors,
}

/// What a task leaves behind in its slot, by its stage.
pub(super) enum Body {
    /// Nothing: no argument, or a value that lies elsewhere.
    Empty,
    /// Its encoded argument until it is done, then its encoded value.
    Bytes(Bytes),
    /// Likewise, of a value with handles.
    Carried(Box<Carried>),
    Local(Box<dyn Any + Send>),
    Failed(Box<TaskError>),
    /// It was handed out; a failure stays, for callbacks that come late.
    HandedOut(Option<Box<TaskError>>),
}

impl Body {
    pub(super) fn failure(&self) -> Option<&TaskError> {
        match self {
            Body::Failed(error) | Body::HandedOut(Some(error)) => Some(error),
            _ => None,
        }
    }

    /// How a task ended that has just ended.
    pub(super) fn of(end: End) -> Body {
        match end {
            Ok(Value::Encoded(bytes)) => Body::Bytes(bytes),
            Ok(Value::Carried(carried)) => Body::Carried(carried),
            Ok(Value::Local(value)) => Body::Local(value),
            Ok(Value::Batch) => Body::Empty,
            Err(error) => Body::Failed(error),
        }
    }

    /// Gives the end of a task that is done. `None`: that was done before.
    pub(super) fn hand_out(&mut self) -> Option<End> {
        let end = match std::mem::replace(self, Body::HandedOut(None)) {
            Body::Bytes(bytes) => Ok(Value::Encoded(bytes)),
            Body::Carried(carried) => Ok(Value::Carried(carried)),
            Body::Local(value) => Ok(Value::Local(value)),
            Body::Failed(error) => {
                *self = Body::HandedOut(Some(error.clone()));
                Err(error)
            }
            Body::Empty => Ok(Value::Batch),
            Body::HandedOut(failure) => {
                *self = Body::HandedOut(failure);
                return None;
            }
        };
        Some(end)
    }
}
