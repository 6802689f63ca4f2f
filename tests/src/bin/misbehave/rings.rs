//! Workers that have proved themselves and then misuse the memory that they share with their supervisor. Where a
//! part asks for it they are good at the only task that there is: they know it without running it.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::signal::{Signal, raise};
use pexec::{Executor, ProcessPool, Transport, WorkerState};
use pexec_ipc::cells::{Cells, Stage};
use pexec_ipc::ring::{CAPACITY, Direction, Reader, Writer};
use pexec_ipc::segment::Segment;
use pexec_ipc::socket;
use pexec_ipc::wake::Bell;
use pexec_proto::{FunctionRef, HEADER_LEN, Header, Kind, codec};
use pexec_tests::random::Random;
use pexec_tests::words::{Words, at};

use super::impostor::{send, stay};

/// The only task: a number, and bytes that make it a long way.
fn number(number: u64, ballast: Vec<u8>) -> u64 {
    // Long enough for the other worker to get its share.
    std::thread::sleep(Duration::from_millis(2));
    drop(ballast);
    number
}

/// What an impostor says is the value of a task.
const WRONG: u64 = 7777;
const TASKS: u64 = 24;

/// Two workers, of which the first to start is an impostor; prints what becomes of each task.
pub(crate) fn supervise() {
    // Whoever signals this group hits nobody else.
    nix::unistd::setpgid(nix::unistd::Pid::this(), nix::unistd::Pid::from_raw(0))
        .expect("a group of our own");
    let pool = ProcessPool::builder()
        .workers(2)
        .transport(Transport::Memory)
        .task_timeout(Duration::from_secs(3))
        .kill_grace(Duration::from_millis(100))
        .build()
        .expect("a pool");
    pexec_tests::wait_until("both workers are ready", || {
        let workers = pool.workers();
        workers.len() == 2 && workers.iter().all(|w| w.state == WorkerState::Idle)
    });
    // The first two, and some later ones, are longer than a ring.
    let ballast = |i: u64| {
        vec![
            1;
            if i < 2 || i.is_multiple_of(7) {
                4 * CAPACITY
            } else {
                0
            }
        ]
    };
    let futures: Vec<_> = (0..TASKS).map(|i| pool.submit(number, (i, ballast(i)))).collect();
    for (i, future) in futures.into_iter().enumerate() {
        match future.result() {
            Ok(value) if value == i as u64 => {}
            Ok(value) => println!("{i} gave {value}"),
            Err(error) => println!("{:?} {error}", error.kind()),
        }
    }
    let stats = pool.stats();
    println!("{} ended, {} restarts", stats.done + stats.failed, stats.restarts);
    // Whatever was done to the memory, the pool is as good as before.
    assert_eq!(
        pool.submit(number, (5, Vec::new())).result().expect("it works"),
        5
    );
    println!("works");
}

/// The worker's end of the rings.
struct Rings {
    calls: Reader,
    answers: Writer,
    cells: Cells,
    words: Words,
    bell: Arc<Bell>,
}

impl Rings {
    /// From what came with the preamble: lifeline, memory, bell.
    fn open(descriptors: Vec<OwnedFd>) -> io::Result<Rings> {
        let Ok([_, memory, bell]) = <[OwnedFd; 3]>::try_from(descriptors) else {
            return Err(io::Error::other("no rings were offered"));
        };
        let segment = Segment::open(&memory)?;
        Ok(Rings {
            calls: Reader::new(Arc::clone(&segment), Direction::Calls),
            answers: Writer::new(Arc::clone(&segment), Direction::Answers),
            cells: Cells::new(segment),
            words: Words::new(&memory)?,
            bell: Arc::new(Bell::new(bell)),
        })
    }

