//! The loop of a worker: a call in, an answer out.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use pexec_ipc::cells::Stage;
use pexec_ipc::notes::Notes;
use pexec_ipc::process;
use pexec_proto::codec;
use pexec_proto::{FunctionRef, HEADER_LEN, Header, Kind, PanicInfo, Refused, Setup, WorkerFailure};

use super::bounds::Bounds;
use super::channel::{Follow, Receiver, Sender};
use super::current::{self, Details, Identity};
use super::startup::{self, Started};
use super::trace;
use crate::clock;
use crate::function::{Argument, ArgumentBytes, Descriptor, Resolver, Stages, ThunkError};
use crate::future::batch::split_item;
use crate::future::bytes::Descriptors;
use crate::panics;

/// Serves until told to leave, and ends the process.
pub(crate) fn serve() -> ! {
    let code = match startup::start().and_then(run) {
        Ok(()) => 0,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
        Err(error) => {
            eprintln!("pexec worker {}: {error}", std::process::id());
            1
        }
    };
    std::process::exit(code)
}

fn run(mut started: Started) -> io::Result<()> {
    let me = started.me;
    let bounds = match std::mem::replace(&mut started.bounds, Ok(Bounds::default())) {
        Ok(bounds) => bounds,
        Err(reason) => return refuse(&me.sender, reason),
    };
    let setup = &started.setup;
    process::name_thread(&format!("{}-{}", setup.pool, setup.slot));
    let descriptors = &mut started.descriptors;
    if let Err(reason) = trace::forwarding(me, setup.trace, || initialize(setup, descriptors)) {
        return refuse(&me.sender, reason);
    }
    let (me, mut receiver, setup) = started.ready()?;
    let limit = u32::try_from(setup.max_message)
        .unwrap_or(u32::MAX)
        .saturating_add(FunctionRef::LEN as u32);
    let mut answer = Answer::default();
    let mut large = Vec::new();
    let mut along = Along::default();
    loop {
        let header = receiver.header(limit)?;
        match header.kind {
            Kind::Call => {
                let own = along.details.as_ref().and_then(|details| details.limits);
                let _bounded = bounds.for_task(own)?;
                call(me, &mut receiver, header, &mut along, &mut large, &mut answer)?;
            }
            Kind::Batch => batch(me, &mut receiver, header, &mut along, &mut large, &mut answer)?,
            Kind::Context => {
                let body = receiver.body(header.len as usize, &mut large)?;
                along.details = Some(Box::new(decode_details(body)?));
            }
            Kind::Descriptors => along.descriptors = receiver.descriptors(header)?,
            Kind::Stop => {
                if let Some(body) = &setup.finalizer {
                    finalize(body);
                }
                current::let_go();
                me.sender.send_frame(Kind::Leaving, 0, 0, &[])?;
                return Ok(());
            }
            other => {
                let text = format!("a {other:?} frame came where a call was expected");
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
        }
    }
}

/// Runs the initializer, if there is one, and keeps what it returns. The error says why this cannot be a worker.
pub(super) fn initialize(setup: &Setup, descriptors: &mut Descriptors) -> Result<(), String> {
    let Some(body) = &setup.initializer else {
        return Ok(());
    };
    let ran = panics::catch(|| -> Result<(), String> {
        let (function, arg) = FunctionRef::split(body).ok_or("the initializer's reference is cut off")?;
        current::set_state(Descriptor::resolve(function)?.run_keep(arg, descriptors)?);
        Ok(())
    });
    match ran {
        Ok(ran) => ran.map_err(|reason| format!("the initializer failed: {reason}")),
        Err(panic) => Err(format!("the initializer panicked: {panic}")),
    }
}

/// The pool has forgotten this worker's tasks: whatever happens here is nobody's outcome.
fn finalize(body: &[u8]) {
    let ended = panics::catch(|| -> Result<(), String> {
        let (function, arg) = FunctionRef::split(body).ok_or("the finalizer's reference is cut off")?;
        drop(Descriptor::resolve(function)?.run_keep(arg, &mut Descriptors::new())?);
        Ok(())
    });
    let me = std::process::id();
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(reason)) => eprintln!("pexec worker {me}: the finalizer failed: {reason}"),
        Err(panic) => eprintln!("pexec worker {me}: the finalizer panicked: {panic}"),
    }
    let _ = io::stdout().flush();
}

