//! Which function a task runs: a capture-free function becomes a reference that another process of the same
//! build can follow, and is checked there before it is called.
//!
//! The reference is the distance from an anchor to a static descriptor, not to code: release builds merge
//! equal functions, and a descriptor carries a magic number and a type that a wrong address does not have.
//!
//! The only `unsafe` of this crate's logic is here: one block conjures the zero-sized function, two read the descriptor
//! at a checked address. Each says why it is sound.
#![allow(unsafe_code)]

pub(crate) mod actor;
#[cfg(test)]
mod tests;

use std::any::{Any, TypeId};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use pexec_ipc::carry;
use pexec_proto::codec::{self, DecodeError, Fields};
use pexec_proto::message::FunctionRef;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;

use crate::future::bytes::{Bytes, Descriptors};
use crate::panics;

/// What can be a task's argument or result: serialisable both ways, movable between threads, owned.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel between processes, so it can be neither argument nor result of a task",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it",
    note = "it has to own what it holds (`String`, not `&str`) and to be `Send`"
)]
pub trait Payload: Serialize + DeserializeOwned + Send + 'static {}
impl<T: Serialize + DeserializeOwned + Send + 'static> Payload for T {}

/// A function item or a closure that captures nothing, callable with the argument `A`.
///
/// Implemented for every such function of no argument (`A = ()`), one argument (`A` itself) and two to six
/// arguments (`A` a tuple). `M` tells the arities apart and is always inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a task for an argument of type `{A}`",
    label = "not a task function for this argument",
    note = "a task is a function or a closure that captures nothing and is `Copy + Send + Sync + 'static`",
    note = "pass `()` for no argument, the value for one, and a tuple for two to six"
)]
pub trait TaskFn<A, R, M>: Copy + Send + Sync + 'static {
    /// Calls it.
    #[doc(hidden)]
    fn call(self, arg: A) -> R;

    /// Decodes its argument: it knows a tuple's elements one by one, which makes long ones cheap.
    #[doc(hidden)]
    fn decode(bytes: &[u8]) -> Result<A, DecodeError>;

    /// Likewise, where the bytes are a vector that nobody needs any more: a value may keep its memory.
    #[doc(hidden)]
    fn decode_owned(bytes: Vec<u8>) -> Result<A, DecodeError> {
        Self::decode(&bytes)
    }
}

/// A task's encoded argument, and what came along with it.
///
/// This and whatever else a task's way goes through is handed on by reference, and what is rare behind a pointer: to
/// move a few words costs more than a small task, when they were written one by one.
pub(crate) struct Argument<'a> {
    pub(crate) bytes: ArgumentBytes<'a>,
    pub(crate) descriptors: Descriptors,
}

pub(crate) enum ArgumentBytes<'a> {
    Slice(&'a [u8]),
    /// Nobody needs them afterwards.
    Owned(Vec<u8>),
}

macro_rules! arity {
    ($marker:ident; $($arg:ident $ty:ident),*; $pattern:pat => $tuple:ty; $decode:expr $(; $decode_owned:expr)?) => {
        /// Marks a number of arguments; see [`TaskFn`].
        #[doc(hidden)]
        pub struct $marker;
        impl<Func, Out, $($ty),*> TaskFn<$tuple, Out, $marker> for Func
        where
            Func: Fn($($ty),*) -> Out + Copy + Send + Sync + 'static,
            $($ty: Payload,)*
        {
            fn call(self, $pattern: $tuple) -> Out {
                self($($arg),*)
            }

            fn decode(bytes: &[u8]) -> Result<$tuple, DecodeError> {
                $decode(bytes)
            }

            $(fn decode_owned(bytes: Vec<u8>) -> Result<$tuple, DecodeError> {
                $decode_owned(bytes)
            })?
        }
    };
}

arity!(Arity0; ; () => (); codec::decode_typed);
arity!(Arity1; a A; a => A; codec::decode_typed; codec::decode_owned);

macro_rules! arity_of_tuple {
    ($marker:ident; $($arg:ident $ty:ident),*) => {
        arity!($marker; $($arg $ty),*; ($($arg),*) => ($($ty),*); |bytes| {
            let mut fields = Fields::new(bytes);
            let elements = ($(fields.take::<$ty>()?),*);
            fields.end()?;
            Ok(elements)
        });
    };
}

arity_of_tuple!(Arity2; a A, b B);
arity_of_tuple!(Arity3; a A, b B, c C);
arity_of_tuple!(Arity4; a A, b B, c C, d D);
arity_of_tuple!(Arity5; a A, b B, c C, d D, e E);
arity_of_tuple!(Arity6; a A, b B, c C, d D, e E, g G);

