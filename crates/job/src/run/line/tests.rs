use super::*;

fn rank(priority: i64, place: usize) -> Rank {
    Rank {
        priority: Reverse(priority),
        begun: Reverse(0),
        place,
    }
}

fn takes(group: Option<usize>, memory: u64) -> Takes {
    Takes { group, memory }
}

/// Tasks with so many instances each.
struct Sim {
    line: Line,
    takes: Vec<Takes>,
    ranks: Vec<Rank>,
    left: Vec<u64>,
    running: Vec<(usize, Ticket)>,
    limits: Vec<u64>,
    memory: Option<u64>,
}

impl Sim {
    fn new(tasks: &[(Takes, i64, u64)], limits: &[u64], memory: Option<u64>) -> Sim {
        let line = Line::new(tasks.iter().map(|task| task.0), limits.iter().copied(), memory);
        let mut sim = Sim {
            line,
            takes: tasks.iter().map(|task| task.0).collect(),
            ranks: (0..tasks.len()).map(|at| rank(tasks[at].1, at)).collect(),
            left: tasks.iter().map(|task| task.2).collect(),
            running: Vec::new(),
            limits: limits.to_vec(),
            memory,
        };
        for lane in 0..tasks.len() {
            sim.offer(lane);
        }
        sim
    }

    fn offer(&mut self, lane: usize) {
        match self.left[lane] {
            0 => self.line.withdraw(lane),
            _ => self.line.offer(lane, self.ranks[lane]),
        }
    }

    fn start(&mut self) -> Option<usize> {
        let lane = self.line.next()?;
        assert!(self.left[lane] > 0, "it has nothing to start");
        self.left[lane] -= 1;
        let ticket = self.line.start(lane);
        self.running.push((lane, ticket));
        self.offer(lane);
        self.check();
        Some(lane)
    }

    fn end(&mut self, at: usize) -> usize {
        let (lane, ticket) = self.running.swap_remove(at);
        self.line.end(ticket);
        lane
    }

    fn in_group(&self, group: usize) -> u64 {
        let member = |(lane, _): &&(usize, Ticket)| self.takes[*lane].group == Some(group);
        self.running.iter().filter(member).count() as u64
    }

    fn used(&self) -> u64 {
        self.running
            .iter()
            .map(|(lane, _)| self.takes[*lane].memory)
            .sum()
    }

    fn check(&self) {
        for (group, limit) in self.limits.iter().enumerate() {
            assert!(self.in_group(group) <= *limit, "group {group} is over its limit");
        }
        assert!(
            self.memory.is_none_or(|limit| self.used() <= limit),
            "out of memory"
        );
    }

    fn has_room(&self, lane: usize) -> bool {
        self.takes[lane]
            .group
            .is_none_or(|group| self.in_group(group) < self.limits[group])
    }

    /// Tasks that could start if there were no reservation, first in line first.
    fn could_start(&self) -> Vec<usize> {
        let mut lanes: Vec<usize> = (0..self.left.len())
            .filter(|&lane| self.left[lane] > 0 && self.has_room(lane))
            .filter(|&lane| {
                let memory = self.takes[lane].memory;
                self.memory
                    .is_none_or(|limit| memory == 0 || self.used() + memory <= limit)
            })
            .collect();
        lanes.sort_by_key(|&lane| self.ranks[lane]);
        lanes
    }

    /// The first in line that only memory is missing for.
    fn starving(&self) -> Option<usize> {
        let limit = self.memory?;
        (0..self.left.len())
            .filter(|&lane| self.left[lane] > 0 && self.has_room(lane))
            .filter(|&lane| self.takes[lane].memory > limit - self.used())
            .min_by_key(|&lane| self.ranks[lane])
    }
}

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % n
    }
}

#[test]
fn higher_priorities_go_first_and_equals_in_the_order_of_the_plan() {
    let none = Takes::default();
    let mut sim = Sim::new(
        &[(none, 0, 2), (none, 5, 2), (none, 0, 1), (none, -1, 1)],
        &[],
        None,
    );
    let order: Vec<usize> = std::iter::from_fn(|| sim.start()).collect();
    assert_eq!(order, [1, 1, 0, 0, 2, 3]);
    assert!(sim.line.is_empty());
}

#[test]
fn what_was_begun_goes_before_what_is_new_but_not_before_a_higher_priority() {
    let mut line = Line::new([Takes::default(); 3], [], None);
    line.offer(0, rank(0, 0));
    line.offer(
        1,
        Rank {
            begun: Reverse(1),
            ..rank(0, 1)
        },
    );
    line.offer(2, rank(1, 2));
    let mut order = Vec::new();
    while let Some(lane) = line.next() {
        let ticket = line.start(lane);
        line.end(ticket);
        line.withdraw(lane);
        order.push(lane);
    }
    assert_eq!(order, [2, 1, 0]);
}

#[test]
fn a_full_group_keeps_nobody_else_waiting() {
    let mut sim = Sim::new(
        &[
            (takes(Some(0), 0), 9, 3),
            (takes(None, 0), 0, 2),
            (takes(Some(0), 0), 9, 1),
        ],
        &[2],
        None,
    );
    let order: Vec<usize> = std::iter::from_fn(|| sim.start()).collect();
    assert_eq!(order, [0, 0, 1, 1]);
    sim.end(0);
    assert_eq!(sim.start(), Some(0));
    assert_eq!(sim.start(), None);
    let member = sim.running.iter().position(|(lane, _)| *lane == 0).expect("runs");
    sim.end(member);
    assert_eq!(sim.start(), Some(2));
}

