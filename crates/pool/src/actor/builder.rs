//! An actor's options, and its start: the constructor's argument goes along with the start of the process, and the
//! first call tells whether there is a state.

use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::time::Duration;

use pexec_proto::FunctionRef;

use super::Actor;
use crate::error::BuildError;
use crate::function::actor::{constructor_reference, try_constructor_reference};
use crate::function::{Payload, TaskFn, assert_no_captures};
use crate::process::alone::{Alone, Sole};
use crate::process::builder::encode_call;
use crate::process::{ProcessPool, ProcessPoolBuilder};

/// What a call that panics means for the state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnPanic {
    /// It may be half-changed: calls after it fail, until [`Actor::clear_poison`].
    #[default]
    Poison,
    /// It is as good as it was: calls after it run.
    Keep,
}

/// See [`Actor::builder`].
///
/// ```no_run
/// use pexec::{Actor, OnPanic};
/// # fn build() -> Result<(), pexec::BuildError> {
/// let log = Actor::builder()
///     .name("log")
///     .on_panic(OnPanic::Keep)
///     .try_spawn(std::fs::File::create::<String>, "log.txt".to_owned())?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
#[must_use]
pub struct ActorBuilder<State> {
    pool: ProcessPoolBuilder,
    on_panic: OnPanic,
    state: PhantomData<fn() -> State>,
}

impl<State: 'static> ActorBuilder<State> {
    pub(super) fn new() -> ActorBuilder<State> {
        ActorBuilder {
            pool: ProcessPool::builder().name("actor"),
            on_panic: OnPanic::default(),
            state: PhantomData,
        }
    }

    fn with(self, set: impl FnOnce(ProcessPoolBuilder) -> ProcessPoolBuilder) -> Self {
        ActorBuilder {
            pool: set(self.pool),
            ..self
        }
    }

    /// Its name, in thread names, process titles, events and messages. Default: `actor`.
    pub fn name(self, name: impl Into<String>) -> Self {
        self.with(|pool| pool.name(name))
    }

    /// What a call that panics means for the state. Default: [`OnPanic::Poison`].
    pub fn on_panic(mut self, on_panic: OnPanic) -> Self {
        self.on_panic = on_panic;
        self
    }

    /// How long a process that is to end has before SIGKILL. Default: 5 s.
    pub fn kill_grace(self, grace: Duration) -> Self {
        self.with(|pool| pool.kill_grace(grace))
    }

    /// The largest argument or result in bytes, as for a pool. Default: 1 GiB.
    pub fn max_message(self, bytes: u64) -> Self {
        self.with(|pool| pool.max_message(bytes))
    }

    /// Sets a variable of the process's environment.
    pub fn env(self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.with(|pool| pool.env(key, value))
    }

    /// Unsets a variable of the process's environment.
    pub fn env_remove(self, key: impl Into<OsString>) -> Self {
        self.with(|pool| pool.env_remove(key))
    }

    /// The process's working directory. Default: this process's.
    pub fn current_dir(self, dir: impl Into<PathBuf>) -> Self {
        self.with(|pool| pool.current_dir(dir))
    }

    /// See [`Actor::spawn`].
    ///
    /// # Errors
    ///
    /// Those of [`Actor::spawn`], and [`BuildError::Invalid`] for an option without meaning.
    pub fn spawn<F, A, M>(self, _: F, arg: A) -> Result<Actor<State>, BuildError>
    where
        F: TaskFn<A, State, M>,
        A: Payload,
        M: 'static,
    {
        const { assert_no_captures::<F>() };
        self.start(constructor_reference::<F, A, State, M>(), arg)
    }

    /// See [`Actor::try_spawn`].
    ///
    /// # Errors
    ///
    /// Those of [`Actor::try_spawn`], and [`BuildError::Invalid`] for an option without meaning.
    pub fn try_spawn<F, A, E, M>(self, _: F, arg: A) -> Result<Actor<State>, BuildError>
    where
        F: TaskFn<A, Result<State, E>, M>,
        A: Payload,
        E: std::fmt::Display + 'static,
        M: 'static,
    {
        const { assert_no_captures::<F>() };
        self.start(try_constructor_reference::<F, A, State, E, M>(), arg)
    }

    fn start<A: Payload>(self, constructor: FunctionRef, arg: A) -> Result<Actor<State>, BuildError> {
        let keeps = u8::from(self.on_panic == OnPanic::Keep);
        // One byte, and behind it the argument as the constructor reads it.
        let call = encode_call(constructor, &(keeps, arg));
        let actor = Actor::new(Alone::start(self.pool.construct(call), Sole::Actor)?);
        match actor.clear_poison().result() {
            Ok(()) => Ok(actor),
            Err(error) => {
                let known = actor.why_broken();
                Err(BuildError::Constructor(
                    known.unwrap_or_else(|| error.to_string()),
                ))
            }
        }
    }
}