pub(super) fn refuse(sender: &Sender, reason: String) -> io::Result<()> {
    let mut body = Vec::new();
    codec::encode(&Refused { reason }, &mut body).map_err(io::Error::other)?;
    sender.send_frame(Kind::Refused, 0, 0, &body)
}

fn decode_details(body: &[u8]) -> io::Result<Details> {
    let context: pexec_proto::Context =
        codec::decode(body).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let deadline = context
        .timeout_ms
        .and_then(|ms| std::time::Instant::now().checked_add(Duration::from_millis(ms)));
    Ok(Details {
        label: context.label,
        attempt: context.attempt,
        deadline,
        limits: context.limits,
        timed: context.timed,
    })
}

/// What came before a call, for it.
#[derive(Default)]
struct Along {
    details: Option<Box<Details>>,
    descriptors: Descriptors,
}

fn call(
    me: &'static Identity,
    receiver: &mut Receiver,
    header: Header,
    along: &mut Along,
    large: &mut Vec<u8>,
    answer: &mut Answer,
) -> io::Result<()> {
    me.cells.set_running(header.task, Stage::Receiving);
    let len = header.len as usize;
    let (function, bytes) = if Receiver::is_large(len) {
        // Apart from the reference, so that the argument's bytes can become the argument.
        let function = receiver.take::<{ FunctionRef::LEN }>()?;
        let mut own = std::mem::take(large);
        receiver.rest(len - FunctionRef::LEN, &mut own)?;
        (
            FunctionRef::split(&function).map(|(f, _)| f),
            ArgumentBytes::Owned(own),
        )
    } else {
        match FunctionRef::split(receiver.body(len, large)?) {
            Some((function, arg)) => (Some(function), ArgumentBytes::Slice(arg)),
            None => (None, ArgumentBytes::Slice(&[])),
        }
    };
    let mut argument = Argument {
        bytes,
        descriptors: std::mem::take(&mut along.descriptors),
    };
    let details = along.details.take();
    answer.timed = details.as_ref().is_some_and(|details| details.timed);
    if !me.cells.start(header.cell) {
        me.cells.set_idle();
        return me.sender.send_frame(Kind::Skipped, header.cell, header.task, &[]);
    }
    if let Some(marks) = &me.marks {
        marks.begin(header.task);
    }
    current::begin(header.task, details);
    let task = match function {
        Some(function) => answer.functions.resolve(function),
        None => Err("the call is cut off".to_owned()),
    };
    answer.give(me, header, &task, &mut argument, None)?;
    current::end();
    // What the task printed is seen now, not when a later task fills the buffer.
    let _ = io::stdout().flush();
    // Until here the destructors of the result and a terminal that is stopped have kept this worker busy.
    me.cells.set_idle();
    receiver.served();
    answer.shrink();
    shrink(large);
    Ok(())
}

