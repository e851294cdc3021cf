//! The fewest moves that bring every disk within its bounds: a min-cost flow from groups through
//! nodes to disks, in which a slot that stays costs nothing and one that moves costs 1.
//!
//! General solvers want every edge written down, which for thousands of groups and thousands of disks
//! is tens of millions, nearly all of them the same. So the flow is kept as what it is, a table of
//! rows, and augmented along shortest paths. A *step* takes a slot of some group from one disk to
//! another; it costs 1 if the group did not have the other disk before, and gains 1 if it did not
//! have the one that is left. A path is a chain of steps from a disk that holds too many slots, or
//! from a slot that nobody holds, to a disk that holds too few. Nearly all paths have one step; longer
//! ones are needed where a group's other disks or nodes are in the way.
//!
//! Shares are fractions, so bounds are mostly one apart, and which disks are rounded up is the
//! flow's to choose: what a disk holds above its lower bound goes through one vertex more, the *pool*,
//! which lets through what is left of all slots when every disk is at its lower bound. A path may
//! begin or end there, and passes it when one disk is rounded down for another.
//!
//! This is the primal-dual method (Ford and Fulkerson, 1962). Every vertex has a *potential*, a lower
//! bound of its distance from all sources; steps that don't cost more than potentials rise by are
//! *tight*. While sinks are reached by tight steps, blocking flows are sent (Dinitz, 1970); when
//! they are not, the potential of all that was not reached rises by 1. No step ever costs less than
//! potentials rise by, so there is no cycle of negative cost, and the result is optimal. As what
//! is kept costs nothing, the table that it begins with has that property with all potentials 0.
//!
//! Only disks and the pool have potentials written down: a group's is the least that its slots
//! lead to, and likewise that of a node that is full in a group.

use super::assignment::{Assignment, Step};
use super::levels::{Levels, Search, Turns, Vertex};
use super::site::Local;

/// How many slots a disk is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) lowest: usize,
    pub(super) highest: usize,
}

impl Bounds {
    /// That many and no others.
    pub(super) fn exactly(slots: usize) -> Self {
        Self {
            lowest: slots,
            highest: slots,
        }
    }
}

/// Moves slots, as few as possible, and fills those that nobody holds, until every disk holds what
/// its bounds say; these have to leave room for all slots. Answers how many slots that takes.
///
/// The rows of `table` have to be as they were kept, but for slots that nobody holds.
pub(super) fn settle(table: &mut Assignment, bounds: &[Bounds]) -> usize {
    let mut flow = Flow {
        potentials: vec![0; bounds.len() + 1],
        levels: Levels::default(),
        to_pool: 0,
        table,
        bounds,
    };
    let (mut moves, mut distance) = (0, 0);
    loop {
        flow.to_pool = flow.owed_to_pool();
        let sources = flow.sources();
        if sources.is_empty() {
            return moves;
        }
        if flow.find_levels(&sources) {
            moves += distance * flow.send(&sources);
        } else {
            flow.raise();
            distance += 1;
            // A path passes each disk once and costs at most 1 for each.
            assert!(distance <= bounds.len(), "bounds that fit can be reached");
        }
    }
}

struct Flow<'f, 'a> {
    table: &'f mut Assignment<'a>,
    bounds: &'f [Bounds],
    /// Of every vertex: a lower bound of its distance from the sources.
    potentials: Vec<usize>,
    levels: Levels,
    /// Slots that have still to come to the pool, or, below 0, to leave it.
    to_pool: isize,
}

/// Where flow is left to send.
#[derive(Clone, Copy)]
enum Source {
    /// A slot of this group is nobody's.
    Hole(usize),
    /// This disk holds too much, or the pool does.
    Vertex(Vertex),
}

/// One edge of a path: a step of a slot, or none to the pool and from it.
#[derive(Clone, Copy)]
struct Hop {
    step: Option<Step>,
    to: Vertex,
}

impl Flow<'_, '_> {
    fn pool(&self) -> Vertex {
        self.bounds.len()
    }

    /// What disks hold above their lowest when all slots are held and no disk is off its bounds, less
    /// what they do now.
    fn owed_to_pool(&self) -> isize {
        let slots = self.table.groups() * self.table.site().per_group;
        let disks = self.bounds.iter().enumerate();
        let passing =
            disks.map(|(disk, b)| self.table.held(disk).clamp(b.lowest, b.highest) as isize);
        slots as isize - passing.sum::<isize>()
    }

    fn sources(&self) -> Vec<Source> {
        let holes = self.table.groups_with_holes().map(Source::Hole);
        let disks = (0..=self.pool()).filter(|v| self.is_source(*v));
        holes.chain(disks.map(Source::Vertex)).collect()
    }

