//! What starts: the next instance in line is taken from its source and given to the executor.

use std::cmp::Reverse;
use std::sync::Arc;

use pexec::{Executor, TrySubmitError};

use super::{Conductor, hold};
use crate::event::{Kind, Who};
use crate::exec;
use crate::exec::make::Making;
use crate::files::Files;
use crate::record::Fate;
use crate::run::feed::Pulled;
use crate::run::flight::{Flight, Ready, who};
use crate::run::judge;
use crate::run::line::Rank;
use crate::run::pairs::Lost;
use crate::run::tail::Tail;
use crate::text::Text;

/// Why a source gave nothing to run.
pub(super) enum Nothing {
    /// It gave an instance that is not to run again.
    Kept,
    /// It has none now, or none any more.
    More,
}

impl<E: Executor> Conductor<'_, E> {
    /// Starts what may start.
    pub(super) fn launch(&mut self) {
        if !self.delayed.is_empty() {
            let now = self.options.clock.now();
            while let Some(ready) = self.delayed.pop_due(now) {
                let task = ready.task;
                self.sources[task].again.push_back(ready);
                self.offer(task);
            }
        }
        self.open_tasks();
        for task in std::mem::take(&mut self.dry) {
            self.sources[task].dry = false;
            self.offer(task);
        }
        self.match_up();
        while self.flights.len() < self.window && self.held.len() < hold::MOST && self.goes_on() {
            let Some(ready) = self.next() else { return };
            if let Err(mut ready) = self.submit(ready) {
                self.free(&mut ready);
                let task = ready.task;
                self.sources[task].again.push_front(ready);
                self.offer(task);
                return;
            }
        }
    }

    /// The next instance to start, with what it takes from groups and memory.
    fn next(&mut self) -> Option<Ready> {
        loop {
            self.open_tasks();
            let task = self.line.next()?;
            let taken = match self.sources[task].take_begun() {
                Some(ready) => Ok(ready),
                None => self.take(task),
            };
            let ready = match taken {
                Ok(ready) if self.past_ends_it(task) => {
                    self.sources[task].again.push_front(ready);
                    self.offer(task);
                    return None;
                }
                Ok(mut ready) => {
                    ready.ticket = Some(self.line.start(task));
                    Some(ready)
                }
                Err(Nothing::Kept) if self.past.is_tired() => return None,
                Err(Nothing::Kept | Nothing::More) => None,
            };
            self.offer(task);
            if ready.is_some() {
                return ready;
            }
        }
    }

    /// What was kept of the task counts for the policy before anything of it starts.
    fn past_ends_it(&mut self, task: usize) -> bool {
        if self.policy.is_some() {
            self.tell_kept_of(task);
            self.heed_policy();
        }
        !self.goes_on()
    }

    /// Asks a task's source for its next instance.
    pub(super) fn take(&mut self, task: usize) -> Result<Ready, Nothing> {
        let clock = &self.options.clock;
        let source = &mut self.sources[task];
        match source.feed.pull(&self.inbox) {
            Pulled::Instance(instance) => {
                source.pulled += 1;
                let ready = Ready {
                    task,
                    who: who(&source.name, &instance, &self.secrets),
                    expires: source.deadline(|| clock.now()),
                    instance,
                    attempt: 1,
                    announced: true,
                    ticket: None,
                    before: Vec::new(),
                };
                if self.pairs.is_needed(task) {
                    let instance = &ready.instance;
                    self.pairs.begin(task, instance.item.as_ref(), &instance.keys);
                }
                match self.fate(task, &ready.who) {
                    Fate::Run => self.tasks.begin(task),
                    Fate::Kept => {
                        self.partner_ended(task, &ready.instance, Ok(()));
                        return Err(Nothing::Kept);
                    }
                    Fate::Left => {
                        self.partner_ended(task, &ready.instance, Err(Lost::NotRun));
                        return Err(Nothing::Kept);
                    }
                }
                return Ok(ready);
            }
            Pulled::Wait => {
                source.dry = true;
                self.dry.push(task);
            }
            Pulled::End => self.end_source(task),
            Pulled::Failed(why) => self.fail_source(task, why),
        }
        Err(Nothing::More)
    }

    /// Puts tasks in line whose needs have all succeeded.
    fn open_tasks(&mut self) {
        while let Some(task) = self.tasks.take_opened() {
            self.sources[task].opened = Some(self.options.clock.now());
            self.offer(task);
        }
    }

    /// Sees to it that the task stands in line if it has something to start, and only then.
    pub(super) fn offer(&mut self, task: usize) {
        let source = &self.sources[task];
        let begun = match source.has_begun() {
            Some(begun) => begun,
            None if self.tasks.is_open(task) && !source.dry && !self.pairs.is_paired(task) => 0,
            None => return self.line.withdraw(task),
        };
        let rank = Rank {
            priority: Reverse(source.start.priority),
            begun: Reverse(begun),
            place: task,
        };
        self.line.offer(task, rank);
    }

    /// An attempt is over: what it took from groups and memory is there again.
    pub(super) fn free(&mut self, ready: &mut Ready) {
        if let Some(ticket) = ready.ticket.take() {
            self.line.end(ticket);
        }
    }

    pub(super) fn end_source(&mut self, task: usize) {
        let source = &mut self.sources[task];
        if source.total != Some(source.pulled) {
            source.total = Some(source.pulled);
            self.teller.event(Kind::Planned {
                task: source.name.clone(),
                total: source.total,
            });
        }
        self.tell_kept_of(task);
        self.tell_since(task);
        self.tasks.exhaust(task);
        self.heed_end_of(task, None);
        self.offer(task);
    }

    /// A source that broke counts as one more instance, which failed: so the run does, and what needs it does
    /// not run.
    pub(super) fn fail_source(&mut self, task: usize, why: String) {
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
        source.broken = Some(who.label.clone());
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
        self.heed_end_of(task, None);
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
        let mut notes = self.notes(&ready);
        if let Some(files) = &ready.instance.files {
            ready.before = files.stamps();
            let known = ready.who.key.and_then(|key| self.options.successes.content(&key));
            notes.making = Some(Box::new(Making {
                files: Files::clone(files),
                known,
                before: ready.before.clone(),
            }));
        }
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
}
