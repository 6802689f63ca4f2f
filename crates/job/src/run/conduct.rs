//! The loop of a run: start what may start, wait, take in what came, see whether to stop.

mod expire;
mod hold;
mod land;
mod partners;
mod past;
mod start;
mod stopping;
mod veil;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pexec::Executor;

use super::delayed::Delayed;
use super::feed::{Feed, Pulled};
use super::flight::{Flight, Ready, who};
use super::inbox::{Inbox, Message, Waker};
use super::line::{Line, Takes};
use super::pairs::{Lost, Pairs};
use super::source::Source;
use super::tasks::Tasks;
use super::teller::Teller;
use super::{Error, Finished, Options, OutputChunk, OutputKind, Sink};
use crate::event::{Kind, Who};
use crate::exec::Notes;
use crate::exec::note::Note;
use crate::plan::{Halt, Plan};
use crate::record::Fate;
use crate::secrets::Secrets;
use crate::text::Text;

/// The longest the loop sleeps: the sink's `idle` is due then.
const TURN: Duration = Duration::from_millis(50);
/// How long the loop waits for company of what comes while short commands end: less than the workers have before them.
const GATHER: Duration = Duration::from_millis(1);
/// Commands that end one so soon after the other are short.
const QUICK: Duration = Duration::from_millis(4);
/// How many blocked instances are told in one turn.
const BLOCKED: usize = 1024;

/// Everything that a run has in its hands.
pub(super) struct Conductor<'a, E> {
    executor: &'a E,
    options: Options,
    teller: Teller<'a>,
    /// What is told nowhere.
    secrets: Secrets,
    inbox: Arc<Inbox>,
    tasks: Tasks,
    sources: Vec<Source>,
    job: (String, Text),
    /// Who starts next.
    line: Line,
    /// Tasks whose stream had nothing when it was last asked.
    dry: Vec<usize>,
    /// Tasks with a limit for how long instances wait.
    timed: Vec<usize>,
    /// Who waits for partners, and the tasks that do.
    pairs: Pairs<Ready>,
    paired: Vec<usize>,
    /// No task of the job is left out.
    whole: bool,
    /// How many attempts are submitted at once.
    window: usize,
    /// Attempts that are to be made again later.
    delayed: Delayed<Ready>,
    held: VecDeque<hold::Held>,
    past: past::Kept,
    flights: HashMap<u64, Flight>,
    launched: u64,
    /// For the spread of pauses: another one in every run.
    seed: u64,
    looked: Instant,
    landings: Landings,
    /// How often the run was asked to stop, as far as it has noticed.
    asked: u32,
    signal: Option<i32>,
    /// What ends the run early, and whether it does.
    policy: Option<Halt>,
    halted: Option<Halt>,
    broken: Option<String>,
}

/// How quickly attempts come home: to be woken for each short one costs more than it is worth.
struct Landings {
    last: Instant,
    are_quick: bool,
}

impl Landings {
    /// After a turn, in which some have come home or not.
    fn turn(&mut self, landed: bool) {
        let now = Instant::now();
        self.are_quick = landed && now - self.last < QUICK;
        if landed {
            self.last = now;
        }
    }
}