/// How running an encoded call went, apart from panics, which unwind through the thunk.
pub(crate) enum ThunkError {
    Decode(String),
    Encode(String),
    /// An actor's state is in doubt; nothing was run.
    Poisoned(String),
}

/// Told by the thunk as it passes from one stage of a task to the next.
pub(crate) trait Stages {
    fn running(&mut self);
    fn encoding(&mut self);
    /// The result is encoded as a whole: what stands in `out` behind whatever that began with, then `content`. The
    /// descriptors go along with it.
    fn encoded(&mut self, out: &mut Vec<u8>, content: &[u8], descriptors: &[Arc<OwnedFd>]);
}

type Thunk = fn(&mut Argument<'_>, &mut Vec<u8>, &mut dyn Stages) -> Result<(), Box<ThunkError>>;
/// Runs an initializer: the value that it leaves behind, or the text of why there is none.
type Keep = fn(&[u8], &mut Descriptors) -> Result<Box<dyn Any>, String>;

/// A function as it stands in the binary.
#[repr(C)]
pub(crate) struct Descriptor {
    magic: u64,
    identity: TypeId,
    thunk: Thunk,
    type_name: fn() -> &'static str,
    keep: Option<Keep>,
}

const MAGIC: u64 = u64::from_le_bytes(*b"pexec\x01fn");

struct Describe<F, A, R, M>(PhantomData<(F, A, R, M)>);

impl<F, A, R, M> Describe<F, A, R, M>
where
    F: TaskFn<A, R, M>,
    A: Payload,
    R: Payload,
    M: 'static,
{
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        magic: MAGIC,
        identity: TypeId::of::<(F, A, R)>(),
        thunk: thunk::<F, A, R, M>,
        type_name: std::any::type_name::<F>,
        keep: None,
    };
}

/// The same for functions whose value stays in the worker (an initializer's): it need not be serialisable.
struct DescribeKeep<F, A, T, M>(PhantomData<(F, A, T, M)>);

impl<F, A, T, M> DescribeKeep<F, A, T, M>
where
    F: TaskFn<A, T, M>,
    A: Payload,
    T: 'static,
    M: 'static,
{
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        magic: MAGIC,
        identity: TypeId::of::<(F, A, T)>(),
        thunk: refuse_as_task,
        type_name: std::any::type_name::<F>,
        keep: Some(|arg, descriptors| {
            let arg =
                carry::provide(descriptors, || F::decode(arg)).map_err(|e| refused_argument::<A>(&e))?;
            Ok(Box::new(conjure::<F>().call(arg)))
        }),
    };
}

/// The same for initializers that can fail.
struct DescribeTryKeep<F, A, T, E, M>(PhantomData<(F, A, T, E, M)>);

impl<F, A, T, E, M> DescribeTryKeep<F, A, T, E, M>
where
    F: TaskFn<A, Result<T, E>, M>,
    A: Payload,
    T: 'static,
    E: std::fmt::Display + 'static,
    M: 'static,
{
    const DESCRIPTOR: &'static Descriptor = &Descriptor {
        magic: MAGIC,
        identity: TypeId::of::<(F, A, T, E)>(),
        thunk: refuse_as_task,
        type_name: std::any::type_name::<F>,
        keep: Some(|arg, descriptors| {
            let arg =
                carry::provide(descriptors, || F::decode(arg)).map_err(|e| refused_argument::<A>(&e))?;
            match conjure::<F>().call(arg) {
                Ok(value) => Ok(Box::new(value)),
                Err(error) => Err(error.to_string()),
            }
        }),
    };
}

fn refuse_as_task(_: &mut Argument<'_>, _: &mut Vec<u8>, _: &mut dyn Stages) -> Result<(), Box<ThunkError>> {
    let why = "an initializer is not a task".to_owned();
    Err(Box::new(ThunkError::Decode(why)))
}

fn refused_argument<A>(error: &DecodeError) -> String {
    format!("its argument {}", describe::<A>(error))
}

/// Refuses at build time whatever is not zero-sized; the message is what the compiler prints.
struct NoCaptures<F>(PhantomData<F>);

impl<F> NoCaptures<F> {
    const CHECK: () = assert!(
        size_of::<F>() == 0,
        "a pexec task must be a function or a closure that captures nothing: pass what it needs as its argument \
         (function pointers are refused as well: name the function itself)"
    );
}

