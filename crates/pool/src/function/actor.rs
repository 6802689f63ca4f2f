//! An actor's functions as other processes of the same build find them: the constructor, whose value stays in the
//! worker, the calls, which get that value by `&mut`, and the word that the value is good again.
//!
//! They are descriptors like a task's, checked in the same way; what is behind them never leaves its worker.

use std::marker::PhantomData;
use std::rc::Rc;

use pexec_ipc::carry;
use pexec_proto::codec;

use super::{
    Argument, ArgumentBytes, Descriptor, MAGIC, Payload, Stages, TaskFn, ThunkError, conjure, refuse_as_task,
    refused_argument, through,
};
use crate::actor::held::Held;
use crate::worker;
use pexec_proto::FunctionRef;
use std::any::TypeId;

/// Keeps an actor's functions apart from tasks and initializers of the same types.
struct Mark;

struct Construct<F, A, S, M>(PhantomData<(F, A, S, M)>);

impl<F, A, S, M> Construct<F, A, S, M>
where
    F: TaskFn<A, S, M>,
    A: Payload,
    S: 'static,
    M: 'static,
{
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        magic: MAGIC,
        identity: TypeId::of::<(Mark, F, A, S)>(),
        thunk: refuse_as_task,
        type_name: std::any::type_name::<F>,
        keep: Some(|body, descriptors| {
            let (keeps, arg) = split(body)?;
            let arg =
                carry::provide(descriptors, || F::decode(arg)).map_err(|e| refused_argument::<A>(&e))?;
            Ok(Box::new(Held::keep(conjure::<F>().call(arg), keeps)))
        }),
    };
}

struct TryConstruct<F, A, S, E, M>(PhantomData<(F, A, S, E, M)>);

impl<F, A, S, E, M> TryConstruct<F, A, S, E, M>
where
    F: TaskFn<A, Result<S, E>, M>,
    A: Payload,
    S: 'static,
    E: std::fmt::Display + 'static,
    M: 'static,
{
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        magic: MAGIC,
        identity: TypeId::of::<(Mark, F, A, S, E)>(),
        thunk: refuse_as_task,
        type_name: std::any::type_name::<F>,
        keep: Some(|body, descriptors| {
            let (keeps, arg) = split(body)?;
            let arg =
                carry::provide(descriptors, || F::decode(arg)).map_err(|e| refused_argument::<A>(&e))?;
            match conjure::<F>().call(arg) {
                Ok(state) => Ok(Box::new(Held::keep(state, keeps))),
                Err(error) => Err(error.to_string()),
            }
        }),
    };
}

/// Whether a panic leaves the state as good as it was, and the constructor's argument.
fn split(body: &[u8]) -> Result<(bool, &[u8]), String> {
    let (keeps, arg) = body
        .split_first()
        .ok_or("the constructor's argument is cut off")?;
    Ok((*keeps != 0, arg))
}

struct Call<F, A, R, S>(PhantomData<(F, A, R, S)>);

impl<F, A, R, S> Call<F, A, R, S>
where
    F: Fn(&mut S, A) -> R + Copy + Send + Sync + 'static,
    A: Payload,
    R: Payload,
    S: 'static,
{
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        magic: MAGIC,
        identity: TypeId::of::<(Mark, S, F, A, R)>(),
        thunk: call::<F, A, R, S>,
        type_name: std::any::type_name::<F>,
        keep: None,
    };
}

fn call<F, A, R, S>(
    arg: &mut Argument<'_>,
    out: &mut Vec<u8>,
    stages: &mut dyn Stages,
) -> Result<(), Box<ThunkError>>
where
    F: Fn(&mut S, A) -> R + Copy + Send + Sync + 'static,
    A: Payload,
    R: Payload,
    S: 'static,
{
    let held = held::<S>()?;
    let mut state = held.lend().map_err(|why| Box::new(ThunkError::Poisoned(why)))?;
    let decode = |bytes: &mut ArgumentBytes<'_>| match bytes {
        ArgumentBytes::Slice(bytes) => codec::decode_typed(bytes),
        ArgumentBytes::Owned(bytes) => codec::decode_owned(std::mem::take(bytes)),
    };
    through(arg, out, stages, decode, |arg| {
        state.run(|state| conjure::<F>()(state, arg))
    })
}

struct Clear<S>(PhantomData<S>);

impl<S: 'static> Clear<S> {
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        magic: MAGIC,
        identity: TypeId::of::<(Mark, S)>(),
        thunk: clear::<S>,
        type_name: std::any::type_name::<S>,
        keep: None,
    };
}

fn clear<S: 'static>(
    arg: &mut Argument<'_>,
    out: &mut Vec<u8>,
    stages: &mut dyn Stages,
) -> Result<(), Box<ThunkError>> {
    let held = held::<S>()?;
    through(arg, out, stages, |_| Ok(()), |()| held.clear_poison())
}

fn held<S: 'static>() -> Result<&'static Rc<Held<S>>, Box<ThunkError>> {
    worker::state::<Rc<Held<S>>>().ok_or_else(|| {
        let name = std::any::type_name::<S>();
        Box::new(ThunkError::Decode(format!(
            "of a call of an actor with the state `{name}`: this worker has no such state"
        )))
    })
}

/// The reference to `F` as a constructor.
pub(crate) fn constructor_reference<F, A, S, M>() -> FunctionRef
where
    F: TaskFn<A, S, M>,
    A: Payload,
    S: 'static,
    M: 'static,
{
    Construct::<F, A, S, M>::DESCRIPTOR.reference()
}

/// The reference to `F` as a constructor that can fail.
pub(crate) fn try_constructor_reference<F, A, S, E, M>() -> FunctionRef
where
    F: TaskFn<A, Result<S, E>, M>,
    A: Payload,
    S: 'static,
    E: std::fmt::Display + 'static,
    M: 'static,
{
    TryConstruct::<F, A, S, E, M>::DESCRIPTOR.reference()
}

/// `F` as a call.
pub(crate) fn call_descriptor<F, A, R, S>() -> &'static Descriptor
where
    F: Fn(&mut S, A) -> R + Copy + Send + Sync + 'static,
    A: Payload,
    R: Payload,
    S: 'static,
{
    Call::<F, A, R, S>::DESCRIPTOR
}

/// The call after which the state counts as good again.
pub(crate) fn clear_descriptor<S: 'static>() -> &'static Descriptor {
    Clear::<S>::DESCRIPTOR
}
