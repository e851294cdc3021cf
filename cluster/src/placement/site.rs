//! The disks of one site that may hold slots, and how the slots of a group spread over its nodes.
//!
//! Disks and nodes are renumbered without gaps, in the order of the layout, so that the rest of the
//! module works on plain vectors.

use crate::Error;
use crate::layout::{Disk, DiskIndex, DiskState, Node, PgTable};
use crate::profile::Profile;

/// Position of a disk in [`SiteDisks::disks`].
pub(super) type Local = usize;

/// One site's part of a placement problem.
pub(super) struct SiteDisks {
    /// The disks that may hold slots, ascending.
    pub(super) disks: Vec<DiskIndex>,
    /// Weight of each of them; never 0.
    pub(super) weights: Vec<u32>,
    /// Node of each of them, as a position in `node_limits`.
    pub(super) node_of: Vec<usize>,
    /// The disks of each of these nodes, ascending.
    pub(super) disks_of: Vec<Vec<Local>>,
    /// Most slots of one group that each node may hold.
    pub(super) node_limits: Vec<usize>,
    /// Slots of one group at this site.
    pub(super) per_group: usize,
}

/// Whether a new table may put slots on a disk.
pub(super) fn takes_slots(disk: &Disk) -> bool {
    disk.state == DiskState::Active && disk.weight > 0
}

impl SiteDisks {
    /// The disks at the `position`-th site of the profile.
    ///
    /// # Errors
    /// [`Error::InvalidLayout`] when they are fewer than the slots of a group.
    pub(super) fn new(
        profile: &Profile,
        position: usize,
        nodes: &[Node],
        disks: &[Disk],
    ) -> Result<Self, Error> {
        let site = profile.sites[position];
        let per_group = usize::from(profile.per_site);
        let mut found = Self {
            disks: Vec::new(),
            weights: Vec::new(),
            node_of: Vec::new(),
            disks_of: Vec::new(),
            node_limits: Vec::new(),
            per_group,
        };
        let mut local_node = vec![None; nodes.len()];
        for (index, disk) in disks.iter().enumerate() {
            let node = usize::from(disk.node);
            if !takes_slots(disk) || nodes[node].site != site {
                continue;
            }
            let index = DiskIndex::try_from(index).map_err(|_| {
                Error::InvalidLayout(format!("a layout has at most {} disks", DiskIndex::MAX))
            })?;
            let node = *local_node[node].get_or_insert_with(|| {
                found.disks_of.push(Vec::new());
                found.disks_of.len() - 1
            });
            found.disks_of[node].push(found.disks.len());
            found.disks.push(index);
            found.weights.push(disk.weight);
            found.node_of.push(node);
        }
        if found.disks.len() < per_group {
            return Err(Error::InvalidLayout(format!(
                "profile {} needs {per_group} active disks at site {}, there are {}",
                profile.name,
                site.0,
                found.disks.len()
            )));
        }
        let disks_on: Vec<usize> = found.disks_of.iter().map(Vec::len).collect();
        found.node_limits = node_limits(&disks_on, per_group);
        Ok(found)
    }

    /// The local position of each of the layout's disks that may hold slots here.
    pub(super) fn locals(&self, disks: usize) -> Vec<Option<Local>> {
        let mut locals = vec![None; disks];
        for (local, index) in self.disks.iter().enumerate() {
            locals[usize::from(*index)] = Some(local);
        }
        locals
    }

    /// Writes this site's rows, one after the other, to their place in the whole table.
    pub(super) fn write_rows(
        &self,
        rows: impl Iterator<Item = Local>,
        profile: &Profile,
        position: usize,
        table: &mut PgTable,
    ) {
        let places = table
            .slots
            .chunks_exact_mut(profile.total())
            .flat_map(|row| &mut row[profile.shards_at(position)]);
        for (place, local) in places.zip(rows) {
            *place = self.disks[local];
        }
    }
}

/// The smallest limit for all nodes under which a group finds room: one slot per node where the
/// nodes suffice, more where they are few or have too few disks. A node with fewer disks than that
/// is limited by its disks.
fn node_limits(disks_on: &[usize], per_group: usize) -> Vec<usize> {
    let limited = |limit: usize| disks_on.iter().map(move |n| limit.min(*n));
    let limit = (1..=per_group)
        .find(|limit| limited(*limit).sum::<usize>() >= per_group)
        .expect("there are as many disks as slots");
    limited(limit).collect()
}

#[cfg(test)]
mod tests {
    use super::node_limits;

    #[test]
    fn nodes_share_a_group_as_evenly_as_their_disks_allow() {
        assert_eq!(node_limits(&[4; 6], 6), [1; 6]);
        assert_eq!(node_limits(&[4; 5], 6), [2; 5]);
        assert_eq!(node_limits(&[12, 1], 6), [5, 1]);
        assert_eq!(node_limits(&[12, 12, 1], 6), [3, 3, 1]);
        assert_eq!(node_limits(&[2, 2, 2], 6), [2, 2, 2]);
    }
}
