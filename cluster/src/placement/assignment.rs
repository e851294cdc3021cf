//! Which disks of a site hold the slots of each group, while slots move from disk to disk.
//!
//! Rows are valid after every step: no disk twice, no node above its limit. Slots may be nobody's.

use super::site::{Local, SiteDisks};

/// The table of one site while it is being worked on.
pub(super) struct Assignment<'a> {
    site: &'a SiteDisks,
    /// Row-major; `None` where nobody holds the slot.
    rows: Vec<Option<Local>>,
    /// The rows before anything moved: a disk that was in a row is there again at no cost.
    kept: Vec<Option<Local>>,
    /// The groups in which each disk has a slot.
    groups_of: Vec<Vec<usize>>,
    seen: Seen,
}

/// What the row of one group leaves free, computed for one row at a time.
struct Seen {
    /// Counts the rows looked at; entries with another stamp are of an older row.
    stamp: u64,
    in_row: Vec<u64>,
    on_node: Vec<(u64, usize)>,
}

/// A slot of `group` leaves a disk, or was nobody's.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) group: usize,
    pub(super) from: Option<Local>,
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
            seen: Seen {
                stamp: 0,
                in_row: vec![0; site.disks.len()],
                on_node: vec![(0, 0); site.node_limits.len()],
            },
        }
    }

    pub(super) fn site(&self) -> &'a SiteDisks {
        self.site
    }

    /// Groups of the whole table.
    pub(super) fn groups(&self) -> usize {
        self.rows.len() / self.site.per_group
    }

    /// Slots that a disk holds.
    pub(super) fn held(&self, disk: Local) -> usize {
        self.groups_of[disk].len()
    }

    /// The groups in which a disk has a slot.
    pub(super) fn groups_of(&self, disk: Local) -> &[usize] {
        &self.groups_of[disk]
    }

    /// The groups with slots that nobody holds, ascending.
    pub(super) fn groups_with_holes(&self) -> impl Iterator<Item = usize> {
        self.rows
            .chunks_exact(self.site.per_group)
            .enumerate()
            .filter(|(_, row)| row.contains(&None))
            .map(|(group, _)| group)
    }

    /// Whether the group has such a slot: the disk's, or nobody's.
    pub(super) fn has(&self, step: Step) -> bool {
        self.range(&self.rows, step.group).contains(&step.from)
    }

    /// The disks that the group had before anything moved.
    pub(super) fn kept(&self, group: usize) -> impl Iterator<Item = Local> + '_ {
        self.range(&self.kept, group).iter().flatten().copied()
    }

    /// Whether the group had that disk before anything moved.
    pub(super) fn was_in(&self, group: usize, disk: Local) -> bool {
        self.range(&self.kept, group).contains(&Some(disk))
    }

    /// Computes what the group's row leaves free without the slot of a step, for [`Self::fits`].
    pub(super) fn look_at(&mut self, step: Step) {
        let seen = &mut self.seen;
        seen.stamp += 1;
        let row = &self.rows[step.group * self.site.per_group..][..self.site.per_group];
        for disk in row.iter().flatten() {
            seen.in_row[*disk] = seen.stamp;
            if Some(*disk) != step.from {
                let (stamp, count) = &mut seen.on_node[self.site.node_of[*disk]];
                if *stamp != seen.stamp {
                    (*stamp, *count) = (seen.stamp, 0);
                }
                *count += 1;
            }
        }
    }

    /// Whether the row that was looked at has room for a disk.
    pub(super) fn fits(&self, disk: Local) -> bool {
        let seen = &self.seen;
        let node = self.site.node_of[disk];
        let (stamp, count) = seen.on_node[node];
        seen.in_row[disk] != seen.stamp
            && (stamp != seen.stamp || count < self.site.node_limits[node])
    }

    /// Takes a step to a disk. The row has to have room for it.
    pub(super) fn step(&mut self, step: Step, to: Local) {
        self.look_at(step);
        assert!(self.fits(to), "steps keep rows valid");
        let place = self.range(&self.rows, step.group);
        let place = place.iter().position(|slot| *slot == step.from);
        let place = place.expect("the group has the slot that moves");
        self.rows[step.group * self.site.per_group + place] = Some(to);
        self.groups_of[to].push(step.group);
        if let Some(from) = step.from {
            let groups = &mut self.groups_of[from];
            let at = groups.iter().position(|g| *g == step.group);
            groups.swap_remove(at.expect("the disk has a slot of the group"));
        }
    }

    /// The finished rows, one after the other. Disks that stay in a row, or came back to it, have
    /// the place in it that they had.
    pub(super) fn finish(mut self) -> impl Iterator<Item = Local> {
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
        self.rows
            .into_iter()
            .map(|slot| slot.expect("the flow filled every slot"))
    }

    fn range<'r>(&self, rows: &'r [Option<Local>], group: usize) -> &'r [Option<Local>] {
        &rows[group * self.site.per_group..][..self.site.per_group]
    }
}
