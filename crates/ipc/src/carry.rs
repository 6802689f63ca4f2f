//! Descriptors that travel beside an encoded value: whoever encodes gathers the ones that the value's handles give,
//! whoever decodes hands over the ones that came with the bytes.
//!
//! The state belongs to the thread and lasts as long as one call of [`collect`] or [`provide`]. These nest like calls,
//! and each sees its own descriptors only; at their end, an unwinding one included, the state is as it was before.
//! A value without handles costs the setting and restoring of a flag, and no allocation.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// How many different descriptors one message can carry. The kernel's bound for one send is 253
/// ([`MAX_RIGHTS`](crate::socket::MAX_RIGHTS)); a channel may want a few for itself.
pub const MAX_DESCRIPTORS: usize = 250;

thread_local! {
    // Apart from the descriptors, so that the common case touches nothing that has a destructor.
    static FRAME: Cell<Frame> = const { Cell::new(Frame { kind: Kind::Outside, start: 0, count: 0 }) };
    /// Of all the calls under way on this thread, the innermost one's last.
    static DESCRIPTORS: RefCell<Vec<Arc<OwnedFd>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Outside,
    Collecting,
    Providing,
}

/// Which of the thread's descriptors belong to the innermost call. One word, because every message sets it twice.
#[derive(Clone, Copy)]
struct Frame {
    kind: Kind,
    count: u16,
    start: u32,
}

impl Frame {
    #[inline]
    fn end(self) -> u32 {
        self.start + u32::from(self.count)
    }

    fn range(self) -> Range<usize> {
        self.start as usize..self.end() as usize
    }
}

/// The innermost call; at its end the one around it is back, however it ends.
struct Inner {
    outer: Frame,
}

impl Inner {
    #[inline]
    fn enter(kind: Kind) -> Inner {
        let outer = FRAME.get();
        let start = outer.end();
        FRAME.set(Frame {
            kind,
            start,
            count: 0,
        });
        Inner { outer }
    }
}

impl Drop for Inner {
    #[inline]
    fn drop(&mut self) {
        let frame = FRAME.replace(self.outer);
        if frame.count > 0 {
            forget(frame.start);
        }
    }
}

#[cold]
fn forget(start: u32) {
    let _ = DESCRIPTORS.try_with(|all| all.borrow_mut().truncate(start as usize));
}

/// Runs `encode` and puts the descriptors that the handles in the value gave into `into`, in the order of their
/// indices. They stay open as long as the list does, so a message that may be sent again keeps the list. Without
/// handles the list is as it was.
///
/// The same `Arc` put twice is listed once. No handle, no allocation.
///
/// ```
/// use std::sync::Arc;
/// use pexec_ipc::carry;
///
/// let file = Arc::new(std::fs::File::open("/dev/null")?.into());
/// let mut fds = Vec::new();
/// let index = carry::collect(&mut fds, || carry::put(&file))?;
/// assert_eq!((index, fds.len()), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn collect<T>(into: &mut Vec<Arc<OwnedFd>>, encode: impl FnOnce() -> T) -> T {
    let inner = Inner::enter(Kind::Collecting);
    let value = encode();
    let frame = FRAME.get();
    if frame.count > 0 {
        *into = gather(frame);
    }
    drop(inner);
    value
}

#[cold]
fn gather(frame: Frame) -> Vec<Arc<OwnedFd>> {
    FRAME.set(Frame { count: 0, ..frame });
    DESCRIPTORS.with_borrow_mut(|all| all.split_off(frame.start as usize))
}

/// Runs `decode` while the handles in the value can take these descriptors by their place in the list, which is empty
/// then. Those that none took are closed at the end.
///
/// ```
/// use std::sync::Arc;
/// use pexec_ipc::carry;
///
/// let mut came_along = vec![Arc::new(std::fs::File::open("/dev/null")?.into())];
/// let file = carry::provide(&mut came_along, || carry::take(0))?;
/// assert!(carry::take(0).is_err(), "the call is over");
/// # drop(file);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[inline]
pub fn provide<T>(descriptors: &mut Vec<Arc<OwnedFd>>, decode: impl FnOnce() -> T) -> T {
    let _inner = Inner::enter(Kind::Providing);
    if !descriptors.is_empty() {
        lay_out(descriptors);
    }
    decode()
}

