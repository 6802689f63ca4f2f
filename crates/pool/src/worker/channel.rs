//! The worker's end of its channel: blocking, read by the serving thread only, written under a lock because a
//! task may emit from any of its threads.
//!
//! Until the worker is ready everything goes through the socket; then, where the supervisor has offered a bell,
//! through the rings of the shared memory.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pexec_ipc::cells::Cells;
use pexec_ipc::memory;
use pexec_ipc::ring::{Direction, Reader, Writer};
use pexec_ipc::room::Room;
use pexec_ipc::segment::Segment;
use pexec_ipc::socket;
use pexec_ipc::spin::Spin;
use pexec_ipc::wake::Bell;
use pexec_ipc::warm;
use pexec_proto::{HEADER_LEN, Header, Kind};

use crate::carried::{self, Arrived};
use crate::future::bytes::Descriptors;

/// The writing half.
pub(crate) struct Sender(Mutex<Out>);

struct Out {
    socket: OwnedFd,
    ring: Option<Answers>,
}

/// The ring for answers, and how its reader is woken.
struct Answers {
    ring: Writer,
    bell: Arc<Bell>,
    spin: Spin,
    /// Memory of large results may be kept for the next ones.
    keeps: bool,
}

impl Answers {
    fn send(&mut self, mut bytes: &[u8], more_follow: bool) -> io::Result<()> {
        loop {
            let written = self.ring.write(bytes)?;
            bytes = &bytes[written..];
            if bytes.is_empty() && more_follow {
                self.ring.show();
                return Ok(());
            }
            if self.ring.publish() {
                self.bell.ring();
            }
            if bytes.is_empty() {
                return Ok(());
            }
            let ring = &mut self.ring;
            if !self.spin.look(|| !matches!(ring.has_room(), Ok(false))) {
                let since = Instant::now();
                self.ring.sleep()?;
                self.spin.slept(since.elapsed());
            }
        }
    }
}

/// What an answer has beside its frame.
#[derive(Clone, Copy)]
pub(super) struct Follow<'a> {
    /// Bytes that belong to its body.
    pub(super) content: &'a [u8],
    pub(super) descriptors: &'a [Arc<OwnedFd>],
    /// More answers follow very soon: the supervisor can see this one, and is woken for the last.
    pub(super) more: bool,
}

impl Out {
    fn send(&mut self, mut bytes: &[u8], more_follow: bool) -> io::Result<()> {
        if let Some(answers) = &mut self.ring {
            if answers.keeps {
                warm::keep(bytes.len());
            }
            return answers.send(bytes, more_follow);
        }
        while !bytes.is_empty() {
            let sent = socket::send(&self.socket, &[IoSlice::new(bytes)])?;
            bytes = &bytes[sent..];
        }
        Ok(())
    }

    /// Sends what goes along with the frame that follows. Where the kernel takes no more of them, that is said, and
    /// the reader's error tells it.
    fn send_descriptors(&mut self, descriptors: &[Arc<OwnedFd>]) -> io::Result<()> {
        let fds: Vec<BorrowedFd<'_>> = descriptors.iter().map(|fd| fd.as_fd()).collect();
        let frame = carried::frame(fds.len());
        if self.ring.is_some() {
            let there = socket::send_with_fds(&self.socket, &[IoSlice::new(&carried::MARK)], &fds);
            return self.send(if there.is_ok() { &frame } else { &carried::NONE }, true);
        }
        match socket::send_with_fds(&self.socket, &[IoSlice::new(&frame)], &fds) {
            Ok(sent) => self.send(&frame[sent..], true),
            Err(_) => self.send(&carried::NONE, true),
        }
    }
}

impl Sender {
    pub(super) fn new(socket: OwnedFd) -> Sender {
        Sender(Mutex::new(Out { socket, ring: None }))
    }