#[test]
fn who_waits_for_memory_is_not_overtaken_for_ever_and_leaves_none_unused_that_it_cannot_use() {
    // Small ones of 3, then a big one of 7, of 10.
    let mut sim = Sim::new(
        &[
            (takes(None, 3), 1, 2),
            (takes(None, 7), 0, 2),
            (takes(None, 3), -1, 9),
        ],
        &[],
        Some(10),
    );
    assert_eq!([sim.start(), sim.start()], [Some(0), Some(0)]);
    // 4 are left: too few for 7, and one of 3 fits beside it; a second one would not.
    assert_eq!(sim.start(), Some(2));
    assert_eq!(sim.start(), None);
    assert_eq!(sim.end(0), 0);
    assert_eq!(sim.start(), None, "3 are free, and kept for the 7");
    assert_eq!(sim.running.iter().map(|(lane, _)| *lane).max(), Some(2));
    let first = sim.running.iter().position(|(lane, _)| *lane == 0).expect("runs");
    sim.end(first);
    assert_eq!(sim.start(), Some(1), "its turn, with 3 beside it");
    assert_eq!(sim.start(), None);
}

#[test]
fn without_a_limit_memory_holds_nobody_back() {
    let mut sim = Sim::new(&[(takes(None, u64::MAX), 0, 100)], &[], None);
    assert_eq!(std::iter::from_fn(|| sim.start()).count(), 100);
}

#[test]
fn whatever_happens_no_limit_is_passed_nobody_idles_and_every_instance_starts_once() {
    for seed in 1..400 {
        let mut dice = Dice(seed);
        let limits: Vec<u64> = (0..dice.below(4)).map(|_| 1 + dice.below(3)).collect();
        let memory = (dice.below(3) > 0).then(|| 10 + dice.below(20));
        let tasks: Vec<(Takes, i64, u64)> = (0..1 + dice.below(12))
            .map(|_| {
                let group = dice.below(limits.len() as u64 + 1) as usize;
                let memory = match dice.below(3) {
                    0 => 0,
                    1 => 1 + dice.below(4),
                    _ => 1 + dice.below(memory.unwrap_or(10)),
                };
                let takes = takes((group < limits.len()).then_some(group), memory);
                (takes, dice.below(3) as i64, dice.below(20))
            })
            .collect();
        let mut sim = Sim::new(&tasks, &limits, memory);
        let slots = 1 + dice.below(8) as usize;
        let mut started = vec![0; tasks.len()];
        loop {
            while sim.running.len() < slots {
                let could = sim.could_start();
                let starving = sim.starving();
                match sim.start() {
                    Some(lane) => {
                        started[lane] += 1;
                        assert!(could.contains(&lane), "{seed}");
                        // Only for a reservation is the first that could start not the one that does.
                        let first = could[0];
                        assert!(
                            lane == first || starving.is_some_and(|big| sim.ranks[big] < sim.ranks[first]),
                            "{seed}: {lane} went before {first}"
                        );
                    }
                    None => {
                        // Nobody could start, or all who could are held back for one before them.
                        assert!(
                            could.iter().all(|&lane| {
                                sim.takes[lane].memory > 0
                                    && starving.is_some_and(|big| sim.ranks[big] < sim.ranks[lane])
                            }),
                            "{seed}: {could:?} idle"
                        );
                        break;
                    }
                }
            }
            if sim.running.is_empty() {
                break;
            }
            let at = dice.below(sim.running.len() as u64) as usize;
            sim.end(at);
        }
        let planned: Vec<u64> = tasks.iter().map(|task| task.2).collect();
        assert_eq!(started, planned, "{seed}");
        assert!(sim.line.is_empty());
    }
}

#[test]
fn the_first_that_waits_for_memory_waits_only_for_what_ran_when_its_turn_came() {
    for seed in 1..200 {
        let mut dice = Dice(seed);
        // The big one comes when small ones have begun, and has a higher priority than those that follow.
        let big = 10 + dice.below(10);
        let mut sim = Sim::new(
            &[
                (takes(None, big), 1, 1),
                (takes(None, 1 + dice.below(6)), 0, 10_000),
            ],
            &[],
            Some(20),
        );
        sim.line.withdraw(0);
        while sim.start().is_some() {}
        let before = sim.running.len();
        for at in 0..before {
            sim.running[at].0 = usize::MAX - 1;
        }
        let olds = |sim: &Sim| {
            sim.running
                .iter()
                .filter(|(lane, _)| *lane == usize::MAX - 1)
                .count()
        };
        sim.offer(0);
        loop {
            let next = sim.line.next();
            if next == Some(0) {
                break;
            }
            if let Some(lane) = next {
                let ticket = sim.line.start(lane);
                sim.running.push((lane, ticket));
                continue;
            }
            assert!(
                olds(&sim) > 0,
                "{seed}: all that ran have ended, and it does not start"
            );
            let old = sim
                .running
                .iter()
                .position(|(lane, _)| *lane == usize::MAX - 1)
                .expect("one");
            let any = dice.below(sim.running.len() as u64) as usize;
            let at = if dice.below(2) == 0 { old } else { any };
            let (_, ticket) = sim.running.swap_remove(at);
            sim.line.end(ticket);
        }
    }
}
