//! The loop of a worker: a call in, an answer out.

use std::io::{self, Write};
use std::time::Duration;

use pexec_ipc::cells::Stage;
use pexec_ipc::process;
use pexec_proto::codec;
use pexec_proto::{FunctionRef, HEADER_LEN, Header, Kind, PanicInfo, Refused, WorkerFailure};

use super::channel::Receiver;
use super::current::{self, Details, Identity};
use super::startup::{self, Started};
use crate::function::{Descriptor, Stages, ThunkError};
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

fn run(started: Started) -> io::Result<()> {
    let me = started.me;
    let setup = &started.setup;
    process::name_thread(&format!("{}-{}", setup.pool, setup.slot));
    if let Some(body) = &setup.initializer {
        match panics::catch(|| initialize(body)) {
            Ok(Ok(())) => {}
            Ok(Err(reason)) => return refuse(me, reason),
            Err(panic) => return refuse(me, format!("the initializer panicked: {panic}")),
        }
    }
    let (me, mut receiver, setup) = started.ready()?;
    let limit = u32::try_from(setup.max_message)
        .unwrap_or(u32::MAX)
        .saturating_add(FunctionRef::LEN as u32);
    let mut answer = Answer::default();
    let mut large = Vec::new();
    let mut details = None;
    loop {
        let header = receiver.header(limit)?;
        match header.kind {
            Kind::Call => call(me, &mut receiver, header, details.take(), &mut large, &mut answer)?,
            Kind::Context => {
                let body = receiver.body(header.len as usize, &mut large)?;
                details = Some(decode_details(body)?);
            }
            Kind::Stop => {
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

fn initialize(body: &[u8]) -> Result<(), String> {
    let (function, arg) = FunctionRef::split(body).ok_or("the initializer's reference is cut off")?;
    current::set_state(Descriptor::resolve(function)?.run_keep(arg)?);
    Ok(())
}

fn refuse(me: &Identity, reason: String) -> io::Result<()> {
    let mut body = Vec::new();
    codec::encode(&Refused { reason }, &mut body).map_err(io::Error::other)?;
    me.sender.send_frame(Kind::Refused, 0, 0, &body)
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
    })
}

fn call(
    me: &'static Identity,
    receiver: &mut Receiver,
    header: Header,
    details: Option<Details>,
    large: &mut Vec<u8>,
    answer: &mut Answer,
) -> io::Result<()> {
    me.cells.set_running(header.task, Stage::Receiving);
    let body = receiver.body(header.len as usize, large)?;
    if !me.cells.start(header.cell) {
        me.cells.set_idle();
        return me.sender.send_frame(Kind::Skipped, header.cell, header.task, &[]);
    }
    current::begin(header.task, details);
    answer.give(me, header, body)?;
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

/// A buffer that one huge message has grown gives the memory back.
fn shrink(buffer: &mut Vec<u8>) {
    const KEEP: usize = 4 << 20;
    if buffer.capacity() > KEEP {
        *buffer = Vec::new();
    }
}

/// One answer's frame; the buffer is used again.
#[derive(Default)]
struct Answer {
    frame: Vec<u8>,
}

/// Notes how far a task is, and sends its value as soon as there is one.
struct Progress<'a> {
    me: &'a Identity,
    call: Header,
    /// How the value fared: not there yet, too large, or sent (or not).
    value: Option<Result<io::Result<()>, u64>>,
}

impl Stages for Progress<'_> {
    fn running(&mut self) {
        self.me.cells.set_stage(Stage::Running);
    }

    fn encoding(&mut self) {
        self.me.cells.set_stage(Stage::Encoding);
    }

    fn encoded(&mut self, frame: &mut Vec<u8>) {
        let size = (frame.len() - HEADER_LEN) as u64;
        let fits = size <= self.me.max_message;
        self.value = Some(if fits {
            Ok(send(self.me, Kind::Value, self.call, frame))
        } else {
            Err(size)
        });
    }
}

/// Sends the answer whose body `frame` holds behind room for a header. From then on no task runs here.
fn send(me: &Identity, kind: Kind, call: Header, frame: &mut [u8]) -> io::Result<()> {
    let len = (frame.len() - HEADER_LEN) as u32;
    frame[..HEADER_LEN].copy_from_slice(&Header::task(kind, len, call.cell, call.task).encode());
    me.cells.set_stage(Stage::Sending);
    me.sender.send(frame)?;
    me.cells.set_answered();
    Ok(())
}

impl Answer {
    /// Runs the call and sends its answer.
    fn give(&mut self, me: &Identity, call: Header, body: &[u8]) -> io::Result<()> {
        self.frame.clear();
        self.frame.resize(HEADER_LEN, 0);
        me.cells.set_stage(Stage::Decoding);
        let mut progress = Progress {
            me,
            call,
            value: None,
        };
        let result = panics::catch(|| match FunctionRef::split(body) {
            None => Err(WorkerFailure::UnknownFunction("the call is cut off".to_owned())),
            Some((function, arg)) => {
                let task = Descriptor::resolve(function).map_err(WorkerFailure::UnknownFunction)?;
                task.run(arg, &mut self.frame, &mut progress)
                    .map_err(|e| match e {
                        ThunkError::Decode(why) => WorkerFailure::Decode(why),
                        ThunkError::Encode(why) => WorkerFailure::Encode(why),
                    })
            }
        });
        let failure = match (progress.value, result) {
            (Some(Ok(sent)), result) => {
                if let Err(panic) = result {
                    eprintln!(
                        "pexec worker {}: a result's destructor panicked: {panic}",
                        std::process::id()
                    );
                }
                return sent;
            }
            (Some(Err(size)), _) => WorkerFailure::TooLarge {
                size,
                limit: me.max_message,
            },
            (None, Ok(Err(failure))) => failure,
            (None, Ok(Ok(()))) => WorkerFailure::Encode("the task gave nothing".to_owned()),
            (None, Err(panic)) => WorkerFailure::Panicked(PanicInfo {
                message: panic.message,
                location: panic.location,
                backtrace: panic.backtrace,
                thread: panic.thread,
            }),
        };
        self.frame.truncate(HEADER_LEN);
        codec::encode(&failure, &mut self.frame).map_err(io::Error::other)?;
        send(me, Kind::Failure, call, &mut self.frame)
    }

    fn shrink(&mut self) {
        shrink(&mut self.frame);
    }
}
