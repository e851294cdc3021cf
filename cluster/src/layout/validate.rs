//! What every layout must be, so that the rest of the code can build on it.

use std::collections::HashSet;

use super::{DiskState, Layout, NodeState, PgTable, SlotMove};
use crate::Error;
use crate::profile::Profile;

impl Layout {
    /// Checks every invariant that the rest of the code builds on. A layout that fails is never
    /// committed and never used.
    pub fn validate(&self) -> Result<(), Error> {
        let fail = |why: String| Err(Error::InvalidLayout(why));
        for (i, site) in self.sites.iter().enumerate() {
            if usize::from(site.id.0) != i {
                return fail(format!("site {} is not at its own number", site.name));
            }
        }
        let mut names = HashSet::new();
        for node in &self.nodes {
            if usize::from(node.site.0) >= self.sites.len() {
                return fail(format!("node {} stands at an unknown site", node.name));
            }
            // A name may come back when its node is gone.
            if node.state != NodeState::Removed && !names.insert(&node.name) {
                return fail(format!("two nodes are named {}", node.name));
            }
        }
        let mut ids = HashSet::new();
        for disk in &self.disks {
            if usize::from(disk.node) >= self.nodes.len() {
                return fail(format!("disk {} is on an unknown node", disk.id));
            }
            if !ids.insert(disk.id) {
                return fail(format!("two disks have the id {}", disk.id));
            }
        }
        if self.tables.len() != self.profiles.len() {
            return fail("every profile has one table".into());
        }
        for (profile, table) in self.profiles.iter().zip(&self.tables) {
            profile.validate()?;
            self.validate_table(profile, table)?;
        }
        if self.profile(self.standard).is_none() {
            return fail("the standard profile is not in the layout".into());
        }
        if self
            .one_zone
            .iter()
            .any(|id| self.profile(*id).is_none_or(|p| p.sites.len() != 1))
        {
            return fail("a one-zone profile is missing or has several sites".into());
        }
        self.validate_moves()?;
        if let Some(rebalance) = &self.migration.rebalance {
            if rebalance.targets.len() != self.profiles.len() {
                return fail("a rebalance has one target for every profile".into());
            }
            for ((profile, table), target) in self
                .profiles
                .iter()
                .zip(&self.tables)
                .zip(&rebalance.targets)
            {
                self.validate_table(profile, target)?;
                if target.slots.len() != table.slots.len() {
                    return fail("a rebalance keeps the number of placement groups".into());
                }
            }
        }
        Ok(())
    }

    /// A slot that moves has its old disk at the same site, which has no other slot of the group; and
    /// at each site at most one slot of a group moves, so that all others are where the table says.
    fn validate_moves(&self) -> Result<(), Error> {
        let fail = |why: &str| Err(Error::InvalidLayout(format!("moves: {why}")));
        let moves = &self.migration.moves;
        if !moves.is_sorted_by(|a, b| a.key() < b.key()) {
            return fail("they are not in order");
        }
        for (i, moving) in moves.iter().enumerate() {
            let Some(profile) = self.profile(moving.profile) else {
                return fail("one is of an unknown profile");
            };
            let table = self.table(profile);
            let groups = table.slots.len() / profile.total();
            if usize::from(moving.slot) >= profile.total() || moving.pg.0 as usize >= groups {
                return fail("one is of an unknown slot");
            }
            let Some(from) = self.disks.get(usize::from(moving.from)) else {
                return fail("one comes from an unknown disk");
            };
            let site = profile.site_position(moving.slot.into());
            if self.node_of(from).site != profile.sites[site] {
                return fail("one crosses between sites");
            }
            if self.slots(profile, moving.pg).contains(&moving.from) {
                return fail("one comes from a disk that has a slot of the group");
            }
            let twin = |other: &SlotMove| {
                (other.profile, other.pg) == (moving.profile, moving.pg)
                    && profile.site_position(other.slot.into()) == site
            };
            if moves[i + 1..].iter().take(profile.total()).any(twin) {
                return fail("two slots of a group move at one site");
            }
        }
        Ok(())
    }

    fn validate_table(&self, profile: &Profile, table: &PgTable) -> Result<(), Error> {
        let fail = |why: &str| {
            Err(Error::InvalidLayout(format!(
                "placement groups of profile {}: {why}",
                profile.name
            )))
        };
        if table.profile != profile.id {
            return fail("the table is another profile's");
        }
        if table.slots.is_empty() || !table.slots.len().is_multiple_of(profile.total()) {
            return fail("rows are not whole");
        }
        for row in table.slots.chunks_exact(profile.total()) {
            for (slot, index) in row.iter().enumerate() {
                let Some(disk) = self.disks.get(usize::from(*index)) else {
                    return fail("a slot names an unknown disk");
                };
                if disk.state == DiskState::Removed {
                    return fail("a slot names a removed disk");
                }
                // A shard never leaves its site: that each site alone serves rests on it.
                if self.node_of(disk).site != profile.sites[profile.site_position(slot)] {
                    return fail("a slot is at the wrong site");
                }
                if row[..slot].contains(index) {
                    return fail("one disk has two slots of a group");
                }
            }
        }
        Ok(())
    }
}
