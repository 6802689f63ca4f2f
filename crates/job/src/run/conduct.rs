//! The loop of a run: start what may start, wait, take in what came, see whether to stop.

mod hold;
mod land;
mod past;
mod stopping;
mod veil;

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

use pexec::{Executor, TrySubmitError};

use super::delayed::Delayed;
use super::feed::{Feed, Pulled};
use super::flight::{Flight, Ready, who};
use super::inbox::{Inbox, Message, Waker};
use super::judge;
use super::tail::Tail;
use super::tasks::Tasks;
use super::teller::Teller;
use super::{Error, Finished, Options, OutputChunk, OutputKind, Sink};
use crate::event::{Kind, Who};
use crate::exec::note::Note;
use crate::exec::{self, Notes};
use crate::plan::{Halt, Plan, Retry};
use crate::secrets::Secrets;
use crate::text::Text;

/// The longest the loop sleeps: the sink's `idle` is due then.
const TURN: Duration = Duration::from_millis(50);
/// How often it is looked what calls have printed, where that is wanted line by line.
const LOOK: Duration = Duration::from_millis(25);
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
    again: VecDeque<Ready>,
    /// Attempts that are to be made again later.
    delayed: Delayed<Ready>,
    held: VecDeque<hold::Held>,
    past: past::Kept,
    flights: HashMap<u64, Flight>,
    launched: u64,
    /// For the spread of pauses: another one in every run.
    seed: u64,
    looked: Instant,
    /// How often the run was asked to stop, as far as it has noticed.
    asked: u32,
    signal: Option<i32>,
    /// What ends the run early, and whether it does.
    policy: Option<Halt>,
    halted: Option<Halt>,
    broken: Option<String>,
}

/// A task, as far as its instances are concerned.
struct Source {
    name: String,
    retry: Retry,
    total: Option<u64>,
    pulled: u64,
    feed: Feed,
}