    /// Sends bytes that are whole frames.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.send(bytes, false)
    }

    /// Sends an answer's frame.
    pub(super) fn send_answer(&self, frame: &[u8], with: Follow<'_>) -> io::Result<()> {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !with.descriptors.is_empty() {
            out.send_descriptors(with.descriptors)?;
        }
        if with.content.is_empty() {
            return out.send(frame, with.more);
        }
        out.send(frame, true)?;
        out.send(with.content, with.more)
    }

    /// Sends one frame from its parts.
    pub(super) fn send_frame(&self, kind: Kind, cell: u16, task: u64, body: &[u8]) -> io::Result<()> {
        self.send_whole(kind, cell, task, body, false)
    }

    /// Likewise, before an answer that follows at once: nobody has to be woken for this.
    pub(super) fn send_before_answer(&self, kind: Kind, task: u64, body: &[u8]) -> io::Result<()> {
        self.send_whole(kind, 0, task, body, true)
    }

    fn send_whole(&self, kind: Kind, cell: u16, task: u64, body: &[u8], more_follow: bool) -> io::Result<()> {
        let len = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut frame = Vec::with_capacity(HEADER_LEN + body.len());
        frame.extend_from_slice(&Header::task(kind, len, cell, task).encode());
        frame.extend_from_slice(body);
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.send(&frame, more_follow)
    }

    fn use_ring(&self, segment: &Arc<Segment>, bell: Arc<Bell>, keeps: bool) {
        let mut out = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        out.ring = Some(Answers {
            ring: Writer::new(Arc::clone(segment), Direction::Answers),
            bell,
            spin: Spin::default(),
            keeps,
        });
    }
}

/// The reading half: frames out of a buffer that is filled with all that is there.
pub(super) struct Receiver {
    socket: OwnedFd,
    /// Descriptors that came with bytes; each set belongs to one frame that says so.
    arrived: Arrived,
    ring: Option<Calls>,
    buffer: Vec<u8>,
    from: usize,
    to: usize,
}

/// The ring for calls, and how its writer is woken.
struct Calls {
    ring: Reader,
    bell: Arc<Bell>,
    spin: Spin,
    pace: Pace,
    /// Memory of large arguments may be kept for the next ones.
    keeps: bool,
}

/// How long tasks take on the average, told now and then: a supervisor that knows gives quick ones out in larger
/// numbers, and wakes nobody for them.
struct Pace {
    cells: Cells,
    since: Instant,
    spent: Duration,
    served: u64,
}

impl Pace {
    fn tell(&mut self) {
        let now = Instant::now();
        self.spent += now.saturating_duration_since(self.since);
        self.since = now;
        self.cells.set_pace(self.served, self.spent.as_nanos() as u64);
    }
}

impl Calls {
    /// Waits for bytes and takes some.
    fn receive(&mut self, room: Room<'_>) -> io::Result<usize> {
        self.pace.tell();
        let got = self.wait(room);
        self.pace.since = Instant::now();
        got
    }

    fn wait(&mut self, mut room: Room<'_>) -> io::Result<usize> {
        loop {
            let got = room.take_from(&mut self.ring)?;
            if got > 0 {
                if self.ring.writer_waits() {
                    self.bell.ring();
                }
                return Ok(got);
            }
            let ring = &self.ring;
            if !self.spin.look(|| ring.has_news()) {
                let since = Instant::now();
                self.ring.sleep(warm::is_due().then_some(warm::IDLE));
                let slept = since.elapsed();
                if slept >= warm::IDLE && !self.ring.has_news() {
                    warm::give_back();
                }
                self.spin.slept(slept);
            }
        }
    }
}