/// Conjures the function value: it has no bytes, so there is nothing to send.
fn conjure<F: Copy + Send + Sync + 'static>() -> F {
    const { NoCaptures::<F>::CHECK };
    // SAFETY: `F` is zero-sized (asserted just above, when this is compiled) and `Copy`, so every value of it is
    // the same no bytes. Whoever gets here was given such a value in the submitting process of the same build.
    unsafe { std::ptr::NonNull::<F>::dangling().read() }
}

fn thunk<F, A, R, M>(
    arg: &mut Argument<'_>,
    out: &mut Vec<u8>,
    stages: &mut dyn Stages,
) -> Result<(), Box<ThunkError>>
where
    F: TaskFn<A, R, M>,
    A: Payload,
    R: Payload,
{
    let decode = |bytes: &mut ArgumentBytes<'_>| match bytes {
        ArgumentBytes::Slice(bytes) => F::decode(bytes),
        ArgumentBytes::Owned(bytes) => F::decode_owned(std::mem::take(bytes)),
    };
    through(arg, out, stages, decode, |arg| conjure::<F>().call(arg))
}

/// A call from its argument's bytes to its result's.
#[inline(always)]
fn through<A: Payload, R: Payload>(
    arg: &mut Argument<'_>,
    out: &mut Vec<u8>,
    stages: &mut dyn Stages,
    decode: impl FnOnce(&mut ArgumentBytes<'_>) -> Result<A, DecodeError>,
    run: impl FnOnce(A) -> R,
) -> Result<(), Box<ThunkError>> {
    let Argument { bytes, descriptors } = arg;
    let mut decoded = None;
    let read = panics::catch(|| {
        decoded = Some(carry::provide(descriptors, || decode(bytes)));
    });
    let arg = match decoded {
        Some(Ok(arg)) => arg,
        Some(Err(error)) => return Err(Box::new(ThunkError::Decode(describe::<A>(&error)))),
        None => {
            let panic = read
                .err()
                .map(|panic| format!("its Deserialize panicked: {panic}"));
            let why = describe::<A>(&panic.unwrap_or_default());
            return Err(Box::new(ThunkError::Decode(why)));
        }
    };
    stages.running();
    let result = run(arg);
    stages.encoding();
    if let Some(content) = content_of(&result) {
        out.extend_from_slice(codec::prefix_of(content.len()).as_ref());
        stages.encoded(out, content, &[]);
        return Ok(());
    }
    let mut refused = None;
    let written = panics::catch(|| {
        if let Err(error) = carry::collect(descriptors, || codec::encode(&result, out)) {
            refused = Some(Box::new(error));
        }
    });
    if let Err(panic) = written {
        let why = describe::<R>(&format!("its Serialize panicked: {panic}"));
        return Err(Box::new(ThunkError::Encode(why)));
    }
    if let Some(error) = refused {
        return Err(Box::new(ThunkError::Encode(describe::<R>(&error))));
    }
    // The answer is out before the result's destructor runs: a crash there is the worker's alone.
    stages.encoded(out, &[], descriptors);
    Ok(())
}

/// The content of a long string of bytes, which need not be copied to be encoded.
fn content_of<R: Any>(result: &R) -> Option<&[u8]> {
    byte_string(result).filter(|bytes| bytes.len() >= Bytes::CONTENT)
}

/// The content of a value whose encoding is a length and that content.
#[inline]
pub(crate) fn byte_string<T: Any>(value: &T) -> Option<&[u8]> {
    let value = value as &dyn Any;
    if let Some(bytes) = value.downcast_ref::<Vec<u8>>() {
        return Some(bytes);
    }
    if let Some(bytes) = value.downcast_ref::<ByteBuf>() {
        return Some(bytes);
    }
    value.downcast_ref::<String>().map(String::as_bytes)
}

fn describe<T>(error: &dyn std::fmt::Display) -> String {
    format!("of type `{}`: {error}", std::any::type_name::<T>())
}

fn hash_of(identity: TypeId) -> u64 {
    #[derive(Default)]
    struct Fold(u64);
    impl Hasher for Fold {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for &b in bytes {
                self.0 = (self.0 ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    let mut fold = Fold::default();
    identity.hash(&mut fold);
    fold.finish()
}

/// The point that distances are measured from: in the same object as every descriptor of a statically linked
/// program, and never moved relative to them.
static ANCHOR: Descriptor = Descriptor {
    magic: !MAGIC,
    identity: TypeId::of::<()>(),
    thunk: refuse_as_task,
    type_name: || "anchor",
    keep: None,
};

impl Descriptor {
    pub(crate) fn reference(&'static self) -> FunctionRef {
        let here = std::ptr::from_ref(self).addr();
        let anchor = std::ptr::from_ref(&ANCHOR).addr();
        FunctionRef {
            offset: (here as i64).wrapping_sub(anchor as i64),
            type_hash: hash_of(self.identity),
        }
    }

    /// The descriptor that another process of this build meant.
    ///
    /// # Errors
    ///
    /// Says why the reference cannot be one, for anything but a descriptor of the wanted type in this program.
    pub(crate) fn resolve(reference: FunctionRef) -> Result<&'static Descriptor, String> {
        let anchor = std::ptr::from_ref(&ANCHOR);
        let address = (anchor.addr() as i64).wrapping_add(reference.offset) as usize;
        if !address.is_multiple_of(align_of::<Descriptor>()) {
            return Err("the function reference is not aligned".to_owned());
        }
        if !pexec_ipc::image::is_constant_data(anchor.addr(), address, size_of::<Descriptor>()) {
            return Err("the function reference points outside this program's constant data".to_owned());
        }
        let found = anchor.with_addr(address);
        // SAFETY: the bytes are mapped, readable, never written after start-up and not code (checked by
        // `is_constant_data`), and aligned. The magic number comes first (`repr(C)`), and any bytes are a `u64`.
        let magic = unsafe { found.cast::<u64>().read() };
        if magic != MAGIC {
            return Err("the function reference does not point at a task of this program".to_owned());
        }
        // SAFETY: as above; beyond that, bytes that begin with the magic number and are aligned in constant data of
        // this very build are a `Descriptor`, because nothing else in it contains that number in such a place: the
        // number is written only inside descriptors (the code that compares it is not in constant data).
        let found = unsafe { &*found };
        if hash_of(found.identity) != reference.type_hash {
            return Err(format!(
                "the function reference points at `{}`, of another type",
                (found.type_name)()
            ));
        }
        Ok(found)
    }

    /// Runs the task on its argument; the encoded result is appended to `out`.
    pub(crate) fn run(
        &self,
        arg: &mut Argument<'_>,
        out: &mut Vec<u8>,
        stages: &mut dyn Stages,
    ) -> Result<(), Box<ThunkError>> {
        (self.thunk)(arg, out, stages)
    }

    /// Runs an initializer on its encoded argument.
    pub(crate) fn run_keep(&self, arg: &[u8], descriptors: &mut Descriptors) -> Result<Box<dyn Any>, String> {
        match self.keep {
            Some(keep) => keep(arg, descriptors),
            None => Err(format!("`{}` is not an initializer", (self.type_name)())),
        }
    }
}

/// Resolves references for one worker, which mostly runs the same function again: the checks are made once for it.
#[derive(Default)]
pub(crate) struct Resolver {
    last: Option<(FunctionRef, &'static Descriptor)>,
}

impl Resolver {
    /// As [`Descriptor::resolve`].
    ///
    /// # Errors
    ///
    /// Those of [`Descriptor::resolve`]; they are not remembered.
    #[inline]
    pub(crate) fn resolve(&mut self, reference: FunctionRef) -> Result<&'static Descriptor, String> {
        match self.last {
            Some((last, found)) if last == reference => Ok(found),
            _ => {
                let found = Descriptor::resolve(reference)?;
                self.last = Some((reference, found));
                Ok(found)
            }
        }
    }
}

/// `F` as a task.
pub(crate) fn task_descriptor<F, A, R, M>() -> &'static Descriptor
where
    F: TaskFn<A, R, M>,
    A: Payload,
    R: Payload,
    M: 'static,
{
    Describe::<F, A, R, M>::DESCRIPTOR
}

/// The reference to `F` as an initializer.
pub(crate) fn initializer_reference<F, A, T, M>() -> FunctionRef
where
    F: TaskFn<A, T, M>,
    A: Payload,
    T: 'static,
    M: 'static,
{
    DescribeKeep::<F, A, T, M>::DESCRIPTOR.reference()
}

/// The reference to `F` as an initializer that can fail.
pub(crate) fn try_initializer_reference<F, A, T, E, M>() -> FunctionRef
where
    F: TaskFn<A, Result<T, E>, M>,
    A: Payload,
    T: 'static,
    E: std::fmt::Display + 'static,
    M: 'static,
{
    DescribeTryKeep::<F, A, T, E, M>::DESCRIPTOR.reference()
}

/// Fails the build for a function value that has bytes.
pub(crate) const fn assert_no_captures<F>() {
    const { NoCaptures::<F>::CHECK };
}
