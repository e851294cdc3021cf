//! Which disks of a site hold the slots of each group, and the moves that bring every disk to its
//! target.
//!
//! This is a min-cost flow from groups through nodes to disks, in which a slot that stays costs
//! nothing and one that moves costs 1. General solvers want every edge written down, which for
//! thousands of groups and thousands of disks is tens of millions, nearly all of them the same. So
//! the flow is kept as what it is, a table of rows, and augmented along shortest paths: a *step*
//! takes a slot of some group from one disk to another, and a path is a chain of steps from a disk
//! above its target (or a slot that nobody holds) to a disk below its target. Nearly all paths have
//! one step; longer ones are needed where a group's other disks or nodes are in the way. A slot that
//! comes back to its old disk counts as free, not as a gain, which keeps the search simple and costs
//! some moves now and then (`figures_beside_an_exact_solver` measures how many).
//!
//! Rows are valid after every step: no disk twice, no node above its limit. While there is a disk
//! above its target there is a path: the difference to any table that meets the targets contains
//! one.

use super::site::{Local, SiteDisks};

/// The table of one site while it is being worked on.
pub(super) struct Assignment<'a> {
    site: &'a SiteDisks,
    /// Row-major; `None` where nobody holds the slot.
    rows: Vec<Option<Local>>,
    /// The rows before anything moved: a slot that differs has moved already, and may move again at
    /// no further cost.
    kept: Vec<Option<Local>>,
    /// The groups in which each disk has a slot.
    groups_of: Vec<Vec<usize>>,
    occupancy: Occupancy,
}

/// What the row of one group leaves free, computed for one row at a time.
struct Occupancy {
    /// Counts the rows looked at; entries with another stamp are of an older row.
    stamp: u64,
    in_row: Vec<u64>,
    on_node: Vec<(u64, usize)>,
}

/// The search for one path: where it came to each disk from.
struct Search {
    /// Disks not reached yet.
    unreached: Vec<Local>,
    /// The step that reached each other disk; `None` for those it began at.
    steps: Vec<Option<Step>>,
}

/// A slot of `group` goes from one disk, or from nobody, to the disk that was reached.
#[derive(Clone, Copy)]
struct Step {
    group: usize,
    from: Option<Local>,
}

impl<'a> Assignment<'a> {
    /// A table that begins with valid `rows`, which may have slots that nobody holds; before, these
    /// were `kept`, valid or not.
    pub(super) fn new(
        site: &'a SiteDisks,
        kept: Vec<Option<Local>>,
        rows: Vec<Option<Local>>,
    ) -> Self {
        let mut groups_of = vec![Vec::new(); site.disks.len()];
        for (at, disk) in rows.iter().enumerate() {
            if let Some(disk) = disk {
                groups_of[*disk].push(at / site.per_group);
            }
        }
        Self {
            site,
            rows,
            kept,
            groups_of,
            occupancy: Occupancy {
                stamp: 0,
                in_row: vec![0; site.disks.len()],
                on_node: vec![(0, 0); site.node_limits.len()],
            },
        }
    }

    /// Slots that each disk holds.
    pub(super) fn held(&self) -> Vec<usize> {
        self.groups_of.iter().map(Vec::len).collect()
    }

    /// The finished rows, one after the other.
    pub(super) fn rows(&self) -> impl Iterator<Item = Local> {
        self.rows
            .iter()
            .map(|slot| slot.expect("reach() filled every slot"))
    }

    /// Fills and moves slots until every disk holds its target; these have to add up to all slots
    /// and keep the limits.
    pub(super) fn reach(&mut self, targets: &[usize]) {
        self.fill_directly(targets);
        while let Some(holes) = self.holes() {
            self.augment(Source::Holes(holes), targets);
        }
        self.move_directly(targets);
        while let Some(above) = self.above(targets) {
            self.augment(Source::Disks(above), targets);
        }
        self.restore_places();
    }

