//! Who starts next: tasks stand in line, by rank, and start an instance each as far as groups and memory allow. Pure:
//! it knows neither instances nor time, only which tasks have one to start, and what those that run take.
//!
//! What always holds: no group has more instances running than its limit, and what runs never takes more than the
//! memory there is. Whoever cannot start keeps nobody else from it, with one exception: the first in line that memory
//! is missing for has it reserved. Who comes after it starts only if both fit beside each other, so that it waits for
//! what ran when its turn came and for nothing else.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// A place in line; the least is the first. To start in another order, rank otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    /// As the job file says.
    pub(super) priority: Reverse<i64>,
    /// What was begun comes before what is new: another attempt, the next step of an item.
    pub(super) begun: Reverse<u32>,
    /// In the order of the plan.
    pub(super) place: usize,
}

/// What each instance of a task takes while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Takes {
    /// A place in this group.
    pub(super) group: Option<usize>,
    /// So many bytes.
    pub(super) memory: u64,
}

/// The tasks in line.
pub(super) struct Line {
    lanes: Vec<Lane>,
    /// Tasks that take the same: if the first of them cannot start, none can.
    classes: Vec<Class>,
    groups: Vec<Room>,
    memory: Option<Memory>,
    waiting: usize,
}

struct Lane {
    class: usize,
    rank: Option<Rank>,
}

struct Class {
    takes: Takes,
    line: BTreeSet<(Rank, usize)>,
}

struct Room {
    limit: u64,
    used: u64,
}

struct Memory {
    room: Room,
    reserved: Option<Reserved>,
    /// Counts reservations.
    epoch: u64,
}

/// Memory that is kept for a task that it is missing for.
struct Reserved {
    lane: usize,
    rank: Rank,
    memory: u64,
    /// What those take that have started since, and still run.
    overtaken: u64,
}

/// What an instance that runs gives back at its end.
#[derive(Debug)]
#[must_use]
pub(super) struct Ticket {
    takes: Takes,
    /// The reservation that it has overtaken.
    epoch: Option<u64>,
}

impl Line {
    /// Nobody is in line; what each task's instances take, how many may run in each group, and the memory there is.
    pub(super) fn new(
        tasks: impl IntoIterator<Item = Takes>,
        groups: impl IntoIterator<Item = u64>,
        memory: Option<u64>,
    ) -> Line {
        let mut classes: Vec<Class> = Vec::new();
        let mut known = HashMap::new();
        let lane = |takes: Takes| {
            let takes = Takes {
                // Without a limit nobody counts it.
                memory: memory.map_or(0, |_| takes.memory),
                ..takes
            };
            let class = *known.entry(takes).or_insert_with(|| {
                let line = BTreeSet::new();
                classes.push(Class { takes, line });
                classes.len() - 1
            });
            Lane { class, rank: None }
        };
        let lanes = tasks.into_iter().map(lane).collect();
        let room = |limit| Room { limit, used: 0 };
        Line {
            lanes,
            classes,
            groups: groups.into_iter().map(room).collect(),
            memory: memory.map(|limit| Memory {
                room: room(limit),
                reserved: None,
                epoch: 0,
            }),
            waiting: 0,
        }
    }

    /// The task has an instance to start, of this rank.
    pub(super) fn offer(&mut self, lane: usize, rank: Rank) {
        if self.lanes[lane].rank != Some(rank) {
            self.withdraw(lane);
            let Lane { class, rank: place } = &mut self.lanes[lane];
            *place = Some(rank);
            self.classes[*class].line.insert((rank, lane));
            self.waiting += 1;
        }
    }

    /// It has none.
    pub(super) fn withdraw(&mut self, lane: usize) {
        let Lane { class, rank } = &mut self.lanes[lane];
        if let Some(rank) = rank.take() {
            self.classes[*class].line.remove(&(rank, lane));
            self.waiting -= 1;
        }
    }

    /// Nobody has anything to start.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// The task whose turn it is.
    pub(super) fn next(&mut self) -> Option<usize> {
        self.reserve();
        let free = self.memory.as_ref().map(Memory::free);
        let reserved = self.memory.as_ref().and_then(|memory| memory.reserved.as_ref());
        let may_start = |takes: Takes, rank: Rank| match (free, reserved) {
            _ if takes.memory == 0 => true,
            (Some(free), _) if takes.memory > free => false,
            (Some(_), Some(reserved)) if rank > reserved.rank => self.fits_beside(reserved, takes.memory),
            _ => true,
        };
        self.heads()
            .filter(|(rank, _, takes)| may_start(*takes, *rank))
            .min_by_key(|(rank, ..)| *rank)
            .map(|(_, lane, _)| lane)
    }

    /// An instance of the task starts; only after [`next`](Line::next) has named it.
    pub(super) fn start(&mut self, lane: usize) -> Ticket {
        let takes = self.classes[self.lanes[lane].class].takes;
        if let Some(group) = takes.group {
            self.groups[group].used += 1;
        }
        let mut epoch = None;
        if let Some(memory) = self.memory.as_mut().filter(|_| takes.memory > 0) {
            memory.room.used += takes.memory;
            if let Some(reserved) = &mut memory.reserved {
                if reserved.lane == lane {
                    memory.reserved = None;
                } else {
                    reserved.overtaken += takes.memory;
                    epoch = Some(memory.epoch);
                }
            }
        }
        Ticket { takes, epoch }
    }

    /// It has ended, or did not start after all.
    pub(super) fn end(&mut self, Ticket { takes, epoch }: Ticket) {
        if let Some(group) = takes.group {
            self.groups[group].used -= 1;
        }
        if let Some(memory) = self.memory.as_mut().filter(|_| takes.memory > 0) {
            memory.room.used -= takes.memory;
            if let Some(reserved) = memory.reserved.as_mut().filter(|_| epoch == Some(memory.epoch)) {
                reserved.overtaken -= takes.memory;
            }
        }
    }

    /// The first of each class whose group has room.
    fn heads(&self) -> impl Iterator<Item = (Rank, usize, Takes)> {
        let has_room = |class: &&Class| {
            class.takes.group.is_none_or(|group| {
                let group = &self.groups[group];
                group.used < group.limit
            })
        };
        self.classes.iter().filter(has_room).filter_map(|class| {
            let (rank, lane) = class.line.first()?;
            Some((*rank, *lane, class.takes))
        })
    }

    /// Finds the first in line that only memory is missing for.
    fn reserve(&mut self) {
        let Some(free) = self.memory.as_ref().map(Memory::free) else {
            return;
        };
        let first = self
            .heads()
            .filter(|(.., takes)| takes.memory > free)
            .min_by_key(|(rank, ..)| *rank);
        if let Some(memory) = &mut self.memory {
            let kept = memory.reserved.take();
            memory.reserved = first.map(|(rank, lane, takes)| match kept {
                Some(kept) if kept.lane == lane => Reserved { rank, ..kept },
                _ => {
                    memory.epoch += 1;
                    Reserved {
                        lane,
                        rank,
                        memory: takes.memory,
                        overtaken: 0,
                    }
                }
            });
        }
    }

    /// What has overtaken it and this, and it, can all run at once.
    fn fits_beside(&self, reserved: &Reserved, more: u64) -> bool {
        let limit = self.memory.as_ref().map_or(u64::MAX, |memory| memory.room.limit);
        reserved
            .overtaken
            .saturating_add(reserved.memory)
            .saturating_add(more)
            <= limit
    }
}

impl Memory {
    fn free(&self) -> u64 {
        self.room.limit - self.room.used
    }
}

#[cfg(test)]
mod tests;