impl<'a, E: Executor> Conductor<'a, E> {
    pub(super) fn new(
        executor: &'a E,
        mut plan: Plan,
        mut options: Options,
        sink: &'a mut dyn Sink,
    ) -> Conductor<'a, E> {
        use std::os::unix::ffi::OsStringExt;
        let tasks = Tasks::new(plan.tasks.iter().map(|task| task.needs.clone()));
        let takes = plan.tasks.iter().map(|task| Takes {
            group: task.start.group,
            memory: task.start.memory,
        });
        let line = Line::new(takes, plan.groups.iter().map(|group| group.limit), plan.memory);
        let has_limit = |at: &usize| plan.tasks[*at].start.queue_timeout.is_some();
        let timed = (0..plan.tasks.len()).filter(has_limit).collect();
        let window = window(&plan, options.jobs);
        let needs_each = plan
            .tasks
            .iter_mut()
            .map(|task| std::mem::take(&mut task.needs_each));
        let pairs = Pairs::new(needs_each);
        let mut sources: Vec<Source> = plan.tasks.into_iter().map(Source::new).collect();
        for (task, source) in sources.iter_mut().enumerate() {
            source.depth = pairs.depth(task);
        }
        let inbox = Arc::new(Inbox::new());
        options.stop.wakes(&inbox);
        options.glance.wakes(&inbox);
        sink.wakes(Waker::of(&inbox));
        Conductor {
            executor,
            teller: Teller::new(sink, options.first_seq, plan.secrets.clone()),
            past: past::Kept::new(options.past.take(), sources.len()),
            options,
            secrets: plan.secrets,
            inbox,
            tasks,
            sources,
            job: (plan.name, Text::from(plan.dir.into_os_string().into_vec())),
            line,
            dry: Vec::new(),
            timed,
            paired: pairs.waiting_tasks(),
            pairs,
            whole: plan.whole,
            window,
            delayed: Delayed::new(),
            held: VecDeque::new(),
            flights: HashMap::new(),
            launched: 0,
            seed: RandomState::new().hash_one(0),
            looked: Instant::now(),
            landings: Landings {
                last: Instant::now(),
                are_quick: false,
            },
            asked: 0,
            signal: None,
            policy: plan.halt,
            halted: None,
            broken: None,
        }
    }

    pub(super) fn run(mut self) -> Result<Finished, Error> {
        self.open();
        loop {
            self.heed_policy();
            self.heed_stop();
            self.act();
            self.expire();
            self.launch();
            self.make_haste();
            let more = self.tell_blocked() | self.tell_kept();
            if self.flights.is_empty() && self.held.is_empty() && !more && !self.may_start() {
                break;
            }
            self.teller.flush();
            // Emptied now, the inbox is told of room at once; what came is handled after.
            let wait = if more { Duration::ZERO } else { self.turn() };
            // Every worker has another one before it then.
            let no_hurry = self.flights.len() > self.options.jobs.saturating_mul(2);
            if no_hurry && self.landings.are_quick {
                self.inbox.gather(GATHER);
            }
            let mut landed = false;
            for message in self.inbox.take(wait) {
                match message {
                    Message::Note { flight, bytes } => self.note(flight, &bytes),
                    Message::Done { flight } => {
                        landed = true;
                        self.land(flight);
                    }
                }
            }
            self.landings.turn(landed);
            self.watch();
            self.teller.idle();
        }
        self.close()
    }

    fn open(&mut self) {
        let (job, dir) = self.job.clone();
        let run = self.options.run_id.clone();
        let jobs = self.options.jobs as u64;
        self.teller.event(Kind::RunStarted {
            run,
            job,
            dir,
            jobs,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            // Of a record that a kill left empty, this is the first event.
            resumed: self.past.is_there() && self.options.first_seq > 0,
        });
        for source in &self.sources {
            self.teller.event(Kind::Planned {
                task: source.name.clone(),
                total: source.total,
            });
        }
        if self.whole {
            self.tell_gone_tasks();
        }
    }

    fn close(mut self) -> Result<Finished, Error> {
        self.inbox.close();
        let counts = self.teller.state.counts();
        let (signal, broken) = (self.signal, self.broken.clone());
        self.teller.event(Kind::RunFinished {
            counts,
            signal,
            broken,
            halted: self.halted.map(|policy| policy.to_string()),
        });
        // The disk is at it while the workers leave.
        if self.teller.flush() {
            self.teller.durable(true);
        }
        let (state, refused) = self.teller.finish();
        match (refused, self.broken.take()) {
            (Some(error), _) => Err(Error::Sink(error)),
            (None, Some(reason)) => Err(Error::PoolBroken(reason)),
            (None, None) => Ok(Finished {
                state,
                signal: self.signal,
                halted: self.halted,
            }),
        }
    }

    /// There is something to start, or a source that may still give something.
    fn may_start(&self) -> bool {
        self.goes_on()
            && (!self.line.is_empty()
                || !self.delayed.is_empty()
                || !self.dry.is_empty()
                || self.tasks.has_opened()
                || self.awaits_partners())
    }

    /// How long there is nothing to do if nothing comes.
    fn turn(&self) -> Duration {
        let due = self.delayed.next_due().filter(|_| self.goes_on());
        due.map_or(TURN, |due| {
            due.saturating_duration_since(self.options.clock.now()).min(TURN)
        })
    }

    fn notes(&self, ready: &Ready) -> Notes {
        self.options.notes(ready)
    }

    /// Something that an attempt sent while it runs.
    fn note(&mut self, id: u64, bytes: &[u8]) {
        let Some(flight) = self.flights.get_mut(&id) else {
            return;
        };
        match Note::decode(bytes) {
            Some(Note::Started { pid, worker }) => {
                flight.started = Some(self.options.clock.now());
                self.teller.event(Kind::Started {
                    who: flight.ready.who.clone(),
                    attempt: flight.ready.attempt,
                    pid: Some(pid),
                    worker: Some(worker.into()),
                });
            }
            Some(Note::Output { stream, bytes }) => {
                for kind in flight.lines(stream, bytes) {
                    self.teller.output(chunk(&flight.ready, &self.sources, kind));
                }
            }
            None => {}
        }
    }

    /// Tells the next instances that they are blocked. True: there are more.
    fn tell_blocked(&mut self) -> bool {
        for _ in 0..BLOCKED {
            if !self.goes_on() {
                return false;
            }
            let Some((task, by)) = self.tasks.blocked() else {
                return false;
            };
            let by = by.clone();
            let source = &mut self.sources[task];
            if source.total.is_none() {
                // Nobody knows when a stream ends; one event stands for the whole task.
                let name = source.name.clone();
                let label = Text::from(name.as_str());
                let who = Who {
                    id: format!("{name}/0"),
                    task: name.clone(),
                    index: 0,
                    label,
                    item: None,
                    key: None,
                };
                source.feed = Feed::Ended;
                self.teller.event(Kind::Planned {
                    task: name,
                    total: Some(1),
                });
                self.teller.event(Kind::Blocked { who, by: by.clone() });
                self.tasks.exhaust(task);
                self.heed_end_of(task, Some(&by));
                continue;
            }
            match source.feed.pull(&self.inbox) {
                Pulled::Instance(instance) => {
                    source.pulled += 1;
                    let who = who(&source.name, &instance, &self.secrets);
                    let end = match self.fate(task, &who) {
                        Fate::Run => {
                            self.teller.event(Kind::Blocked { who, by: by.clone() });
                            Err(Lost::Failed(by))
                        }
                        Fate::Kept => Ok(()),
                        Fate::Left => Err(Lost::NotRun),
                    };
                    self.partner_ended(task, &instance, end);
                }
                // A source of known length never waits, and what it was to give does not matter any more.
                Pulled::Wait | Pulled::End | Pulled::Failed(_) => self.end_source(task),
            }
        }
        self.tasks.blocked().is_some()
    }
}

/// How many attempts are submitted at once. What is submitted beyond the workers saves them a wait; but then nobody can
/// say any more that something else is to start before it, or that it is not to start.
fn window(plan: &Plan, jobs: usize) -> usize {
    let first = plan.tasks.first().map(|task| &task.start);
    let plain = plan.halt.is_none()
        && plan.memory.is_none()
        && plan.tasks.iter().all(|task| {
            let start = &task.start;
            start.group.is_none()
                && start.queue_timeout.is_none()
                && first.is_none_or(|first| first.priority == start.priority)
        });
    match plain {
        true => jobs.saturating_mul(2).saturating_add(2),
        false => jobs,
    }
}

fn chunk<'c>(ready: &'c Ready, sources: &'c [Source], kind: OutputKind<'c>) -> OutputChunk<'c> {
    OutputChunk {
        label: &ready.who.label,
        task: &sources[ready.task].name,
        index: ready.instance.index,
        attempt: ready.attempt,
        place: (ready.task, ready.instance.index),
        kind,
    }
}