impl<'a, E: Executor> Conductor<'a, E> {
    pub(super) fn new(
        executor: &'a E,
        plan: Plan,
        mut options: Options,
        sink: &'a mut dyn Sink,
    ) -> Conductor<'a, E> {
        use std::os::unix::ffi::OsStringExt;
        let tasks = Tasks::new(plan.tasks.iter().map(|task| task.needs.clone()));
        let source = |task: crate::plan::TaskPlan| Source {
            name: task.name,
            retry: task.retry,
            total: task.total,
            pulled: 0,
            feed: Feed::new(task.instances, task.total.is_none()),
        };
        let inbox = Arc::new(Inbox::new());
        options.stop.wakes(&inbox);
        sink.wakes(Waker::of(&inbox));
        Conductor {
            executor,
            teller: Teller::new(sink, options.first_seq, plan.secrets.clone()),
            past: past::Kept::new(options.past.take(), plan.tasks.len()),
            options,
            secrets: plan.secrets,
            inbox,
            tasks,
            sources: plan.tasks.into_iter().map(source).collect(),
            job: (plan.name, Text::from(plan.dir.into_os_string().into_vec())),
            again: VecDeque::new(),
            delayed: Delayed::new(),
            held: VecDeque::new(),
            flights: HashMap::new(),
            launched: 0,
            seed: RandomState::new().hash_one(0),
            looked: Instant::now(),
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
            self.launch();
            self.make_haste();
            let more = self.tell_blocked() | self.tell_kept();
            if self.flights.is_empty() && self.held.is_empty() && !more && !self.may_start() {
                break;
            }
            self.teller.flush();
            // Emptied now, the inbox is told of room at once; what came is handled after.
            let wait = if more { Duration::ZERO } else { self.turn() };
            for message in self.inbox.take(wait) {
                match message {
                    Message::Note { flight, bytes } => self.note(flight, &bytes),
                    Message::Done { flight } => self.land(flight),
                }
            }
            self.look_at_calls();
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
            resumed: self.past.is_there(),
        });
        for source in &self.sources {
            self.teller.event(Kind::Planned {
                task: source.name.clone(),
                total: source.total,
            });
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
            && (!self.again.is_empty() || !self.delayed.is_empty() || !self.tasks.opened().is_empty())
    }

    /// How long there is nothing to do if nothing comes.
    fn turn(&self) -> Duration {
        let due = self.delayed.next_due().filter(|_| self.goes_on());
        due.map_or(TURN, |due| {
            due.saturating_duration_since(self.options.clock.now()).min(TURN)
        })
    }

    /// How many attempts may be under way. What is submitted beyond the workers saves them a wait, but nobody can say any
    /// more that it is not to start.
    fn window(&self) -> usize {
        match self.policy {
            None => self.options.jobs.saturating_mul(2).saturating_add(2),
            Some(_) => self.options.jobs,
        }
    }

    fn launch(&mut self) {
        if !self.delayed.is_empty() {
            let now = self.options.clock.now();
            while let Some(ready) = self.delayed.pop_due(now) {
                self.again.push_back(ready);
            }
        }
        let window = self.window();
        while self.flights.len() < window && self.held.len() < hold::MOST && self.goes_on() {
            let Some(ready) = self.next() else { return };
            if let Err(ready) = self.submit(ready) {
                self.again.push_front(ready);
                return;
            }
        }
    }

    /// The next instance to start: one that is to be tried again, or else the first of the plan.
    fn next(&mut self) -> Option<Ready> {
        if let Some(ready) = self.again.pop_front() {
            return Some(ready);
        }
        // A task that ends here may open others: look again until nothing changes.
        'look: loop {
            for task in self.tasks.opened() {
                match self.sources[task].feed.pull(&self.inbox) {
                    Pulled::Instance(instance) => {
                        self.sources[task].pulled += 1;
                        let who = who(&self.sources[task].name, &instance, &self.secrets);
                        if !self.is_to_run(task, &who) {
                            if self.past.is_tired() {
                                return None;
                            }
                            continue 'look;
                        }
                        self.tasks.begin(task);
                        return Some(Ready {
                            task,
                            who,
                            instance,
                            attempt: 1,
                            announced: true,
                        });
                    }
                    Pulled::Wait => {}
                    Pulled::End => {
                        self.end_source(task);
                        continue 'look;
                    }
                    Pulled::Failed(why) => {
                        self.fail_source(task, why);
                        continue 'look;
                    }
                }
            }
            return None;
        }
    }

    fn end_source(&mut self, task: usize) {
        let source = &mut self.sources[task];
        if source.total != Some(source.pulled) {
            source.total = Some(source.pulled);
            self.teller.event(Kind::Planned {
                task: source.name.clone(),
                total: source.total,
            });
        }
        self.tell_kept_of(task);
        self.tasks.exhaust(task);
    }

    /// A source that broke counts as one more instance, which failed: so the run does, and what needs it does
    /// not run.
    fn fail_source(&mut self, task: usize, why: String) {
        let source = &mut self.sources[task];
        let name = source.name.clone();
        let who = Who {
            id: format!("{name}/{}", source.pulled),
            task: name.clone(),
            index: source.pulled,
            label: Text::from(name),
            item: None,
            key: None,
        };
        source.pulled += 1;
        self.tasks.begin(task);
        self.end_source(task);
        self.teller.event(Kind::Started {
            who: who.clone(),
            attempt: 1,
            pid: None,
            worker: None,
        });
        let label = who.label.clone();
        let end = Box::new(judge::source_failed(why));
        if self.teller.event(Kind::Finished { who, attempt: 1, end }) {
            self.tasks.fail(task, &label);
        } else {
            self.tasks.abandon(task);
        }
    }

    fn notes(&self, ready: &Ready) -> Notes {
        let options = &self.options;
        ready.notes(
            &options.run_id,
            options.stream,
            &options.spill_dir,
            options.inline_limit,
        )
    }

    /// Gives an attempt to the executor; back comes one that there is no room for.
    fn submit(&mut self, mut ready: Ready) -> Result<(), Ready> {
        if !ready.announced {
            ready.announced = true;
            let who = ready.who.clone();
            if !self.teller.event(Kind::Retried {
                who,
                attempt: ready.attempt,
            }) {
                return Err(ready);
            }
        }
        let flight = self.launched;
        let work = (ready.instance.work)(ready.attempt);
        let notes = self.notes(&ready);
        // A command's time is kept by its worker, which has a ladder for it.
        let (is_call, timeout) = (work.is_call(), work.timeout().filter(|_| work.is_call()));
        let limits = work.limits().of_call().filter(|_| is_call);
        let tail = (is_call && self.options.stream).then(|| Tail::new(&notes));
        let noted = Arc::clone(&self.inbox);
        let mut task = self
            .executor
            .task(exec::perform, (work, notes))
            .label(ready.instance.label.to_string())
            .on_emit(move |bytes| noted.note(flight, bytes));
        if let Some(timeout) = timeout {
            task = task.timeout(timeout);
        }
        if let Some(limits) = limits {
            task = task.limits(limits);
        }
        match task.try_submit() {
            Ok(future) => {
                self.launched += 1;
                let started = Flight::new(flight, ready, future, is_call, tail, &self.inbox);
                self.flights.insert(flight, started);
                Ok(())
            }
            Err(TrySubmitError::Full(_)) => Err(ready),
            Err(TrySubmitError::Closed(_)) => {
                self.broken
                    .get_or_insert_with(|| "it was shut down while the run was using it".to_owned());
                Err(ready)
            }
        }
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

    /// Gives out what calls have printed by now; commands send it themselves.
    fn look_at_calls(&mut self) {
        if !self.options.stream || self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        for flight in self.flights.values_mut() {
            let Flight { ready, tail, .. } = flight;
            if let Some(tail) = tail {
                tail.look(&mut |kind| self.teller.output(chunk(ready, &self.sources, kind)));
            }
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
                self.teller.event(Kind::Blocked { who, by });
                self.tasks.exhaust(task);
                continue;
            }
            match source.feed.pull(&self.inbox) {
                Pulled::Instance(instance) => {
                    source.pulled += 1;
                    let who = who(&source.name, &instance, &self.secrets);
                    if self.is_to_run(task, &who) {
                        self.teller.event(Kind::Blocked { who, by });
                    }
                }
                // A source of known length never waits, and what it was to give does not matter any more.
                Pulled::Wait | Pulled::End | Pulled::Failed(_) => self.end_source(task),
            }
        }
        self.tasks.blocked().is_some()
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