#[cold]
fn lay_out(descriptors: &mut Vec<Arc<OwnedFd>>) {
    let frame = FRAME.get();
    let count = descriptors.len().try_into().unwrap_or(u16::MAX);
    let descriptors = std::mem::take(descriptors).into_iter().take(count.into());
    // On a thread that is ending there is no such list any more: then nothing was provided.
    let laid_out = DESCRIPTORS.try_with(|all| all.borrow_mut().extend(descriptors));
    if laid_out.is_ok() {
        FRAME.set(Frame { count, ..frame });
    }
}

/// For a handle's `Serialize`: the descriptor goes along with the value that is being encoded; the index says where
/// it is to be found.
///
/// # Errors
///
/// Outside of [`collect`], and beyond [`MAX_DESCRIPTORS`].
pub fn put(descriptor: &Arc<OwnedFd>) -> Result<u32, CarryError> {
    let frame = inside(Kind::Collecting)?;
    DESCRIPTORS
        .try_with(|all| {
            let mut all = all.borrow_mut();
            let known = all[frame.range()].iter().position(|d| Arc::ptr_eq(d, descriptor));
            if let Some(index) = known {
                return Ok(index as u32);
            }
            if usize::from(frame.count) == MAX_DESCRIPTORS {
                return Err(CarryError::TooMany);
            }
            all.push(Arc::clone(descriptor));
            FRAME.set(Frame {
                count: frame.count + 1,
                ..frame
            });
            Ok(u32::from(frame.count))
        })
        .unwrap_or(Err(CarryError::Outside))
}

/// For a handle's `Deserialize`: the descriptor at this place, which several handles of one value may share. What it
/// refers to was chosen by the sender: check it before use.
///
/// # Errors
///
/// Outside of [`provide`], and when there is no such descriptor.
pub fn take(index: u32) -> Result<Arc<OwnedFd>, CarryError> {
    let frame = inside(Kind::Providing)?;
    DESCRIPTORS
        .try_with(|all| {
            all.borrow()
                .get(frame.range())?
                .get(index as usize)
                .map(Arc::clone)
        })
        .ok()
        .flatten()
        .ok_or(CarryError::Missing(index))
}

/// Whether a value is being encoded in [`collect`].
///
/// # Errors
///
/// Where it is not.
pub fn collecting() -> Result<(), CarryError> {
    inside(Kind::Collecting).map(drop)
}

/// Whether a value is being decoded in [`provide`].
///
/// # Errors
///
/// Where it is not.
pub fn providing() -> Result<(), CarryError> {
    inside(Kind::Providing).map(drop)
}

fn inside(kind: Kind) -> Result<Frame, CarryError> {
    let frame = FRAME.get();
    if frame.kind == kind {
        Ok(frame)
    } else {
        Err(CarryError::Outside)
    }
}

/// Why a descriptor cannot travel. The text reads on after the name of a handle, "a SharedBytes ..".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CarryError {
    /// No message is being made or read on this thread.
    Outside,
    /// One message has no room for more.
    TooMany,
    /// None came at this index.
    Missing(u32),
}

impl fmt::Display for CarryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CarryError::Outside => f.write_str(
                "can be serialised and deserialised only inside a task's argument or result, a connection's or a \
                 queue's message: its descriptor has to travel along",
            ),
            CarryError::TooMany => write!(
                f,
                "has no place in this message, which holds {MAX_DESCRIPTORS} other descriptors already: \
                 send fewer handles at once"
            ),
            CarryError::Missing(index) => write!(
                f,
                "came without its descriptor (number {index}): the sender sent none, or this process has too many \
                 files open"
            ),
        }
    }
}

impl std::error::Error for CarryError {}

#[cfg(test)]
mod tests {
    use super::{CarryError, DESCRIPTORS, FRAME, Kind, MAX_DESCRIPTORS, put, take};
    use std::os::fd::{AsRawFd, OwnedFd};
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    fn descriptor() -> Arc<OwnedFd> {
        Arc::new(std::fs::File::open("/dev/null").unwrap().into())
    }

    fn collect<T>(encode: impl FnOnce() -> T) -> (T, Vec<Arc<OwnedFd>>) {
        let mut fds = Vec::new();
        (super::collect(&mut fds, encode), fds)
    }

    fn provide<T>(mut fds: Vec<Arc<OwnedFd>>, decode: impl FnOnce() -> T) -> T {
        super::provide(&mut fds, decode)
    }