/// Runs a function on each of several items, and answers each as soon as it is done: what is answered counts even if
/// the next one ends this process.
fn batch(
    me: &'static Identity,
    receiver: &mut Receiver,
    header: Header,
    along: &mut Along,
    large: &mut Vec<u8>,
    answer: &mut Answer,
) -> io::Result<()> {
    let timed = along.details.take().filter(|details| details.timed);
    let began = timed.map(|_| clock::nanos());
    answer.timed = false;
    let id = header.task;
    me.cells.set_running(id, Stage::Receiving);
    let body = receiver.body(header.len as usize, large)?;
    let cut_off = || io::Error::new(io::ErrorKind::InvalidData, "a batch is cut off");
    let (function, mut items) = FunctionRef::split(body).ok_or_else(cut_off)?;
    let task = answer.functions.resolve(function);
    answer
        .notes
        .get_or_insert_with(|| Notes::new(&me.cells))
        .begin(id);
    let mut argument = Argument {
        bytes: ArgumentBytes::Slice(&[]),
        descriptors: Vec::new(),
    };
    let mut started = 0;
    let mut passed_over = false;
    while let Some((item, rest)) = split_item(items) {
        let mine = if started == 0 {
            me.cells.start(header.cell)
        } else {
            me.cells.set_running(id, Stage::Decoding);
            me.cells.start_next(header.cell, started)
        };
        if !mine {
            passed_over = true;
            break;
        }
        current::begin(id + u64::from(started), None);
        started += 1;
        argument.bytes = ArgumentBytes::Slice(item);
        answer.give(me, header, &task, &mut argument, Some(!rest.is_empty()))?;
        // Whatever went along with the answer.
        argument.descriptors.clear();
        items = rest;
    }
    if let Some(notes) = &mut answer.notes {
        tell_notes(me, notes, true)?;
    }
    current::end();
    let _ = io::stdout().flush();
    if let Some(began) = began
        && started > 0
    {
        let each = clock::nanos().saturating_sub(began) / u64::from(started);
        let body = timing(began, each, started.into());
        me.sender.send_frame(Kind::Timing, 0, id, body.as_flattened())?;
    }
    if passed_over {
        me.sender
            .send_frame(Kind::Skipped, header.cell, header.task, &[])?;
    }
    me.cells.set_idle();
    receiver.served_batch(started);
    answer.shrink();
    shrink(large);
    Ok(())
}

/// A buffer that one huge message has grown gives the memory back.
fn shrink(buffer: &mut Vec<u8>) {
    const KEEP: usize = 4 << 20;
    if buffer.capacity() > KEEP {
        *buffer = Vec::new();
    }
}

/// One answer's frame, whose buffer is used again, and the function that the last one was of.
#[derive(Default)]
struct Answer {
    frame: Vec<u8>,
    functions: Resolver,
    /// Answers to items of a batch on their way.
    notes: Option<Notes>,
    /// The supervisor wants to know how long the task takes.
    timed: bool,
}

/// Notes how far a task is, and sends its value as soon as there is one.
struct Progress<'a> {
    me: &'a Identity,
    call: Header,
    /// Of an item of several: whether more answers follow very soon, and where this one may wait for them.
    item: Option<(bool, &'a mut Notes)>,
    /// When the task was started and when it had returned, if that is asked for; 0: not yet.
    time: Option<(u64, u64)>,
    /// How the value fared: not there yet, too large, or sent (or not).
    value: Option<Result<io::Result<()>, u64>>,
}

impl Stages for Progress<'_> {
    fn running(&mut self) {
        self.me.cells.set_stage(Stage::Running);
        if let Some((started, _)) = &mut self.time {
            *started = clock::nanos();
        }
    }

    fn encoding(&mut self) {
        self.me.cells.set_stage(Stage::Encoding);
        if let Some((_, ended)) = &mut self.time {
            *ended = clock::nanos();
        }
    }

    fn encoded(&mut self, frame: &mut Vec<u8>, content: &[u8], descriptors: &[Arc<OwnedFd>]) {
        let size = (frame.len() - HEADER_LEN + content.len()) as u64;
        let fits = size <= self.me.max_message;
        self.value = Some(if fits {
            let follow = Follow {
                content,
                descriptors,
                more: self.more_follow(),
            };
            Ok(self.send(Kind::Value, frame, follow))
        } else {
            Err(size)
        });
    }
}

impl Progress<'_> {
    fn more_follow(&self) -> bool {
        self.item.as_ref().is_some_and(|(more, _)| *more)
    }

    /// Sends the answer whose body `frame` holds behind room for a header, up to the content that follows. From then on no
    /// task runs here.
    fn send(&mut self, kind: Kind, frame: &mut [u8], with: Follow<'_>) -> io::Result<()> {
        let Progress { me, call, .. } = *self;
        let len = (frame.len() - HEADER_LEN + with.content.len()) as u32;
        frame[..HEADER_LEN].copy_from_slice(&Header::task(kind, len, call.cell, call.task).encode());
        trace::tell_losses(me, call.task);
        if let Some(marks) = &me.marks {
            marks.end(call.task);
        }
        if let Some((started, ended)) = self.time.filter(|(started, _)| *started > 0) {
            let ended = if ended > 0 { ended } else { clock::nanos() };
            let body = timing(started, ended.saturating_sub(started), 1);
            me.sender
                .send_before_answer(Kind::Timing, call.task, body.as_flattened())?;
        }
        me.cells.set_stage(Stage::Sending);
        match &mut self.item {
            Some((_, notes)) => send_item(me, notes, frame, with)?,
            None => me.sender.send_answer(frame, with)?,
        }
        me.cells.set_answered();
        Ok(())
    }
}