    /// Gives slots that nobody holds to disks below their target, as far as one step does it.
    fn fill_directly(&mut self, targets: &[usize]) {
        let mut wanting = Wanting::new(self, targets);
        for at in 0..self.rows.len() {
            if self.rows[at].is_none() {
                self.step_to_wanting(at / self.site.per_group, None, &mut wanting, targets);
            }
        }
    }

    /// Moves slots from disks above their target to disks below, as far as one step does it.
    fn move_directly(&mut self, targets: &[usize]) {
        let mut wanting = Wanting::new(self, targets);
        for (disk, target) in targets.iter().enumerate() {
            if self.groups_of[disk].len() <= *target {
                continue;
            }
            for group in self.groups_of[disk].clone() {
                self.step_to_wanting(group, Some(disk), &mut wanting, targets);
                if self.groups_of[disk].len() == *target {
                    break;
                }
            }
        }
    }

    /// Takes one slot of the group to the next wanting disk that may have it, if any.
    fn step_to_wanting(
        &mut self,
        group: usize,
        from: Option<Local>,
        wanting: &mut Wanting,
        targets: &[usize],
    ) {
        self.look_at(group, from);
        let fits = |disk: Local| self.occupancy.fits(self.site, disk);
        let Some(at) = wanting.find(fits) else {
            return;
        };
        let to = wanting.disks[at];
        self.step(Step { group, from }, to);
        wanting.served(at, self.groups_of[to].len() == targets[to]);
    }

    /// Searches the cheapest path from any of the sources to a disk below its target, and takes it
    /// as often as it carries.
    ///
    /// Breadth first by cost: a step that moves a slot which has moved already is free. A disk is
    /// reached by the first step that can, and whatever else that slot could go to is reached with
    /// it, so that no path has two steps of a group that hinder each other.
    fn augment(&mut self, source: Source, targets: &[usize]) {
        let mut search = Search {
            unreached: (0..targets.len()).collect(),
            steps: vec![None; targets.len()],
        };
        let mut frontier = Vec::new();
        let mut end = None;
        match &source {
            Source::Holes(groups) => {
                for group in groups {
                    let step = Step {
                        group: *group,
                        from: None,
                    };
                    end = end.or_else(|| self.explore(step, &mut search, &mut frontier, targets));
                }
            }
            Source::Disks(disks) => {
                search.unreached.retain(|d| disks.binary_search(d).is_err());
                frontier.clone_from(disks);
            }
        }
        while end.is_none() {
            assert!(!frontier.is_empty(), "targets that fit can be reached");
            let mut next = 0;
            while end.is_none() && next < frontier.len() {
                let from = frontier[next];
                end = self.explore_all(from, true, &mut search, &mut frontier, targets);
                next += 1;
            }
            let mut dearer = Vec::new();
            for from in frontier {
                end = end
                    .or_else(|| self.explore_all(from, false, &mut search, &mut dearer, targets));
            }
            frontier = dearer;
        }

        let path = self.path_to(end.expect("the loop ended"), &search);
        for (hop, group) in path.iter().rev() {
            let from = hop.from;
            self.step(
                Step {
                    group: *group,
                    from,
                },
                hop.to,
            );
        }
        let hops = path.into_iter().map(|(hop, _)| hop).collect();
        let holes = match source {
            Source::Holes(groups) => groups,
            Source::Disks(_) => Vec::new(),
        };
        self.repeat(hops, &holes, targets);
    }

    /// The path by which a search came to a disk, from its source, with the groups of its steps.
    fn path_to(&self, end: Local, search: &Search) -> Vec<(Hop, usize)> {
        let mut path = Vec::new();
        let mut next = Some(end);
        while let Some(to) = next
            && let Some(Step { group, from }) = search.steps[to]
        {
            let hop = Hop {
                from,
                to,
                moved: self.has_moved(group, from),
                candidate: 0,
            };
            path.push((hop, group));
            next = from;
        }
        path.reverse();
        path
    }

