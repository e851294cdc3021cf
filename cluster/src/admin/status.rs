//! How a cluster is.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RebalanceStatus;
use crate::id::{ClusterId, DiskId, Epoch};
use crate::layout::{DiskState, NodeState};

/// How a cluster is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterStatus {
    /// Which cluster.
    pub cluster: ClusterId,
    /// Its layout.
    pub epoch: Epoch,
    /// In words first.
    pub health: Health,
    /// Its sites.
    pub sites: Vec<SiteView>,
    /// Its nodes.
    pub nodes: Vec<NodeView>,
    /// Their disks.
    pub disks: Vec<DiskView>,
    /// Room of all disks together.
    pub capacity: Capacity,
    /// What crosses between sites.
    #[serde(default)]
    pub links: Vec<LinkView>,
    /// Groups of metadata.
    pub groups: Vec<GroupView>,
    /// What is owed to disks.
    pub risk: Risk,
    /// Background work on the disks.
    pub work: Vec<Work>,
    /// What moves; none: nothing.
    pub rebalance: Option<RebalanceStatus>,
}

/// Whether something needs a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// In one word.
    pub state: HealthState,
    /// Why it is not [`HealthState::Healthy`], the worst first; or what goes on.
    pub reasons: Vec<String>,
}

/// Whether something needs a person.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum HealthState {
    /// Everything is up, nothing is owed.
    Healthy,
    /// Everything is served, and something is missing.
    Degraded,
    /// Something is not served, or the next failure may lose data.
    Critical,
}

/// A site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteView {
    /// Its name.
    pub name: String,
    /// Nodes that are in the layout.
    pub nodes: u32,
    /// Nodes that answer.
    pub nodes_up: u32,
    /// Disks in service.
    pub disks_up: u32,
    /// Disks that are in the layout.
    pub disks: u32,
    /// Room of its disks.
    pub capacity: Capacity,
}

/// Room, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// Of the disks.
    pub raw_bytes: u64,
    /// What shards take of it.
    pub used_bytes: u64,
    /// What is free of it.
    pub free_bytes: u64,
    /// What objects of the standard class could have in all.
    pub usable_bytes: u64,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Its site's.
    pub site: String,
    /// Where it serves.
    pub address: String,
    /// What operators have it do.
    pub state: NodeState,
    /// Whether it answers.
    pub is_up: bool,
    /// The layout that it knows.
    pub epoch: Option<Epoch>,
    /// The version that it runs.
    pub version: Option<String>,
    /// Slots of placement groups on its disks.
    pub slots: u64,
}

/// A disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiskView {
    /// Its id.
    pub id: DiskId,
    /// Its node's name.
    pub node: String,
    /// Its site's.
    pub site: String,
    /// What operators have it do.
    pub state: DiskState,
    /// `online`, `full`, `failed`, `refused`, or `silent` when its node does not answer.
    pub health: String,
    /// Its share relative to the other disks of its site.
    pub weight: u32,
    /// Slots that it has, or gives away.
    pub slots: u64,
    /// Slots that its weight asks for.
    pub target_slots: f64,
    /// Shards on it.
    pub shards: u64,
    /// What they take, bytes.
    pub used_bytes: u64,
    /// Its size, bytes.
    pub total_bytes: u64,
    /// What is free, bytes.
    pub free_bytes: u64,
}

/// What goes from one site to another: data, and what voters tell each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LinkView {
    /// The site that sends.
    pub from: String,
    /// The site that receives.
    pub to: String,
    /// Bytes per second, over the last minute.
    pub bytes_per_second: u64,
}

/// A group of metadata.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GroupView {
    /// Its number; 0: the control group.
    pub group: u32,
    /// Where its leader serves; none: nobody leads.
    pub leader: Option<String>,
    /// The leader's site.
    pub site: Option<String>,
    /// Voters that answer.
    pub voters_up: u32,
    /// Voters.
    pub voters: u32,
}

/// What is owed to disks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Risk {
    /// Shards.
    pub owed_shards: u64,
    /// Chunks that lack some.
    pub chunks: u64,
    /// The most that one of them lacks.
    pub most_of_a_chunk: u32,
    /// The fewest shards that one of them can lose besides, and still be read; none: no chunk lacks any.
    #[serde(default)]
    pub spare_of_worst: Option<u32>,
    /// Whether all that is owed was looked at; else the counts are at least so.
    pub is_complete: bool,
}

/// Background work on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Work {
    /// The disk.
    pub disk: DiskId,
    /// Its node's name.
    pub node: String,
    /// `sweep`, `losses`, `scrub`.
    pub job: String,
    /// Whether it is under way.
    pub is_running: bool,
    /// What the present or last run has looked at.
    pub looked_at: u64,
    /// What it found.
    pub found: u64,
    /// When the last run ended, ms since 1970.
    pub done_ms: Option<u64>,
    /// Why the last run broke off.
    pub error: Option<String>,
}

/// Sites, nodes and disks as the layout has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LayoutView {
    /// Its epoch.
    pub epoch: Epoch,
    /// What made it.
    pub change: Option<crate::layout::ChangeNote>,
    /// The profiles.
    pub profiles: Vec<ProfileView>,
    /// The nodes.
    pub nodes: Vec<NodeView>,
    /// The disks.
    pub disks: Vec<DiskView>,
    /// Slots that move.
    pub moving_slots: u64,
    /// Slots that have yet to begin to move.
    pub slots_to_go: u64,
}

/// A code and where its shards go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProfileView {
    /// Its name.
    pub name: String,
    /// Data shards.
    pub data: u8,
    /// Shards at each of its sites.
    pub per_site: u8,
    /// Its sites' names.
    pub sites: Vec<String>,
    /// Placement groups.
    pub groups: u32,
}
