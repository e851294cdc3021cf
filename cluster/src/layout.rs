//! The layout: sites, nodes, disks, profiles, and the disk of each slot of each placement group.
//!
//! A layout is one immutable, versioned value, committed through the control group of the metadata
//! and cached by every process. A chunk hashes to a *placement group* (PG) of its profile; the
//! PG's row in the table names one disk for each shard of the code. A request carries the epoch
//! that its sender placed it by; a node that knows a newer one says so instead of answering wrongly.

use std::collections::HashSet;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::id::{ChunkId, ClusterId, DiskId, Epoch};
use crate::profile::{Profile, ProfileId, SiteId};

/// A place that can be lost as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Site {
    /// Number within the layout; its position in [`Layout::sites`].
    #[n(0)]
    pub id: SiteId,
    /// Name for people, such as `toulouse`.
    #[n(1)]
    pub name: String,
}

/// A storage node: one process, at one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Node {
    /// Name, unique in the cluster, such as `toulouse-1`.
    #[n(0)]
    pub name: String,
    /// Where it stands.
    #[n(1)]
    pub site: SiteId,
    /// `host:port` of its internal server.
    #[n(2)]
    pub address: String,
}

/// Whether a disk takes data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub enum DiskState {
    /// Holds and takes shards.
    #[n(0)]
    Active,
    /// Holds shards that are being moved away; takes none.
    #[n(1)]
    Draining,
    /// Gone; its number stays taken, so that other disks keep theirs.
    #[n(2)]
    Removed,
}

/// A disk of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Disk {
    /// Identity, as written on the disk.
    #[n(0)]
    pub id: DiskId,
    /// Position of its node in [`Layout::nodes`].
    #[n(1)]
    pub node: u16,
    /// Share of data relative to the other disks of its site (usually its size in GiB).
    #[n(2)]
    pub weight: u32,
    /// Whether it takes data.
    #[n(3)]
    pub state: DiskState,
}

/// Position of a disk in [`Layout::disks`].
pub type DiskIndex = u16;

/// A placement group's number within its profile.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Encode, Decode,
)]
#[serde(transparent)]
#[cbor(transparent)]
pub struct Pg(#[n(0)] pub u32);

/// Which disk holds each slot of each placement group of one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct PgTable {
    /// The profile whose table this is.
    #[n(0)]
    pub profile: ProfileId,
    /// Row-major: slot `i` of PG `p` is at `p * profile.total() + i`.
    #[n(1)]
    pub slots: Vec<DiskIndex>,
}

/// One version of the cluster's shape. See the module's page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode)]
pub struct Layout {
    /// The cluster it describes.
    #[n(0)]
    pub cluster: ClusterId,
    /// Version; each committed change adds one.
    #[n(1)]
    pub epoch: Epoch,
    /// Sites, by [`SiteId`].
    #[n(2)]
    pub sites: Vec<Site>,
    /// Storage nodes.
    #[n(3)]
    pub nodes: Vec<Node>,
    /// Disks of all nodes.
    #[n(4)]
    pub disks: Vec<Disk>,
    /// Profiles, also those that only old data uses.
    #[n(5)]
    pub profiles: Vec<Profile>,
    /// One table for each profile, in the same order.
    #[n(6)]
    pub tables: Vec<PgTable>,
    /// The profile of new STANDARD objects.
    #[n(7)]
    pub standard: ProfileId,
    /// The profiles of new ONEZONE_IA objects, at most one for each site.
    #[n(8)]
    pub one_zone: Vec<ProfileId>,
}

impl Layout {
    /// The profile with that number.
    pub fn profile(&self, id: ProfileId) -> Option<&Profile> {
        self.profiles.iter().find(|p| p.id == id)
    }

    /// The profile of new STANDARD objects.
    pub fn standard_profile(&self) -> &Profile {
        self.profile(self.standard)
            .expect("validate() found the standard profile")
    }

    /// The profile of new ONEZONE_IA objects written at `site`.
    pub fn one_zone_profile(&self, site: SiteId) -> Option<&Profile> {
        self.one_zone
            .iter()
            .filter_map(|id| self.profile(*id))
            .find(|p| p.sites == [site])
    }

    /// The site of that name.
    pub fn site_named(&self, name: &str) -> Option<&Site> {
        self.sites.iter().find(|s| s.name == name)
    }

    /// The placement group of a chunk: the first 8 bytes (little-endian) of BLAKE3 over blob id and
    /// sequence, both big-endian, modulo the number of groups.
    pub fn pg_of(&self, profile: &Profile, chunk: ChunkId) -> Pg {
        let mut name = [0; 20];
        name[..16].copy_from_slice(&chunk.blob.to_bytes());
        name[16..].copy_from_slice(&chunk.seq.to_be_bytes());
        let hash = blake3::hash(&name);
        let head = hash
            .as_bytes()
            .first_chunk::<8>()
            .expect("a hash has 32 bytes");
        let groups = self.table(profile).slots.len() / profile.total();
        Pg((u64::from_le_bytes(*head) % groups as u64) as u32)
    }

    /// The disks of a placement group, one for each shard of the code.
    pub fn slots(&self, profile: &Profile, pg: Pg) -> &[DiskIndex] {
        let total = profile.total();
        &self.table(profile).slots[pg.0 as usize * total..][..total]
    }

    /// The disk at a position that this layout's tables gave out.
    pub fn disk(&self, index: DiskIndex) -> &Disk {
        &self.disks[usize::from(index)]
    }

    /// The node that holds a disk.
    pub fn node_of(&self, disk: &Disk) -> &Node {
        &self.nodes[usize::from(disk.node)]
    }

    /// The disk with that id, and its node.
    pub fn find_disk(&self, id: DiskId) -> Option<(&Disk, &Node)> {
        self.disks
            .iter()
            .find(|d| d.id == id)
            .map(|d| (d, self.node_of(d)))
    }

    fn table(&self, profile: &Profile) -> &PgTable {
        let at = self.profiles.iter().position(|p| p.id == profile.id);
        &self.tables[at.expect("the profile is of this layout")]
    }

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
            if !names.insert(&node.name) {
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