    fn fill(&mut self, mut into: &mut [u8]) -> io::Result<()> {
        while !into.is_empty() {
            match self.calls.read(into)? {
                0 => std::thread::sleep(Duration::from_micros(200)),
                n => into = &mut into[n..],
            }
            if self.calls.writer_waits() {
                self.bell.ring();
            }
        }
        Ok(())
    }

    /// The next call, and the number that is its task's value.
    fn call(&mut self) -> io::Result<(Header, u64)> {
        loop {
            let mut header = [0; HEADER_LEN];
            self.fill(&mut header)?;
            let header = Header::decode(&header, u32::MAX).map_err(io::Error::other)?;
            let mut body = vec![0; header.len as usize];
            self.fill(&mut body)?;
            match header.kind {
                Kind::Call => {
                    let (_, arg) = FunctionRef::split(&body).ok_or(io::ErrorKind::InvalidData)?;
                    let (number, _): (u64, Vec<u8>) = codec::decode(arg).map_err(io::Error::other)?;
                    return Ok((header, number));
                }
                Kind::Context => {}
                Kind::Stop => std::process::exit(0),
                other => return Err(io::Error::other(format!("a {other:?} frame"))),
            }
        }
    }

    /// A call that this worker has started.
    fn started(&mut self) -> io::Result<(Header, u64)> {
        loop {
            let (call, number) = self.call()?;
            self.cells.set_running(call.task, Stage::Running);
            if self.cells.start(call.cell) {
                return Ok((call, number));
            }
            self.write(&Header::task(Kind::Skipped, 0, call.cell, call.task).encode())?;
            self.publish();
        }
    }

    /// Into the ring, where nobody sees it yet, unless it does not fit.
    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match self.answers.write(bytes)? {
                0 => {
                    self.publish();
                    std::thread::sleep(Duration::from_micros(200));
                }
                n => bytes = &bytes[n..],
            }
        }
        Ok(())
    }

    fn publish(&mut self) {
        // More often than needed does no harm.
        let _ = self.answers.publish();
        self.bell.ring();
    }

    fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes)?;
        self.publish();
        Ok(())
    }

    /// Serves as a good worker would, to the end.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let (call, number) = self.started()?;
            self.say(&value(call, number))?;
            self.cells.set_idle();
        }
    }

    fn set_answers(&self, word: u64, value: u64) -> io::Result<()> {
        self.words.set(at::ANSWERS + word, value)?;
        self.bell.ring();
        Ok(())
    }

    fn set_calls(&self, word: u64, value: u64) -> io::Result<()> {
        self.words.set(at::CALLS + word, value)?;
        self.bell.ring();
        Ok(())
    }
}

/// An answer.
fn value(call: Header, value: u64) -> Vec<u8> {
    let mut body = Vec::new();
    codec::encode(&value, &mut body).expect("a number has a form");
    frame(Kind::Value, call, &body)
}

fn frame(kind: Kind, call: Header, body: &[u8]) -> Vec<u8> {
    let header = Header::task(kind, body.len() as u32, call.cell, call.task);
    [&header.encode()[..], body].concat()
}

/// As a worker does whose answer has a handle.
fn send_descriptor() -> io::Result<()> {
    let null = std::fs::File::open("/dev/null")?;
    socket::send_with_fds(&io::stdin(), &[IoSlice::new(b"d")], &[null.as_fd()]).map(drop)
}

fn die() -> ! {
    let _ = raise(Signal::SIGKILL);
    stay()
}

fn noise(random: &mut Random, n: usize) -> Vec<u8> {
    (0..n).map(|_| random.below(256) as u8).collect()
}

/// For a while, on a thread beside the good work.
fn meanwhile(
    words: &Words,
    mut act: impl FnMut(&Words, &mut Random) -> io::Result<()> + Send + 'static,
) -> io::Result<()> {
    let words = Words::new(&words.file().try_clone()?.into())?;
    std::thread::spawn(move || {
        let (start, mut random) = (Instant::now(), Random::new(77));
        while start.elapsed() < Duration::from_secs(2) {
            act(&words, &mut random).expect("the memory is there");
        }
    });
    Ok(())
}

