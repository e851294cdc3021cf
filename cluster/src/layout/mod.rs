//! The layout: sites, nodes, disks, profiles, and the disk of each slot of each placement group.
//!
//! A layout is one immutable, versioned value, committed through the control group of the metadata
//! and cached by every process. A chunk hashes to a *placement group* (PG) of its profile; the
//! PG's row in the table names one disk for each shard of the code. A request carries the epoch
//! that its sender placed it by; a node that knows a newer one, by which the shard belongs on another
//! disk, says so instead of taking it.
//!
//! * [`change`]: what operators do to nodes and disks, and what they must not.
//! * [`migration`]: slots on their way from disk to disk, a few at a time.
//! * [`pace`]: how fast, and at what hours.

pub mod change;
pub mod migration;
pub mod pace;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod validate;

use minicbor::{Decode, Encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{ChunkId, ClusterId, DiskId, Epoch};
use crate::profile::{Profile, ProfileId, SiteId};
pub use change::{ChangeError, ChangeNote};
pub use migration::{Migration, Rebalance, SlotMove};
pub use pace::{Pace, PaceWindow};

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
    /// Whether it is to be used.
    #[n(3)]
    #[cbor(default)]
    #[serde(default)]
    pub state: NodeState,
}

/// Whether a node is to be used.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum NodeState {
    /// It serves.
    #[default]
    #[n(0)]
    Serving,
    /// It is about to stop, or stopped, for a while: nobody asks it for anything meanwhile.
    #[n(1)]
    Maintenance,
    /// Gone; its number stays taken, so that other nodes keep theirs.
    #[n(2)]
    Removed,
}

/// Whether a disk takes data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Encode, Decode, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DiskState {
    /// Holds and takes shards.
    #[n(0)]
    Active,
    /// To be emptied: the next rebalance moves its shards away. Until then it is used as before.
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
    /// What is on its way to another disk, and what is still to go.
    #[n(9)]
    #[cbor(default)]
    #[serde(default)]
    pub migration: Migration,
    /// What made this version of the one before; none: the first.
    #[n(10)]
    #[serde(default)]
    pub change: Option<ChangeNote>,
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

    /// The nodes that were not removed.
    pub fn present_nodes(&self) -> impl Iterator<Item = &Node> {
        let present = |node: &&Node| node.state != NodeState::Removed;
        self.nodes.iter().filter(present)
    }

    /// The disks that were not removed, each with its position.
    pub fn present_disks(&self) -> impl Iterator<Item = (DiskIndex, &Disk)> {
        let present = |(_, disk): &(DiskIndex, &Disk)| disk.state != DiskState::Removed;
        (0..).zip(&self.disks).filter(present)
    }

    /// The node of that name, if it was not removed.
    pub fn find_node(&self, name: &str) -> Option<&Node> {
        self.present_nodes().find(|node| node.name == name)
    }

    /// The disks of a node that were not removed, each with its position.
    pub fn disks_of<'a>(&'a self, node: &'a Node) -> impl Iterator<Item = (DiskIndex, &'a Disk)> {
        let of_node = |(_, disk): &(_, &Disk)| std::ptr::eq(self.node_of(disk), node);
        self.present_disks().filter(of_node)
    }

    /// The table of a profile of this layout.
    pub fn table(&self, profile: &Profile) -> &PgTable {
        let at = self.profiles.iter().position(|p| p.id == profile.id);
        &self.tables[at.expect("the profile is of this layout")]
    }
}