    fn is_source(&self, vertex: Vertex) -> bool {
        match self.bounds.get(vertex) {
            Some(bounds) => self.table.held(vertex) > bounds.highest,
            None => self.to_pool < 0,
        }
    }

    fn is_sink(&self, vertex: Vertex) -> bool {
        match self.bounds.get(vertex) {
            Some(bounds) => self.table.held(vertex) < bounds.lowest,
            None => self.to_pool > 0,
        }
    }

    /// Whether a disk may be rounded up, and so its slots go to the pool.
    fn may_round_up(&self, disk: Local) -> bool {
        let held = self.table.held(disk);
        (self.bounds[disk].lowest..self.bounds[disk].highest).contains(&held)
    }

    /// Whether a disk may be rounded down, and so the pool gives it a slot to pass on.
    fn may_round_down(&self, disk: Local) -> bool {
        let held = self.table.held(disk);
        held > self.bounds[disk].lowest && held <= self.bounds[disk].highest
    }

    /// The potential of a step's group by its slot: disks that it did not have are a step of cost 1
    /// from there.
    fn height(&self, step: Step) -> usize {
        step.from.map_or(0, |from| {
            let cost = usize::from(!self.table.was_in(step.group, from));
            let height = self.potentials[from].checked_sub(cost);
            height.expect("no group is nearer to the sources than they are")
        })
    }

    /// Finds the levels of all vertices up to the nearest sinks. Answers whether there are any.
    fn find_levels(&mut self, sources: &[Source]) -> bool {
        let mut search = Search::new(self.table.groups(), &self.potentials);
        self.levels = Levels {
            of: vec![None; self.bounds.len() + 1],
            turns: vec![Turns::default()],
            left: vec![None; self.bounds.len()],
        };
        let mut layer = Vec::new();
        for source in sources {
            if let Source::Vertex(vertex) = source {
                self.levels.of[*vertex] = Some(0);
                layer.push(*vertex);
            }
        }
        let mut next = Vec::new();
        for source in sources {
            if let Source::Hole(group) = *source {
                self.explore(Step { group, from: None }, 1, &mut search, &mut next);
            }
        }
        for level in 1.. {
            for vertex in layer {
                self.explore_all(vertex, level, &mut search, &mut next);
            }
            let (sinks, others): (Vec<_>, Vec<_>) = next.iter().partition(|v| self.is_sink(**v));
            if !sinks.is_empty() {
                for vertex in others {
                    self.levels.of[vertex] = None;
                }
                self.levels.turns.push(Turns::of(sinks));
                return true;
            }
            if next.is_empty() {
                return false;
            }
            self.levels.turns.push(Turns::of(next.clone()));
            (layer, next) = (next, Vec::new());
        }
        unreachable!("no level is without vertices");
    }

    /// Reaches all that is one tight edge from a vertex.
    fn explore_all(
        &mut self,
        from: Vertex,
        level: usize,
        search: &mut Search,
        reached: &mut Vec<Vertex>,
    ) {
        let pool = self.pool();
        let tight = |flow: &Self, v: Vertex| {
            flow.levels.of[v].is_none() && flow.potentials[v] == flow.potentials[from]
        };
        if from == pool {
            for disk in 0..pool {
                if tight(self, disk) && self.may_round_down(disk) {
                    self.levels.of[disk] = Some(level);
                    reached.push(disk);
                }
            }
            return;
        }
        for at in 0..self.table.held(from) {
            let group = self.table.groups_of(from)[at];
            let step = Step {
                group,
                from: Some(from),
            };
            self.explore(step, level, search, reached);
        }
        if tight(self, pool) && self.may_round_up(from) {
            self.levels.of[pool] = Some(level);
            reached.push(pool);
        }
    }

    /// Reaches all disks to which a slot has a tight step.
    fn explore(
        &mut self,
        step: Step,
        level: usize,
        search: &mut Search,
        reached: &mut Vec<Vertex>,
    ) {
        let height = self.height(step);
        let start = reached.len();
        if search.lowest_seen[step.group].is_none_or(|seen| height < seen) {
            search.lowest_seen[step.group] = Some(height);
            let (table, levels) = (&mut *self.table, &self.levels.of);
            table.look_at(step);
            let back = table.kept(step.group).filter(|disk| {
                self.potentials[*disk] == height && levels[*disk].is_none() && table.fits(*disk)
            });
            reached.extend(back);
            if let Some(unreached) = search.unreached.get_mut(height + 1) {
                unreached.retain(|disk| {
                    let fits = levels[*disk].is_none() && table.fits(*disk);
                    if fits {
                        reached.push(*disk);
                    }
                    levels[*disk].is_none() && !fits
                });
            }
        } else if let Some(from) = step.from {
            // Another slot of the group reached all but the other disks of the node that this leaves.
            let site = self.table.site();
            let near = site.disks_of[site.node_of[from]].iter();
            let near = near.filter(|disk| self.levels.of[**disk].is_none());
            let tight: Vec<Local> = near
                .filter(|disk| self.is_tight(step.group, height, **disk))
                .copied()
                .collect();
            if !tight.is_empty() {
                self.table.look_at(step);
                reached.extend(tight.into_iter().filter(|disk| self.table.fits(*disk)));
            }
        }
        for disk in &reached[start..] {
            self.levels.of[*disk] = Some(level);
        }
    }

