//! Computes placement-group tables: which disk holds each slot, by weight, and who must move when
//! disks come, go or change.
//!
//! Every site is a problem of its own, as a slot never leaves its site. Within one:
//!
//! * [`site`] collects the disks that may hold slots, and how many slots of one group a node may.
//! * [`targets`] says how many slots each disk is to hold: its weight's share, as far as fits.
//! * [`rendezvous`] draws a first table, which is even on average only.
//! * [`flow`] moves slots, the fewest that do, until every disk holds its share; [`assignment`] is the
//!   table meanwhile, and [`levels`] how the next paths go.
//! * [`plan`] does the same from a table that is in use, and lists what moves.
//! * [`fill`] counts what the disks of a table hold, for people.
//!
//! What is promised of every table: each disk that takes slots holds its share rounded down or up, so
//! it is off by less than a slot, which is within 2 % of shares of 50 slots or more; no disk has two
//! slots of a group; a node has one, or, where a site has too few nodes for that, the least that all
//! can do with. And of every plan: no table of which this holds moves fewer slots; all slots count
//! alike, as chunks are hashed to groups and so spread evenly. (How many have to move is not the
//! weights' to say alone: where a node is in nearly every group, a slot that comes to it mostly makes
//! another one of that group leave.)
//!
//! All of it is a function of its input alone: the same layout gives the same table on every
//! machine. So ties end at positions, nothing follows a hash map's order, and floats only see
//! operations that IEEE 754 defines to the last bit.

mod assignment;
mod fill;
mod flow;
mod levels;
mod plan;
mod rendezvous;
mod site;
mod targets;

#[cfg(test)]
mod tests;

pub use fill::{Fill, slot_counts};
pub use plan::{Move, Plan, rebalance};

use crate::Error;
use crate::layout::{Disk, Node, PgTable};
use crate::profile::Profile;
use assignment::Assignment;
use flow::Bounds;
use site::SiteDisks;

/// The table of `groups` placement groups for `profile` over these disks, none of which holds
/// anything yet.
///
/// Every disk that takes slots holds its weight's share of its site's slots, up or down to a whole
/// number; [`Fill`] tells it. No disk has two slots of a group, and no node more
/// than it must.
///
/// # Errors
/// [`Error::InvalidLayout`] when a site has fewer active disks with a weight than the profile has
/// shards there.
pub fn compute_table(
    profile: &Profile,
    nodes: &[Node],
    disks: &[Disk],
    groups: u32,
) -> Result<PgTable, Error> {
    let mut table = PgTable {
        profile: profile.id,
        slots: vec![0; groups as usize * profile.total()],
    };
    for position in 0..profile.sites.len() {
        let site = SiteDisks::new(profile, position, nodes, disks)?;
        let rows = rendezvous::draw(&site, profile, disks, groups);
        let mut assignment = Assignment::new(&site, rows.clone(), rows);
        let held: Vec<usize> = (0..site.disks.len()).map(|d| assignment.held(d)).collect();
        let targets = targets::targets(&site, groups, &held).into_iter();
        let bounds: Vec<Bounds> = targets.map(Bounds::exactly).collect();
        flow::settle(&mut assignment, &bounds);
        site.write_rows(assignment.finish(), profile, position, &mut table);
    }
    Ok(table)
}
