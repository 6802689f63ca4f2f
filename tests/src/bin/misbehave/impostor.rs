//! Workers that are not what they say. Each speaks the real protocol up to the point where it goes wrong.
//!
//! `MISBEHAVE` names the way; where `MISBEHAVE_ONCE` names a file, only the worker that can create it plays the
//! part, and every later one is a good worker.

use std::fs::OpenOptions;
use std::io::{self, IoSlice, Read};
use std::os::fd::OwnedFd;
use std::time::Duration;

use nix::sys::signal::Signal;
use pexec::{Executor, ProcessPool, Transport};
use pexec_ipc::{process, socket};
use pexec_proto::{BuildId, HEADER_LEN, Handshake, Header, Hello, Key, Kind, Progress};
use pexec_tests::tasks::{add, hang};

use super::rings;

/// Builds a pool whose workers are impostors and prints what becomes of three tasks.
pub(crate) fn supervise() {
    let pool = ProcessPool::builder()
        .workers(1)
        .transport(Transport::Socket)
        .task_timeout(Duration::from_secs(2))
        .kill_grace(Duration::from_millis(100))
        .build()
        .expect("a pool");
    let futures: Vec<_> = (0..3).map(|i| pool.submit(add, (i, 40))).collect();
    for future in futures {
        match future.result() {
            Ok(value) => println!("ok {value}"),
            Err(error) => println!("{:?} {error}", error.kind()),
        }
    }
    println!("restarts {}", pool.stats().restarts);
}

/// In a worker process that is to misbehave: does, and never returns.
pub(crate) fn take_over_if_asked() {
    let (true, Ok(part)) = (
        std::env::var_os("PEXEC_WORKER").is_some(),
        std::env::var("MISBEHAVE"),
    ) else {
        return;
    };
    if let Ok(once) = std::env::var("MISBEHAVE_ONCE")
        && OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(once)
            .is_err()
    {
        return;
    }
    // An impostor has no thread that watches its lifeline; a failed test must not leave it behind.
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).expect("the kernel agrees");
    if let Err(error) = play(&part) {
        eprintln!("impostor: {error}");
    }
    std::process::exit(1);
}

/// Keeps the process and its descriptors.
pub(super) fn stay() -> ! {
    hang();
    std::process::abort()
}

pub(super) fn send(bytes: &[u8]) -> io::Result<()> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let n = socket::send(&io::stdin(), &[IoSlice::new(rest)])?;
        rest = &rest[n..];
    }
    Ok(())
}

fn play(part: &str) -> io::Result<()> {
    match part {
        "is silent" => stay(),
        "exits with 0 at once" => std::process::exit(0),
        "exits with 7 at once" => std::process::exit(7),
        "aborts at once" => std::process::abort(),
        "sends text" => {
            send(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")?;
            stay()
        }
        "announces a frame of 2 GiB" => {
            send(&Header::control(Kind::Hello, 1 << 31).encode())?;
            stay()
        }
        "closes its channel and stays" => {
            nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?)?;
            stay()
        }
        _ => play_with_key(part),
    }
}

fn play_with_key(part: &str) -> io::Result<()> {
    let Preamble {
        key,
        slot,
        generation,
        descriptors,
    } = Preamble::receive()?;
    let identity = process::image_identity()?.map(u64::to_le_bytes).concat();
    let mut hello = Hello {
        build: BuildId::of(&[&identity, env!("CARGO_PKG_VERSION").as_bytes()]),
        max_message: 0,
        slot,
        generation,
        pid: std::process::id(),
        nonce: [7; 32],
    };
    let key = if part == "has the wrong key" {
        Key::from_bytes([9; 32])
    } else {
        key
    };
    if part == "names another pid" {
        hello.pid += 1;
    }
    let (mut handshake, _) = Handshake::worker(&key, hello);
    loop {
        let (header, body) = receive()?;
        match handshake.receive(&header, &body).map_err(io::Error::other)? {
            Progress::Continue(mut bytes) => match part {
                // Changed on the way out: this side's own check would find it first. The places are those of the
                // protocol's description, behind the frame's header.
                "is of another build" => tamper(&mut bytes, 24)?,
                "names another slot" => tamper(&mut bytes, 40)?,
                "names another generation" => tamper(&mut bytes, 48)?,
                "sends half a hello and exits" => {
                    send(&bytes[..bytes.len() / 4])?;
                    std::process::exit(0)
                }
                "sends its hello a byte at a time" => {
                    for byte in bytes {
                        send(&[byte])?;
                        std::thread::sleep(Duration::from_millis(200));
                    }
                    stay()
                }
                "sends its hello twice" => {
                    send(&bytes)?;
                    send(&bytes)?;
                    stay()
                }
                _ => send(&bytes)?,
            },
            Progress::Done { send: bytes, .. } => {
                send(&bytes)?;
                return serve(part, descriptors);
            }
        }
    }
}

