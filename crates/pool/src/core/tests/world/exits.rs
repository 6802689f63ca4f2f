//! The end of a played worker: what the core makes of it, held against what truly ran there.

use super::World;
use crate::core::tasks::Place;
use crate::core::tests::process::{Cell, Doing, Frame};
use crate::core::{Cause, Departure, Key, State};

impl World {
    /// Finds that the process is gone, with everything that the driver does then.
    pub(super) fn bury(&mut self, slot: usize) {
        while let Some(process) = self.machine.processes[slot].as_mut().filter(|p| !p.unread) {
            let Some(frame) = process.out.pop_front() else {
                break;
            };
            self.hear(slot, frame);
        }
        if !self.process(slot).unread && !self.chance.one_in(4) {
            self.hear(slot, Frame::End);
        }
        let Some(process) = self.machine.processes[slot].take() else {
            return;
        };
        let sent: Vec<_> = self.core.workers[slot].sent.iter().copied().collect();
        // The worker reads the argument of what it names. What it names may also be an older attempt, answered and not
        // cleared; if that task is in front here again, the two cannot be told apart.
        let first = sent
            .iter()
            .find(|s| s.live && !process.unanswered.contains(&s.id));
        let named = sent.iter().find(|s| s.id == process.named).filter(|s| s.live);
        let named = named
            .map(|s| s.id)
            .filter(|&id| first.is_some_and(|first| first.id == id));
        let passes_over = matches!(process.doing, Doing::Receiving(call) if process.cells[usize::from(call.cell)] != Cell::Sent);
        let named = named.filter(|_| !passes_over);
        let live: Vec<(Key, u64)> = sent.iter().filter(|s| s.live).map(|s| (s.key, s.id)).collect();
        let is_hit = |id: &u64| process.unanswered.contains(id) || named == Some(*id);
        let hit = live.iter().filter(|(_, id)| is_hit(id)).count();
        assert!(hit <= 1 || process.faulty, "a death hits {hit} tasks");
        for (_, id) in &live {
            self.machine.truth.task(*id).held = None;
        }
        self.last_end[slot] = (process.ended_for, self.state.clone());

        let reason = "it is gone".to_owned();
        let running = (process.named != 0).then_some(process.named);
        // Only a process that nobody ends can have reached a limit.
        let limit = process.limit && process.ended_for.is_none();
        let departure = Departure {
            running,
            reason,
            limit,
        };
        self.core.departed(self.now, slot, &departure, &mut self.machine);
        self.after();
        let mut back = Vec::new();
        for (key, id) in live {
            let task = self.core.task(key).expect("it is not released yet");
            let (attempt, place) = (task.attempt, task.place);
            let truth = self.machine.truth.task(id);
            if is_hit(&id) {
                if attempt > truth.attempt {
                    let cause = if process.ended_for == Some(id) {
                        Cause::TimedOut
                    } else if departure.limit {
                        Cause::LimitExceeded
                    } else {
                        Cause::Crashed
                    };
                    self.machine.truth.tries_again(id, cause, self.now);
                } else {
                    assert_eq!(
                        place,
                        Place::Ended,
                        "task {id} had started and runs again, uncharged"
                    );
                }
            } else {
                assert_eq!(attempt, truth.attempt, "task {id} had not started and is charged");
                match place {
                    Place::Queued { .. } if task.priority() != 0 => {}
                    Place::Queued { .. } => back.push(key),
                    _ => assert!(
                        self.state >= State::Stopping,
                        "task {id} had not started and is {place:?}"
                    ),
                }
            }
        }
        let queued = |&&(key, ticket): &&(Key, u32)| {
            self.core
                .task(key)
                .is_some_and(|t| t.place == Place::Queued { ticket })
        };
        let front: Vec<Key> = self
            .core
            .queue
            .iter()
            .filter(queued)
            .take(back.len())
            .map(|e| e.0)
            .collect();
        assert_eq!(
            front, back,
            "what had not started is in front again, in its order"
        );
        self.carry_out();
    }
}
