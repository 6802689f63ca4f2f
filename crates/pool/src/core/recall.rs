//! Taking back what was sent to a worker and has not started there. Whether it has, only the worker's page knows, which is
//! asked through [`Recall`].

use super::tasks::Key;
use super::workers::Sent;
use super::{Core, Recall};

impl Core {
    /// Takes back one task that was sent; false: it has started.
    pub(super) fn take_back(&mut self, worker: usize, key: Key, recall: &mut dyn Recall) -> bool {
        let sent = &self.workers[worker].sent;
        let at = sent.iter().position(|s| s.key == key && s.live);
        at.is_some_and(|at| self.take_back_at(worker, at, recall))
    }

    /// Likewise the one at this place in the worker's list.
    pub(super) fn take_back_at(&mut self, worker: usize, at: usize, recall: &mut dyn Recall) -> bool {
        let Sent { key, cell, .. } = self.workers[worker].sent[at];
        if !recall.recall(worker, cell) {
            return false;
        }
        let size = self.task(key).map_or(0, |t| t.size);
        let w = &mut self.workers[worker];
        w.sent[at].live = false;
        w.live_sent -= 1;
        w.sent_bytes = w.sent_bytes.saturating_sub(u64::from(size));
        true
    }

    /// Takes back everything that has not started, newest first (so that the worker, which goes the other way,
    /// is met once); gives it oldest first. The tasks are nowhere then: the caller puts them somewhere.
    pub(super) fn recall_all(&mut self, worker: usize, recall: &mut dyn Recall) -> Vec<Key> {
        self.recall_some(worker, usize::MAX, recall)
    }

    pub(super) fn recall_some(&mut self, worker: usize, most: usize, recall: &mut dyn Recall) -> Vec<Key> {
        let mut taken = Vec::new();
        for at in (0..self.workers[worker].sent.len()).rev() {
            let sent = self.workers[worker].sent[at];
            if !sent.live {
                continue;
            }
            // Tasks start in order: behind one that has started there is none that has not.
            if taken.len() == most || !self.take_back_at(worker, at, recall) {
                break;
            }
            taken.push(sent.key);
        }
        taken.reverse();
        taken
    }
}