    /// Takes a path again, by other groups, while it costs the same and both its ends need it.
    fn repeat(&mut self, mut hops: Vec<Hop>, holes: &[usize], targets: &[usize]) {
        let (Some(source), Some(end)) = (hops.first().map(|h| h.from), hops.last().map(|h| h.to))
        else {
            return;
        };
        while source.is_none_or(|d| self.groups_of[d].len() > targets[d])
            && self.groups_of[end].len() < targets[end]
        {
            // Steps of different groups can't be in each other's way.
            let mut groups = Vec::with_capacity(hops.len());
            for hop in &mut hops {
                let Some(group) = self.next_group(hop, holes, &groups) else {
                    return;
                };
                groups.push(group);
            }
            for (hop, group) in hops.iter().zip(groups) {
                let from = hop.from;
                self.step(Step { group, from }, hop.to);
            }
        }
    }

    /// The next group that can make the hop, and is none of `taken`.
    fn next_group(&mut self, hop: &mut Hop, holes: &[usize], taken: &[usize]) -> Option<usize> {
        loop {
            let candidates = hop.from.map_or(holes, |from| &self.groups_of[from]);
            let group = *candidates.get(hop.candidate)?;
            if !taken.contains(&group)
                && self.row(group).contains(&hop.from)
                && self.has_moved(group, hop.from) == hop.moved
            {
                self.look_at(group, hop.from);
                if self.occupancy.fits(self.site, hop.to) {
                    return Some(group);
                }
            }
            hop.candidate += 1;
        }
    }

    /// Reaches disks by all slots of `from` that have moved already, or by all that have not.
    /// Answers with the first disk below its target.
    fn explore_all(
        &mut self,
        from: Local,
        moved: bool,
        search: &mut Search,
        reached: &mut Vec<Local>,
        targets: &[usize],
    ) -> Option<Local> {
        for i in 0..self.groups_of[from].len() {
            if search.unreached.is_empty() {
                break;
            }
            let group = self.groups_of[from][i];
            if self.has_moved(group, Some(from)) != moved {
                continue;
            }
            let step = Step {
                group,
                from: Some(from),
            };
            let end = self.explore(step, search, reached, targets);
            if end.is_some() {
                return end;
            }
        }
        None
    }

    /// Reaches all disks that one slot could go to, or the first of them below its target.
    fn explore(
        &mut self,
        step: Step,
        search: &mut Search,
        reached: &mut Vec<Local>,
        targets: &[usize],
    ) -> Option<Local> {
        self.look_at(step.group, step.from);
        let mut end = None;
        search.unreached.retain(|disk| {
            let reach = end.is_none() && self.occupancy.fits(self.site, *disk);
            if reach {
                search.steps[*disk] = Some(step);
                reached.push(*disk);
                if self.groups_of[*disk].len() < targets[*disk] {
                    end = Some(*disk);
                }
            }
            !reach
        });
        end
    }

    /// Takes one step. The row has to have room for `to`.
    fn step(&mut self, step: Step, to: Local) {
        self.look_at(step.group, step.from);
        assert!(self.occupancy.fits(self.site, to), "steps keep rows valid");
        let place = self.place(step.group, step.from);
        self.rows[place] = Some(to);
        self.groups_of[to].push(step.group);
        if let Some(from) = step.from {
            let groups = &mut self.groups_of[from];
            let at = groups.iter().position(|g| *g == step.group);
            groups.swap_remove(at.expect("the disk has a slot of the group"));
        }
    }

    /// Puts disks that came back to a row they were in at the place that they had there.
    fn restore_places(&mut self) {
        for start in (0..self.rows.len()).step_by(self.site.per_group) {
            let row = &mut self.rows[start..][..self.site.per_group];
            let kept = &self.kept[start..][..self.site.per_group];
            // A swap puts one disk at its place for good, so this ends.
            for place in 0..row.len() {
                while let Some(was) = kept.iter().position(|k| *k == row[place])
                    && was != place
                {
                    row.swap(place, was);
                }
            }
        }
    }