/// Bodies up to this size are read with whatever comes; larger ones straight into a buffer of their own.
const SMALL: usize = 64 << 10;

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Receiver {
    pub(super) fn new(socket: OwnedFd) -> Receiver {
        Receiver {
            socket,
            arrived: Arrived::default(),
            ring: None,
            buffer: vec![0; 2 * SMALL],
            from: 0,
            to: 0,
        }
    }

    /// From now on both halves use the rings; with `keeps`, memory that large messages came from and went to is kept for a
    /// moment.
    pub(super) fn use_rings(&mut self, sender: &Sender, segment: &Arc<Segment>, bell: OwnedFd, keeps: bool) {
        let cells = Cells::new(Arc::clone(segment));
        let bell = Arc::new(Bell::new(bell));
        sender.use_ring(segment, Arc::clone(&bell), keeps);
        self.ring = Some(Calls {
            ring: Reader::new(Arc::clone(segment), Direction::Calls),
            bell,
            spin: Spin::default(),
            pace: Pace {
                cells,
                since: Instant::now(),
                spent: Duration::ZERO,
                served: 0,
            },
            keeps,
        });
    }

    /// A task has been served.
    #[inline]
    pub(super) fn served(&mut self) {
        if let Some(calls) = &mut self.ring {
            calls.pace.served += 1;
        }
    }

    /// So many items of a batch have been served.
    pub(super) fn served_batch(&mut self, items: u32) {
        if let Some(calls) = &mut self.ring {
            calls.pace.served += u64::from(items);
            calls.pace.tell();
        }
    }

    /// The next header, once it is there as a whole.
    #[inline]
    pub(super) fn header(&mut self, limit: u32) -> io::Result<Header> {
        self.fill(HEADER_LEN)?;
        let mut bytes = [0; HEADER_LEN];
        bytes.copy_from_slice(&self.buffer[self.from..self.from + HEADER_LEN]);
        self.from += HEADER_LEN;
        Header::decode(&bytes, limit).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
    }

    /// The body that follows the header. `large` is where a body that does not fit the buffer goes.
    #[inline]
    pub(super) fn body<'a>(&'a mut self, len: usize, large: &'a mut Vec<u8>) -> io::Result<&'a [u8]> {
        if len <= SMALL {
            self.fill(len)?;
            let from = self.from;
            self.from += len;
            return Ok(&self.buffer[from..from + len]);
        }
        self.rest(len, large)?;
        Ok(large)
    }

    /// That many bytes, into a buffer of their own.
    pub(super) fn rest(&mut self, len: usize, large: &mut Vec<u8>) -> io::Result<()> {
        large.clear();
        if self.ring.as_ref().is_some_and(|calls| calls.keeps) {
            warm::keep(len);
        }
        memory::reserve_huge(large, len);
        let here = (self.to - self.from).min(len);
        large.extend_from_slice(&self.buffer[self.from..self.from + here]);
        self.from += here;
        while large.len() < len {
            let room = Room::up_to(large, len);
            receive(&self.socket, &mut self.arrived, &mut self.ring, room)?;
        }
        Ok(())
    }

    /// The next bytes by themselves, of a body that goes on behind them.
    pub(super) fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        self.fill(N)?;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.buffer[self.from..self.from + N]);
        self.from += N;
        Ok(bytes)
    }

    /// What goes along with the frame behind this one.
    pub(super) fn descriptors(&mut self, header: Header) -> io::Result<Descriptors> {
        let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        if header.len as usize != size_of::<u16>() {
            return Err(invalid("a count of descriptors is cut off"));
        }
        if u16::from_le_bytes(self.take()?) == 0 {
            return Ok(Vec::new());
        }
        if self.ring.is_some() {
            self.arrived.receive_marked(&self.socket)?;
        }
        let set = self.arrived.take();
        set.ok_or_else(|| invalid("descriptors are announced that did not come"))
    }

    /// Whether a body of this length gets a buffer of its own.
    pub(super) fn is_large(len: usize) -> bool {
        len > SMALL
    }

    /// Makes at least `n` bytes (never more than `SMALL`) lie in the buffer in one piece.
    #[inline]
    fn fill(&mut self, n: usize) -> io::Result<()> {
        if self.to - self.from >= n {
            return Ok(());
        }
        if self.from == self.to {
            (self.from, self.to) = (0, 0);
        }
        if self.buffer.len() - self.from < n {
            self.buffer.copy_within(self.from..self.to, 0);
            (self.from, self.to) = (0, self.to - self.from);
        }
        while self.to - self.from < n {
            let room = Room::Slice(&mut self.buffer[self.to..]);
            self.to += receive(&self.socket, &mut self.arrived, &mut self.ring, room)?;
        }
        Ok(())
    }
}

/// At least one byte.
fn receive(
    socket: &OwnedFd,
    arrived: &mut Arrived,
    ring: &mut Option<Calls>,
    room: Room<'_>,
) -> io::Result<usize> {
    match ring {
        Some(calls) => calls.receive(room),
        None => match room.fill(|into| arrived.receive(socket, into))? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            got => Ok(got),
        },
    }
}
