//! A process that owns a state: its handle.
//!
//! It is a pool of one worker that is never replaced, whose initializer's value is the state. Calls are tasks of that
//! pool, which one worker does in their order; what is known of the worker's end is told to every call after it.

mod away;
pub(crate) mod builder;
pub(crate) mod held;
mod home;
mod line;
mod travel;

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::Signal;

pub use builder::{ActorBuilder, OnPanic};

use crate::autopsy::Exit;
use crate::error::BuildError;
use crate::function::actor::{call_descriptor, clear_descriptor};
use crate::function::{Descriptor, Payload, TaskFn, assert_no_captures};
use crate::future::TaskFuture;
use crate::future::slot::SlotRef;
use crate::future::wait::until_done;
use crate::options::TaskOptions;
use crate::process::alone::Alone;
use away::Away;
use home::Home;

/// A process that owns a `State`, made there and never anywhere else: it needs neither serde nor `Send`.
///
/// Calls run in their order, one at a time, with the state by `&mut`; those of one thread in the order in which it made
/// them. Handles are cheap to clone. When the last one is dropped, what was called is finished, the state is dropped in
/// its process, and the process has ended when the drop returns; while panicking it is killed instead. Like every worker
/// it never outlives this process. While it lives it costs this process a thread that sleeps, and nine descriptors.
///
/// A handle can be sent to other processes inside the argument or result of a task or a call, like Python's `Manager`
/// objects, and on from there. Calls of one process are done in its order. The last handle anywhere ends the actor (so one
/// that keeps a handle of itself needs [`shutdown`](Actor::shutdown)); a process that dies with one is only a handle less. For each process that calls, this one has two threads that sleep.
/// A future of such a call cannot be cancelled or killed, and has no progress. The actor still ends with the process
/// that has started it: then what another one had called is `Crashed`, with an autopsy that knows no more than that.
///
/// A call that panics is [`Panicked`](crate::TaskError::Panicked), and may have left the state half-changed: calls after
/// it are [`Poisoned`](crate::TaskError::Poisoned) and do not start, until [`clear_poison`](Actor::clear_poison), or
/// never with [`OnPanic::Keep`]. If the process ends, the running call is [`Crashed`](crate::TaskError::Crashed) with an
/// autopsy, and all others, then and later, are [`Died`](crate::TaskError::Died) with the same one: they have not
/// started. It is not replaced, because its state is gone.
///
/// ```no_run
/// use std::collections::HashMap;
/// use pexec::Actor;
///
/// # fn work() -> Result<(), Box<dyn std::error::Error>> {
/// let counts = Actor::spawn(HashMap::<String, u64>::new, ())?;
/// for word in ["a", "b", "a"] {
///     // Not waited for: calls are done in their order anyway.
///     drop(counts.call(|counts, word| *counts.entry(word).or_default() += 1, word.to_owned()));
/// }
/// let of_a = counts.call(|counts, word| counts.get(&word).copied(), "a".to_owned());
/// assert_eq!(of_a.result()?, Some(2));
/// # Ok(()) }
/// ```
pub struct Actor<State> {
    handle: Handle,
    state: PhantomData<fn(State) -> State>,
}

#[derive(Clone)]
enum Handle {
    /// In the process that has started it.
    Home(Arc<Home>),
    /// Anywhere else.
    Away(Arc<Away>),
}

impl Handle {
    fn submit<A: Payload>(&self, call: &'static Descriptor, arg: &A, options: TaskOptions) -> SlotRef {
        match self {
            Handle::Home(home) => home.alone.submit(call, arg, options),
            Handle::Away(away) => away.submit(call, arg, options),
        }
    }
}