    /// Whether the slot that the disk has in the group was another's before, or the slot is nobody's.
    fn has_moved(&self, group: usize, disk: Option<Local>) -> bool {
        disk.is_none() || self.kept[self.place(group, disk)] != disk
    }

    fn row(&self, group: usize) -> &[Option<Local>] {
        &self.rows[group * self.site.per_group..][..self.site.per_group]
    }

    /// Where in `rows` the group has that disk, or a slot that nobody holds.
    fn place(&self, group: usize, disk: Option<Local>) -> usize {
        let place = self.row(group).iter().position(|slot| *slot == disk);
        group * self.site.per_group + place.expect("the group has that slot")
    }

    /// Computes what the group's row leaves free if `leaving` leaves it.
    fn look_at(&mut self, group: usize, leaving: Option<Local>) {
        let seen = &mut self.occupancy;
        seen.stamp += 1;
        let row = &self.rows[group * self.site.per_group..][..self.site.per_group];
        for disk in row.iter().flatten() {
            seen.in_row[*disk] = seen.stamp;
            if Some(*disk) != leaving {
                let (stamp, count) = &mut seen.on_node[self.site.node_of[*disk]];
                if *stamp != seen.stamp {
                    (*stamp, *count) = (seen.stamp, 0);
                }
                *count += 1;
            }
        }
    }

    /// The groups with slots that nobody holds, if there are any.
    fn holes(&self) -> Option<Vec<usize>> {
        let groups: Vec<usize> = self
            .rows
            .chunks_exact(self.site.per_group)
            .enumerate()
            .filter(|(_, row)| row.contains(&None))
            .map(|(group, _)| group)
            .collect();
        (!groups.is_empty()).then_some(groups)
    }

    /// The disks above their target, ascending, if there are any.
    fn above(&self, targets: &[usize]) -> Option<Vec<Local>> {
        let disks: Vec<Local> = (0..targets.len())
            .filter(|d| self.groups_of[*d].len() > targets[*d])
            .collect();
        (!disks.is_empty()).then_some(disks)
    }
}

/// One edge of a path between disks, for whichever groups can make it.
struct Hop {
    from: Option<Local>,
    to: Local,
    /// Whether the slot has moved already, which makes the hop free.
    moved: bool,
    /// Position of the group to try next among those of `from`.
    candidate: usize,
}

/// Where a path may begin.
enum Source {
    /// Slots of these groups that nobody holds.
    Holes(Vec<usize>),
    /// These disks, ascending.
    Disks(Vec<Local>),
}

impl Occupancy {
    /// Whether the row that was looked at has room for a disk.
    fn fits(&self, site: &SiteDisks, disk: Local) -> bool {
        let node = site.node_of[disk];
        let (stamp, count) = self.on_node[node];
        self.in_row[disk] != self.stamp && (stamp != self.stamp || count < site.node_limits[node])
    }
}

/// Disks below their target, which take turns.
struct Wanting {
    disks: Vec<Local>,
    next: usize,
}

impl Wanting {
    fn new(assignment: &Assignment, targets: &[usize]) -> Self {
        Self {
            disks: (0..targets.len())
                .filter(|d| assignment.groups_of[*d].len() < targets[*d])
                .collect(),
            next: 0,
        }
    }

    /// The position of the first disk, from the one whose turn it is, that `fits`.
    fn find(&self, fits: impl Fn(Local) -> bool) -> Option<usize> {
        let count = self.disks.len();
        (self.next..self.next + count)
            .map(|at| at % count)
            .find(|at| fits(self.disks[*at]))
    }

    /// The disk at a position got a slot; it leaves once it has its `target`.
    fn served(&mut self, at: usize, at_target: bool) {
        if at_target {
            self.disks.remove(at);
            self.next = at;
        } else {
            self.next = at + 1;
        }
        if self.next >= self.disks.len() {
            self.next = 0;
        }
    }
}