/// Sends the answer to one item of several, or notes it until there are more of them.
fn send_item(me: &Identity, notes: &mut Notes, frame: &[u8], with: Follow<'_>) -> io::Result<()> {
    if with.content.is_empty() && with.descriptors.is_empty() {
        if notes.add(frame) {
            return if with.more {
                Ok(())
            } else {
                tell_notes(me, notes, false)
            };
        }
        tell_notes(me, notes, true)?;
        if with.more && notes.add(frame) {
            return Ok(());
        }
    }
    tell_notes(me, notes, true)?;
    me.sender.send_answer(frame, with)?;
    notes.pass();
    Ok(())
}

/// Puts the answers that are noted where the supervisor looks.
fn tell_notes(me: &Identity, notes: &mut Notes, more: bool) -> io::Result<()> {
    if !notes.bytes().is_empty() {
        let with = Follow {
            content: &[],
            descriptors: &[],
            more,
        };
        me.sender.send_answer(notes.bytes(), with)?;
        notes.forget();
    }
    Ok(())
}

/// The body of a `Timing`.
fn timing(started: u64, each: u64, items: u64) -> [[u8; 8]; 3] {
    [started, each, items].map(u64::to_le_bytes)
}

impl Answer {
    /// Runs a task on its argument and sends the answer. `more_follow`, of an item of several: others will, very soon.
    fn give(
        &mut self,
        me: &Identity,
        call: Header,
        task: &Result<&'static Descriptor, String>,
        argument: &mut Argument<'_>,
        more_follow: Option<bool>,
    ) -> io::Result<()> {
        self.frame.clear();
        self.frame.resize(HEADER_LEN, 0);
        me.cells.set_stage(Stage::Decoding);
        let mut progress = Progress {
            me,
            call,
            item: more_follow.zip(self.notes.as_mut()),
            time: self.timed.then_some((0, 0)),
            value: None,
        };
        let mut failed = None;
        let result = panics::catch(|| {
            failed = match task {
                Err(why) => Some(Box::new(WorkerFailure::UnknownFunction(why.clone()))),
                Ok(task) => match task.run(argument, &mut self.frame, &mut progress) {
                    Ok(()) => None,
                    Err(error) => Some(Box::new(match *error {
                        ThunkError::Decode(why) => WorkerFailure::Decode(why),
                        ThunkError::Encode(why) => WorkerFailure::Encode(why),
                        ThunkError::Poisoned(why) => WorkerFailure::Poisoned(why),
                    })),
                },
            };
        });
        let failure = match (progress.value.take(), result) {
            (Some(Ok(sent)), result) => {
                if let Err(panic) = result {
                    eprintln!(
                        "pexec worker {}: a result's destructor panicked: {panic}",
                        std::process::id()
                    );
                }
                return sent;
            }
            (Some(Err(size)), _) => Box::new(WorkerFailure::TooLarge {
                size,
                limit: me.max_message,
            }),
            (None, Err(panic)) => Box::new(WorkerFailure::Panicked(PanicInfo {
                message: panic.message,
                location: panic.location,
                backtrace: panic.backtrace,
                thread: panic.thread,
            })),
            (None, Ok(())) => {
                failed.unwrap_or_else(|| Box::new(WorkerFailure::Encode("the task gave nothing".to_owned())))
            }
        };
        self.frame.truncate(HEADER_LEN);
        codec::encode(&*failure, &mut self.frame).map_err(io::Error::other)?;
        let with = Follow {
            content: &[],
            descriptors: &[],
            more: progress.more_follow(),
        };
        progress.send(Kind::Failure, &mut self.frame, with)
    }

    fn shrink(&mut self) {
        shrink(&mut self.frame);
    }
}