    /// Whether a step of that height leads to a disk, if there is room for it.
    fn is_tight(&self, group: usize, height: usize, to: Local) -> bool {
        let potential = self.potentials[to];
        potential == height + 1 || (potential == height && self.table.was_in(group, to))
    }

    /// Sends flow from the sources to the nearest sinks until no path of tight edges leads there that
    /// goes up one level with each. Answers how many paths there were.
    fn send(&mut self, sources: &[Source]) -> usize {
        let mut sent = 0;
        for source in sources {
            while self.has_more(*source)
                && let Some(path) = self.find_path(*source)
            {
                self.take(*source, &path);
                sent += 1;
            }
        }
        sent
    }

    fn has_more(&self, source: Source) -> bool {
        match source {
            Source::Hole(group) => self.table.has(Step { group, from: None }),
            Source::Vertex(vertex) => self.is_source(vertex),
        }
    }

    /// A path from the source to one of the sinks; vertices from which there is none are closed.
    fn find_path(&mut self, source: Source) -> Option<Vec<Hop>> {
        let mut path: Vec<Hop> = Vec::new();
        while path.len() + 1 < self.levels.turns.len() {
            let level = path.len() + 1;
            let hop = match (path.last(), source) {
                (Some(hop), _) => self.next_hop(hop.to, level),
                (None, Source::Vertex(vertex)) => self.next_hop(vertex, level),
                (None, Source::Hole(group)) => self.hop_of(Step { group, from: None }, level),
            };
            match hop {
                Some(hop) => path.push(hop),
                None => self.levels.close(path.pop()?.to, level - 1),
            }
        }
        Some(path)
    }

    /// The next tight edge from a vertex to one of that level, if any is left.
    fn next_hop(&mut self, from: Vertex, level: usize) -> Option<Hop> {
        let pool = self.pool();
        if from == pool {
            let turns = &self.levels.turns[level];
            let at = turns.find(|disk| {
                self.potentials[disk] == self.potentials[pool] && self.may_round_down(disk)
            })?;
            let to = self.levels.turns[level].take(at);
            return Some(Hop { step: None, to });
        }
        let left = self.levels.left[from].take();
        let mut left =
            left.unwrap_or_else(|| self.table.groups_of(from).iter().rev().copied().collect());
        let mut hop = None;
        while let Some(group) = left.last() {
            let step = Step {
                group: *group,
                from: Some(from),
            };
            hop = self
                .table
                .has(step)
                .then(|| self.hop_of(step, level))
                .flatten();
            if hop.is_some() {
                break;
            }
            left.pop();
        }
        self.levels.left[from] = Some(left);
        let to_pool = self.levels.of[pool] == Some(level)
            && self.potentials[pool] == self.potentials[from]
            && self.may_round_up(from);
        hop.or_else(|| {
            to_pool.then_some(Hop {
                step: None,
                to: pool,
            })
        })
    }

    /// A tight step of a slot to the disk of that level whose turn it is, if there is one.
    fn hop_of(&mut self, step: Step, level: usize) -> Option<Hop> {
        let height = self.height(step);
        self.table.look_at(step);
        let at = self.levels.turns[level].find(|to| {
            to != self.pool() && self.is_tight(step.group, height, to) && self.table.fits(to)
        })?;
        Some(Hop {
            step: Some(step),
            to: self.levels.turns[level].take(at),
        })
    }

    fn take(&mut self, source: Source, path: &[Hop]) {
        for hop in path {
            if let Some(step) = hop.step {
                self.table.step(step, hop.to);
            }
        }
        if matches!(source, Source::Vertex(vertex) if vertex == self.pool()) {
            self.to_pool += 1;
        }
        let end = path.last().expect("no source is a sink").to;
        if end == self.pool() {
            self.to_pool -= 1;
        }
        if !self.is_sink(end) {
            self.levels.close(end, path.len());
        }
    }

    /// Raises the potential of all that the sources don't reach by tight edges.
    fn raise(&mut self) {
        for (potential, level) in self.potentials.iter_mut().zip(&self.levels.of) {
            *potential += usize::from(level.is_none());
        }
    }
}
