//! What the disks of a table hold, for reports.

use super::site::SiteDisks;
use super::targets::shares;
use crate::Error;
use crate::layout::{Disk, Node, PgTable};
use crate::profile::Profile;

/// Slots of one disk in one table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fill {
    /// Slots that it holds.
    pub slots: usize,
    /// Slots that its weight asks for, as far as they fit; 0 where it may hold none.
    pub share: f64,
}

/// Slots that each disk holds in a table, by its position in `disks`. All that the table names have
/// to be there.
pub fn slot_counts(table: &PgTable, disks: &[Disk]) -> Vec<usize> {
    let mut counts = vec![0; disks.len()];
    for index in &table.slots {
        counts[usize::from(*index)] += 1;
    }
    counts
}

impl Fill {
    /// What each disk holds in a table of `profile`, beside its share. All disks that the table
    /// names have to be there.
    ///
    /// # Errors
    /// [`Error::InvalidLayout`] when a site has too few disks for the profile, so that there are no
    /// shares.
    pub fn of_table(
        profile: &Profile,
        table: &PgTable,
        nodes: &[Node],
        disks: &[Disk],
    ) -> Result<Vec<Self>, Error> {
        let mut fills: Vec<Self> = slot_counts(table, disks)
            .into_iter()
            .map(|slots| Self { slots, share: 0.0 })
            .collect();
        let groups = (table.slots.len() / profile.total()) as u32;
        for position in 0..profile.sites.len() {
            let site = SiteDisks::new(profile, position, nodes, disks)?;
            for (index, share) in site.disks.iter().zip(shares(&site, groups)) {
                fills[usize::from(*index)].share = share.to_f64();
            }
        }
        Ok(fills)
    }
}