fn serve(part: &str, descriptors: Vec<OwnedFd>) -> io::Result<()> {
    let _setup = receive()?;
    if part == "never becomes ready and exits" {
        std::process::exit(0);
    }
    send(&Header::control(Kind::Ready, 0).encode())?;
    // Only a supervisor that wants to use rings gives a bell as well.
    if descriptors.len() == 3 {
        return rings::play(part, descriptors);
    }
    match part {
        "is ready twice" => {
            send(&Header::control(Kind::Ready, 0).encode())?;
            stay()
        }
        "reads nothing once it is ready" => stay(),
        _ => {}
    }
    // A task's call, behind its context.
    let (mut call, _) = receive()?;
    while call.kind != Kind::Call {
        call = receive()?.0;
    }
    let frame = |kind, task, body: &[u8]| {
        let mut bytes = Header::task(kind, body.len() as u32, call.cell, task)
            .encode()
            .to_vec();
        bytes.extend_from_slice(body);
        bytes
    };
    match part {
        "answers for a task that it does not have" => send(&frame(Kind::Value, call.task + 1000, &[1]))?,
        "emits for a task that it does not run" => {
            send(&frame(Kind::Emit, call.task + 1000, b"x"))?;
            std::process::exit(1)
        }
        "skips what was not taken back" => send(&frame(Kind::Skipped, call.task, b""))?,
        "sends a call of its own" => send(&frame(Kind::Call, call.task, &[0; 20]))?,
        "announces a result of 4 GiB" => {
            send(&Header::task(Kind::Value, u32::MAX, call.cell, call.task).encode())?;
        }
        "sends a kind that there is not" => {
            let mut bytes = frame(Kind::Value, call.task, &[1]);
            bytes[4] = 200;
            send(&bytes)?;
        }
        "reports a failure in garbage" => send(&frame(Kind::Failure, call.task, &[0xff; 40]))?,
        "answers in garbage and exits" => {
            send(&frame(Kind::Value, call.task, &[0xff; 3]))?;
            std::process::exit(1)
        }
        "closes its channel in the middle of a result" => {
            send(&frame(Kind::Value, call.task, &[1; 100])[..40])?;
            nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?)?;
        }
        "answers twice" => {
            send(&frame(Kind::Value, call.task, &[50]))?;
            send(&frame(Kind::Value, call.task, &[51]))?;
        }
        other => panic!("unknown part {other}"),
    }
    stay()
}

fn receive() -> io::Result<(Header, Vec<u8>)> {
    let mut header = [0; HEADER_LEN];
    read(&mut header)?;
    let header = Header::decode(&header, u32::MAX).map_err(io::Error::other)?;
    let mut body = vec![0; header.len as usize];
    read(&mut body)?;
    Ok((header, body))
}

fn read(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while filled < bytes.len() {
        match socket::receive(&io::stdin(), &mut bytes[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    Ok(())
}

fn tamper(hello: &mut [u8], place: usize) -> io::Result<()> {
    hello[HEADER_LEN + place] ^= 1;
    send(hello)
}

/// What lies in the channel before the worker exists.
struct Preamble {
    key: Key,
    slot: u32,
    generation: u64,
    /// The lifeline, the shared memory, and the bell where there is one; kept open, as a good worker would.
    descriptors: Vec<OwnedFd>,
}

impl Preamble {
    fn receive() -> io::Result<Preamble> {
        let mut bytes = [0; 52];
        let descriptors = socket::receive_exact_with_fds(&io::stdin(), &mut bytes)?;
        let mut rest = &bytes[8..];
        let (mut key, mut slot, mut generation) = ([0; 32], [0; 4], [0; 8]);
        rest.read_exact(&mut key)?;
        rest.read_exact(&mut slot)?;
        rest.read_exact(&mut generation)?;
        Ok(Preamble {
            key: Key::from_bytes(key),
            slot: u32::from_le_bytes(slot),
            generation: u64::from_le_bytes(generation),
            descriptors,
        })
    }
}
