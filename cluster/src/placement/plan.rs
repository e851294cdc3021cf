//! The table that follows one in use when disks came, went or changed, and what has to move for it.

use super::assignment::Assignment;
use super::flow::{Bounds, settle};
use super::site::{Local, SiteDisks};
use super::targets::bounds;
use crate::Error;
use crate::layout::{Disk, DiskIndex, Node, Pg, PgTable};
use crate::profile::Profile;

/// One shard of every chunk of a group goes from one disk to another at the same site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The group.
    pub pg: Pg,
    /// The slot of the group, which is the number of the shard.
    pub slot: u8,
    /// Who holds it in the old table.
    pub from: DiskIndex,
    /// Who holds it in the new one. The group's old row does not have this disk.
    pub to: DiskIndex,
}

/// A new table, and how it differs from the old one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The new table.
    pub table: PgTable,
    /// Every slot that differs, by group and slot.
    pub moves: Vec<Move>,
    /// The fewest slots that move in any table in which every disk holds its share, rounded down or
    /// up, and every group spreads over nodes as it should. It is what the distances add up to by
    /// which the flow bounds moves from below, not a count of `moves`; these are as many.
    pub minimum: usize,
}

/// The table for these disks that differs least from `old`, in which some may have been otherwise:
/// new, of another weight or state. Every disk holds its share rounded down or up, as in a first
/// table; which of both is whatever moves least. Draining and removed disks, and those of weight 0, hold
/// nothing in it. A disk that stays in a group keeps its slot there.
///
/// # Errors
/// [`Error::InvalidLayout`] when a site has too few disks for the profile, and when `old` is not a
/// table of the profile over these disks.
pub fn rebalance(
    profile: &Profile,
    old: &PgTable,
    nodes: &[Node],
    disks: &[Disk],
) -> Result<Plan, Error> {
    check(profile, old, nodes, disks)?;
    let mut plan = Plan {
        table: old.clone(),
        moves: Vec::new(),
        minimum: 0,
    };
    for position in 0..profile.sites.len() {
        let site = SiteDisks::new(profile, position, nodes, disks)?;
        let rows = old_rows(profile, position, old, &site.locals(disks.len()));
        plan_site(&site, rows, profile, position, &mut plan);
    }
    for (at, (from, to)) in old.slots.iter().zip(&plan.table.slots).enumerate() {
        if from != to {
            plan.moves.push(Move {
                pg: Pg((at / profile.total()) as u32),
                slot: (at % profile.total()) as u8,
                from: *from,
                to: *to,
            });
        }
    }
    Ok(plan)
}

/// Plans one site of the profile: writes its rows to the plan's table and adds to the counts.
fn plan_site(
    site: &SiteDisks,
    old: Vec<Option<Local>>,
    profile: &Profile,
    position: usize,
    plan: &mut Plan,
) {
    let mut held = vec![0; site.disks.len()];
    for disk in old.iter().flatten() {
        held[*disk] += 1;
    }
    let bounds = bounds(site, (old.len() / site.per_group) as u32);
    let mut rows = old.clone();
    for row in rows.chunks_exact_mut(site.per_group) {
        thin_out(site, row, &mut held, &bounds);
    }
    let mut assignment = Assignment::new(site, old, rows);
    plan.minimum += settle(&mut assignment, &bounds);
    site.write_rows(assignment.finish(), profile, position, &mut plan.table);
}

/// Takes slots from nodes that hold more of the row than they may now, first from the disks that
/// hold most beyond their share.
fn thin_out(site: &SiteDisks, row: &mut [Option<Local>], held: &mut [usize], bounds: &[Bounds]) {
    let crowded = |row: &[Option<Local>], disk: Local| {
        let node = site.node_of[disk];
        let of_node = row.iter().flatten().filter(|d| site.node_of[**d] == node);
        of_node.count() > site.node_limits[node]
    };
    while let Some(place) = (0..row.len())
        .filter(|place| row[*place].is_some_and(|d| crowded(row, d)))
        .max_by_key(|place| row[*place].map(|d| held[d] as i64 - bounds[d].highest as i64))
    {
        if let Some(disk) = row[place].take() {
            held[disk] -= 1;
        }
    }
}

/// One site's rows of a table, without the disks that may hold no slots any more.
fn old_rows(
    profile: &Profile,
    position: usize,
    old: &PgTable,
    locals: &[Option<Local>],
) -> Vec<Option<Local>> {
    old.slots
        .chunks_exact(profile.total())
        .flat_map(|row| &row[profile.shards_at(position)])
        .map(|index| locals[usize::from(*index)])
        .collect()
}

/// Checks that `old` is a table of the profile, each slot at its site and no disk twice in a row.
fn check(profile: &Profile, old: &PgTable, nodes: &[Node], disks: &[Disk]) -> Result<(), Error> {
    let fail = |why: &str| {
        Err(Error::InvalidLayout(format!(
            "the old placement groups of profile {}: {why}",
            profile.name
        )))
    };
    if old.profile != profile.id {
        return fail("the table is another profile's");
    }
    if !old.slots.len().is_multiple_of(profile.total()) {
        return fail("rows are not whole");
    }
    for row in old.slots.chunks_exact(profile.total()) {
        for (slot, index) in row.iter().enumerate() {
            let Some(disk) = disks.get(usize::from(*index)) else {
                return fail("a slot names an unknown disk");
            };
            if nodes[usize::from(disk.node)].site != profile.sites[profile.site_position(slot)] {
                return fail("a slot is at the wrong site");
            }
            if row[..slot].contains(index) {
                return fail("one disk has two slots of a group");
            }
        }
    }
    Ok(())
}
