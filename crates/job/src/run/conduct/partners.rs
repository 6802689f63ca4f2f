//! Instances that wait for their partners: they come from their source a bounded number ahead, and start, or are told
//! why not, when their partners have ended.

use pexec::Executor;

use super::Conductor;
use crate::event::Kind;
use crate::plan::Instance;
use crate::run::flight::Ready;
use crate::run::judge;
use crate::run::pairs::{LetGo, Lost};
use crate::text::Text;

/// How many instances of a task wait for partners in memory; the others wait in their source.
const HELD: usize = 1024;

impl<E: Executor> Conductor<'_, E> {
    /// Takes instances from the sources of tasks that wait for partners.
    pub(super) fn match_up(&mut self) {
        if !self.goes_on() {
            return;
        }
        for at in 0..self.paired.len() {
            let task = self.paired[at];
            let waits = |this: &Self| this.pairs.held(task) + this.sources[task].queued.len() < HELD;
            while self.tasks.is_open(task)
                && !self.sources[task].dry
                && waits(self)
                && !self.past.is_tired()
                && self.held.len() < super::hold::MOST
            {
                if let Ok(ready) = self.take(task) {
                    let (item, keys) = (ready.instance.item.clone(), ready.instance.keys.clone());
                    let gone = self.pairs.come(task, item.as_ref(), &keys, ready);
                    self.let_go(gone.into_iter().collect());
                }
            }
        }
    }

    /// There are tasks that wait for partners, and more of them may come.
    pub(super) fn awaits_partners(&self) -> bool {
        self.paired.iter().any(|task| self.tasks.is_open(*task))
    }

    /// An instance has come to its end: others may have waited for it.
    pub(super) fn partner_ended(&mut self, task: usize, instance: &Instance, how: Result<(), Lost>) {
        if self.pairs.is_needed(task) {
            let gone = self.pairs.end(task, instance.item.as_ref(), &instance.keys, how);
            self.let_go(gone);
        }
    }

    /// If the task is over, nobody need wait for its instances any more; `by`: what kept the rest of them from coming.
    pub(super) fn heed_end_of(&mut self, task: usize, by: Option<&Text>) {
        if self.pairs.is_needed(task) && self.tasks.is_over(task) && self.goes_on() {
            let by = by.or(self.sources[task].broken.as_ref()).cloned();
            let gone = self.pairs.over(task, by);
            self.let_go(gone);
        }
    }

    fn let_go(&mut self, gone: Vec<LetGo<Ready>>) {
        for (mut ready, how) in gone {
            let task = ready.task;
            match how {
                Ok(()) => {
                    // It can start from now on.
                    let limit = self.sources[task].start.queue_timeout;
                    ready.expires = limit.and_then(|limit| self.options.clock.now().checked_add(limit));
                    self.sources[task].queued.push_back(ready);
                    self.offer(task);
                }
                Err(Lost::NoPartner(need)) if self.goes_on() => {
                    let need = self.sources[need].name.clone();
                    self.tell_unstarted(ready, judge::no_partner(&need));
                }
                Err(Lost::Failed(by)) if self.goes_on() => self.tell_partner_lost(ready, &by),
                Err(_) => {
                    self.tasks.abandon(task);
                    self.partner_ended(task, &ready.instance, Err(Lost::NotRun));
                }
            }
        }
    }

    /// Alone blocked, for what its partner came to.
    fn tell_partner_lost(&mut self, ready: Ready, by: &Text) {
        let task = ready.task;
        let told = self.teller.event(Kind::Blocked {
            who: ready.who.clone(),
            by: by.clone(),
        });
        match told {
            true => self.tasks.fail(task, by),
            false => self.tasks.abandon(task),
        }
        self.partner_ended(task, &ready.instance, Err(Lost::Failed(by.clone())));
        self.heed_end_of(task, None);
    }
}