/// Plays a part, once the supervisor knows that this worker is ready.
pub(super) fn play(part: &str, descriptors: Vec<OwnedFd>) -> io::Result<()> {
    let mut rings = Rings::open(descriptors)?;
    let mut random = Random::new(3);
    match part {
        "reads nothing from its ring" => {}
        "sends bytes right behind its word that it is ready" => send(b"x")?,
        "sends bytes through its socket" => {
            rings.call()?;
            send(b"x")?;
        }
        "sends frames through its socket" => {
            let (call, _) = rings.call()?;
            send(&value(call, WRONG))?;
        }
        "hangs up its socket" => {
            nix::unistd::dup2_stdin(std::fs::File::open("/dev/null")?)?;
            rings.serve()?;
        }
        "says that more is written than its ring holds" => {
            rings.call()?;
            rings.set_answers(at::TAIL, CAPACITY as u64 + 1)?;
        }
        "says that all there can be is written" => {
            rings.call()?;
            rings.set_answers(at::TAIL, u64::MAX)?;
        }
        "takes back what it has written" => {
            let (call, _) = rings.started()?;
            rings.say(&value(call, WRONG))?;
            while rings.words.get(at::ANSWERS + at::HEAD)? == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            rings.set_answers(at::TAIL, 0)?;
        }
        "punches a hole into its memory" => {
            let (call, _) = rings.started()?;
            rings.say(&value(call, WRONG))?;
            while rings.words.get(at::ANSWERS + at::HEAD)? == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            if nix::unistd::ftruncate(rings.words.file(), 0).is_ok() {
                return Err(io::Error::other("the memory can be cut off"));
            }
            let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
            // The marks and the rings; of the cells only the last.
            let from = at::CALLS as i64 & !4095;
            fallocate(rings.words.file(), flags, from, at::RINGS.end as i64 - from)?;
            rings.bell.ring();
        }
        "says that it has read what was not written" => rings.set_calls(at::HEAD, 1 << 40)?,
        "takes back what it has read" => {
            rings.fill(&mut vec![0; CAPACITY + CAPACITY / 2])?;
            std::thread::sleep(Duration::from_millis(50));
            rings.set_calls(at::HEAD, 1)?;
        }
        "writes garbage" => {
            rings.call()?;
            rings.say(&noise(&mut random, 5000))?;
        }
        "announces an answer of 4 GiB" => {
            let (call, _) = rings.call()?;
            rings.say(&Header::task(Kind::Value, u32::MAX, call.cell, call.task).encode())?;
        }
        "answers for a task that nobody has" => {
            let (mut call, _) = rings.call()?;
            call.task += 1_000_000;
            rings.say(&value(call, WRONG))?;
        }
        "answers for another cell" => {
            let (mut call, _) = rings.call()?;
            call.cell ^= 0x0fff;
            rings.say(&value(call, WRONG))?;
        }
        "answers the same twice" => {
            let (call, _) = rings.started()?;
            rings.say(&[value(call, WRONG), value(call, WRONG + 1)].concat())?;
        }
        "floods its socket with descriptors" => {
            rings.call()?;
            while send_descriptor().is_ok() {}
        }
        "announces descriptors that it did not send" => {
            let (call, _) = rings.call()?;
            rings.say(&frame(Kind::Descriptors, call, &1u16.to_le_bytes()))?;
        }
        "announces descriptors twice" => {
            let (call, _) = rings.call()?;
            for _ in 0..2 {
                send_descriptor()?;
                rings.say(&frame(Kind::Descriptors, call, &1u16.to_le_bytes()))?;
            }
        }
        "announces descriptors in half a number" => {
            let (call, _) = rings.call()?;
            rings.say(&frame(Kind::Descriptors, call, &[1]))?;
        }
        "skips what was not taken back, through its ring" => {
            let (call, _) = rings.call()?;
            rings.say(&frame(Kind::Skipped, call, &[]))?;
        }
        "dies before it publishes" => {
            let (call, _) = rings.started()?;
            rings.cells.set_stage(Stage::Sending);
            rings.write(&value(call, WRONG))?;
            die();
        }
        "dies in the middle of a header" => {
            let (call, _) = rings.started()?;
            rings.cells.set_stage(Stage::Sending);
            rings.say(&value(call, WRONG)[..7])?;
            die();
        }
        "dies in the middle of an answer that is longer than its ring" => {
            let (call, _) = rings.started()?;
            rings.cells.set_stage(Stage::Sending);
            let long = frame(Kind::Value, call, &vec![0; 4 * CAPACITY]);
            rings.say(&long[..2 * CAPACITY + 99])?;
            die();
        }
        "dies behind its answer, the task still in its page" => {
            let (call, _) = rings.started()?;
            rings.cells.set_stage(Stage::Sending);
            rings.say(&value(call, WRONG))?;
            die();
        }
        "never rings" => {
            let (call, _) = rings.started()?;
            rings.write(&value(call, WRONG))?;
            let _ = rings.answers.publish();
        }
        "always wants to be woken" => {
            meanwhile(&rings.words, |words, _| {
                [at::CALLS, at::ANSWERS].into_iter().try_for_each(|ring| {
                    words.set_short(ring + at::READER_WAITS, 1)?;
                    words.set_short(ring + at::WRITER_WAITS, u32::MAX)
                })
            })?;
            rings.serve()?;
        }
        "rings without end" => {
            let bell = Arc::clone(&rings.bell);
            meanwhile(&rings.words, move |_, _| {
                bell.ring();
                Ok(())
            })?;
            rings.serve()?;
        }
        "scribbles over its page" => {
            // Tasks that were sent keep their cells, or this worker could not serve: those far behind are free.
            meanwhile(&rings.words, |words, random| {
                words.put(at::RUNNING, &noise(random, 16))?;
                words.put(at::STAGE, &noise(random, 4))?;
                words.put(at::PACE.start, &noise(random, 16))?;
                let far = (at::CELLS.end - at::CELLS.start) / 2;
                words.put(at::CELLS.start + far, &noise(random, far as usize))
            })?;
            rings.serve()?;
        }
        "scribbles over its tasks' cells" => {
            meanwhile(&rings.words, |words, random| {
                let n = (at::CELLS.end - at::CELLS.start) as usize;
                words.put(at::CELLS.start, &noise(random, n))
            })?;
            let mut answered = 0;
            loop {
                let (call, number) = rings.call()?;
                rings.say(&value(call, number))?;
                answered += 1;
                if answered == 3 {
                    die();
                }
            }
        }
        "registers groups that are not its own" => {
            let supervisor = nix::unistd::getpgid(Some(nix::unistd::Pid::parent()))?.as_raw();
            let groups = [0, 1, -1, i32::MIN, -supervisor, supervisor];
            for (place, group) in at::GROUPS.step_by(4).zip(groups.into_iter().cycle()) {
                rings.words.set_short(place, group as u32)?;
            }
            rings.started()?;
            die();
        }
        "fills everything with noise" => {
            meanwhile(&rings.words, |words, random| {
                words.put(at::RUNNING, &noise(random, at::GROUPS.start as usize))?;
                let (from, end) = (at::GROUPS.end as usize, at::RINGS.end as usize);
                let n = 1 + random.below(6000);
                words.put((from + random.below(end - from - n)) as u64, &noise(random, n))?;
                let n = (at::RINGS.start - at::CALLS) as usize;
                words.put(at::CALLS, &noise(random, n))
            })?;
            // Its own ends find nonsense soon; it stays until it is ended.
            let _ = rings.serve();
        }
        other => panic!("unknown part {other}"),
    }
    stay()
}