impl<State: 'static> Actor<State> {
    /// Starts a process, has it make the state by `f(arg)`, and waits until it has.
    ///
    /// # Errors
    ///
    /// [`BuildError::Constructor`] if `f` panics or ends its process, with what is known of it;
    /// [`BuildError::NotInitialized`] if [`init`](crate::init) did not run in this process; [`BuildError::TooDeep`] for
    /// actors inside tasks inside actors beyond 8 levels; [`BuildError::Start`] if the process cannot be started;
    /// [`BuildError::Invalid`] for an argument that cannot be serialised.
    pub fn spawn<F, A, M>(f: F, arg: A) -> Result<Actor<State>, BuildError>
    where
        F: TaskFn<A, State, M>,
        A: Payload,
        M: 'static,
    {
        Actor::builder().spawn(f, arg)
    }

    /// Like [`spawn`](Actor::spawn), for a constructor that can fail.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Actor::spawn); an `Err` of `f` is [`BuildError::Constructor`] with its text.
    pub fn try_spawn<F, A, E, M>(f: F, arg: A) -> Result<Actor<State>, BuildError>
    where
        F: TaskFn<A, Result<State, E>, M>,
        A: Payload,
        E: std::fmt::Display + 'static,
        M: 'static,
    {
        Actor::builder().try_spawn(f, arg)
    }

    /// An actor with options.
    pub fn builder() -> ActorBuilder<State> {
        ActorBuilder::new()
    }

    fn new(alone: Alone) -> Actor<State> {
        Actor::with(Handle::Home(Arc::new(Home::new(alone))))
    }

    fn with(handle: Handle) -> Actor<State> {
        Actor {
            handle,
            state: PhantomData,
        }
    }

    /// Why there is no state.
    fn why_broken(&self) -> Option<String> {
        match &self.handle {
            Handle::Home(home) => home.alone.broken().map(str::to_owned),
            Handle::Away(_) => None,
        }
    }

    /// Calls `f` with the state and `arg`, after everything that was called before. Does not wait. Like a task, `f` is a
    /// function or a closure that captures nothing; several arguments are a tuple, none is `()`.
    pub fn call<F, A, R>(&self, f: F, arg: A) -> TaskFuture<R>
    where
        F: Fn(&mut State, A) -> R + Copy + Send + Sync + 'static,
        A: Payload,
        R: Payload,
    {
        self.task(f, arg).submit()
    }

    /// A call with options: set them, then `.submit()`.
    pub fn task<F, A, R>(&self, _: F, arg: A) -> ActorCall<'_, State, F, A, R>
    where
        F: Fn(&mut State, A) -> R + Copy + Send + Sync + 'static,
        A: Payload,
        R: Payload,
    {
        const { assert_no_captures::<F>() };
        ActorCall {
            actor: self,
            arg,
            options: TaskOptions::default(),
            types: PhantomData,
        }
    }

    /// Says that the state is as good as any after a call that panicked: calls after this one run again. Itself a call
    /// in their order.
    pub fn clear_poison(&self) -> TaskFuture<()> {
        let call = clear_descriptor::<State>();
        TaskFuture::new(self.handle.submit(call, &(), TaskOptions::default()))
    }
}

impl<State> Actor<State> {
    /// Its process id, which is also that of its process group.
    pub fn pid(&self) -> u32 {
        match &self.handle {
            Handle::Home(home) => home.alone.pid(),
            Handle::Away(away) => away.pid,
        }
    }

    /// The process has not ended, or not been reaped yet; see [`exit`](Actor::exit).
    pub fn is_alive(&self) -> bool {
        self.exit().is_none()
    }

    /// How the process ended; `None` while it is alive. A handle in another process than the one that has started the
    /// actor knows it once a call of its own has failed for it.
    pub fn exit(&self) -> Option<Exit> {
        match &self.handle {
            Handle::Home(home) => home.alone.exit(),
            Handle::Away(away) => away.exit(),
        }
    }

    /// Accepts no more calls, from whatever handle; finishes those that were made, drops the state in its process (which
    /// has five seconds for that), and waits until the process is gone (and, where it was started, until every callback
    /// has run).
    pub fn shutdown(&self) {
        match &self.handle {
            Handle::Home(home) => {
                home.alone.close();
                home.alone.wait_gone(None);
                home.alone.drain_callbacks();
            }
            Handle::Away(away) => {
                until_done(&away.shut_down(), None);
            }
        }
    }

    /// Sends SIGKILL to its process group, and returns at once: the running call is
    /// [`TaskError::Killed`](crate::TaskError::Killed), the others are [`TaskError::Died`](crate::TaskError::Died).
    pub fn kill(&self) {
        match &self.handle {
            Handle::Home(home) => home.alone.signal(Signal::SIGKILL),
            Handle::Away(away) => away.kill(),
        }
    }
}

impl<State> Clone for Actor<State> {
    /// Another handle of the same actor.
    fn clone(&self) -> Actor<State> {
        Actor {
            handle: self.handle.clone(),
            state: PhantomData,
        }
    }
}

impl<State> std::fmt::Debug for Actor<State> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = std::any::type_name::<State>();
        match self.exit() {
            None => write!(f, "Actor<{state}>({}, alive)", self.pid()),
            Some(exit) => write!(f, "Actor<{state}>({}, {exit})", self.pid()),
        }
    }
}

/// A call that was not made yet; see [`Actor::task`].
#[must_use = "a call does nothing until it is submitted"]
pub struct ActorCall<'a, State, F, A, R> {
    actor: &'a Actor<State>,
    arg: A,
    options: TaskOptions,
    types: PhantomData<fn(F) -> R>,
}

impl<State, F, A, R> ActorCall<'_, State, F, A, R>
where
    State: 'static,
    F: Fn(&mut State, A) -> R + Copy + Send + Sync + 'static,
    A: Payload,
    R: Payload,
{
    /// What people call it: it stands in its errors and events.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.options.set().label = Some(label.into().into_boxed_str());
        self
    }

    /// Ends the call when it has run this long, by ending the actor: nothing else ends a function that runs. It is
    /// [`TaskError::TimedOut`](crate::TaskError::TimedOut) then, and all calls after it are
    /// [`TaskError::Died`](crate::TaskError::Died). Zero means no timeout, which is the default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.set().timeout = Some(timeout);
        self
    }

    /// See [`Actor::call`].
    pub fn submit(self) -> TaskFuture<R> {
        let call = call_descriptor::<F, A, R, State>();
        TaskFuture::new(self.actor.handle.submit(call, &self.arg, self.options))
    }
}