    fn is_clean() -> bool {
        let frame = FRAME.get();
        frame.kind == Kind::Outside && frame.end() == 0 && DESCRIPTORS.with_borrow(Vec::is_empty)
    }

    #[test]
    fn what_is_put_comes_out_in_order_and_once() {
        let (a, b) = (descriptor(), descriptor());
        let (indices, fds) = collect(|| [&a, &b, &a].map(|d| put(d).unwrap()));
        assert_eq!(indices, [0, 1, 0]);
        assert_eq!(fds.len(), 2);
        assert!(Arc::ptr_eq(&fds[0], &a) && Arc::ptr_eq(&fds[1], &b));
        assert!(is_clean());
    }

    #[test]
    fn a_value_without_handles_gathers_nothing() {
        let ((), fds) = collect(|| ());
        assert_eq!(fds.capacity(), 0);
        assert_eq!(
            provide(Vec::new(), || take(0).unwrap_err()),
            CarryError::Missing(0)
        );
        assert!(is_clean());
    }

    #[test]
    fn what_is_provided_can_be_taken_by_several_and_is_closed_when_nobody_did() {
        let (kept, lost) = (descriptor(), descriptor());
        let number = kept.as_raw_fd();
        let (x, y) = provide(vec![lost, kept], || (take(1).unwrap(), take(1).unwrap()));
        assert!(Arc::ptr_eq(&x, &y));
        assert_eq!(x.as_raw_fd(), number);
        assert_eq!(Arc::strong_count(&x), 2, "the carrier has let go of it");
        assert!(is_clean());
    }

    #[test]
    fn nothing_travels_outside_of_a_message_or_in_the_wrong_direction() {
        let a = descriptor();
        assert_eq!(put(&a), Err(CarryError::Outside));
        assert_eq!(take(0).unwrap_err(), CarryError::Outside);
        let (wrong, _) = collect(|| take(0).unwrap_err());
        assert_eq!(wrong, CarryError::Outside);
        assert_eq!(provide(Vec::new(), || put(&a)), Err(CarryError::Outside));
        assert!(super::collecting().is_err() && super::providing().is_err());
    }

    #[test]
    fn an_inner_message_has_its_own_descriptors() {
        let (a, b, c) = (descriptor(), descriptor(), descriptor());
        let (inner, outer) = collect(|| {
            assert_eq!(put(&a), Ok(0));
            let (index, inner) = collect(|| put(&b));
            assert_eq!(index, Ok(0));
            let d = descriptor();
            let number = d.as_raw_fd();
            provide(vec![d], || {
                assert_eq!(take(0).unwrap().as_raw_fd(), number);
                assert!(take(1).is_err());
                let ((), none) = collect(|| ());
                assert!(none.is_empty());
                assert_eq!(take(0).unwrap().as_raw_fd(), number);
            });
            assert_eq!(put(&c), Ok(1));
            inner
        });
        assert_eq!((inner.len(), outer.len()), (1, 2));
        assert!(Arc::ptr_eq(&outer[1], &c));
        assert!(is_clean());
    }

    #[test]
    fn a_panic_leaves_the_state_as_it_was() {
        let (a, b) = (descriptor(), descriptor());
        let ((), fds) = collect(|| {
            put(&a).unwrap();
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                collect(|| {
                    put(&b).unwrap();
                    std::panic::resume_unwind(Box::new(()));
                })
            }));
            assert!(unwound.is_err());
        });
        assert_eq!(fds.len(), 1);
        assert_eq!(Arc::strong_count(&b), 1, "nothing of the unwound message is kept");
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            provide(vec![b], || std::panic::resume_unwind(Box::new(())));
        }));
        assert!(unwound.is_err());
        assert!(is_clean());
    }

    #[test]
    fn more_descriptors_than_one_message_holds_are_refused_and_the_rest_stays() {
        let all: Vec<_> = (0..=MAX_DESCRIPTORS).map(|_| descriptor()).collect();
        let (results, fds) = collect(|| all.iter().map(put).collect::<Vec<_>>());
        assert!(results[..MAX_DESCRIPTORS].iter().all(Result::is_ok));
        assert_eq!(results[MAX_DESCRIPTORS], Err(CarryError::TooMany));
        assert_eq!(fds.len(), MAX_DESCRIPTORS);
        assert!(CarryError::TooMany.to_string().contains("250 other descriptors"));
    }
}
