//! A rebalance: what it would do, and how it stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{DiskId, Epoch};
use crate::layout::Pace;

/// What a rebalance would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RebalancePlan {
    /// The layout that it was made for, and the only one that it can be applied to.
    pub epoch: Epoch,
    /// What tells this plan from others for the same layout.
    pub digest: String,
    /// Slots of placement groups that move.
    pub slots: u64,
    /// The fewest that any plan to the same shares would move.
    pub fewest_slots: u64,
    /// Shards in them.
    pub shards: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Within and between sites. A slot never leaves its site, so only what can't be copied, as its disk
    /// does not answer, may cross.
    pub sites: Vec<SiteMoves>,
    /// Bytes between sites: what must be made of other shards where a site has too few.
    pub between_sites_bytes: u64,
    /// Disks whose nodes don't answer: what they hold is made of other shards instead.
    pub silent_disks: Vec<DiskId>,
    /// The resulting fill of each disk.
    pub disks: Vec<DiskFill>,
    /// The largest deviation of a disk from its share after it, as a part of the share.
    pub deviation: f64,
    /// How fast it would go now.
    pub pace: Pace,
    /// How long it would take at that rate, seconds; none: nothing moves at this hour.
    pub seconds: Option<f64>,
    /// Rounds: of each group and site one slot moves at a time.
    pub rounds: u32,
    /// The fewest shards that any group has to spare at a site, before, in the middle, after.
    pub spare_shards: [u32; 3],
    /// Energy that reading, sending and writing take, kWh.
    pub energy_kwh: f64,
    /// In words: what it does to durability, links between sites, and users.
    pub remarks: Vec<String>,
}

/// What moves at a site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SiteMoves {
    /// The site.
    pub site: String,
    /// Slots.
    pub slots: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What a disk holds before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiskFill {
    /// The disk.
    pub disk: DiskId,
    /// Its node's name.
    pub node: String,
    /// Its size, bytes; 0: its node does not answer.
    pub total_bytes: u64,
    /// What is free of that now, bytes.
    #[serde(default)]
    pub free_bytes: u64,
    /// Bytes of shards on it now.
    pub before_bytes: u64,
    /// And then.
    pub after_bytes: u64,
    /// Slots that it has now.
    pub before_slots: u64,
    /// And then.
    pub after_slots: u64,
}

/// Which plan to apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// [`RebalancePlan::epoch`].
    pub epoch: Epoch,
    /// [`RebalancePlan::digest`]; none: whatever would be planned for the epoch.
    #[serde(default)]
    pub digest: Option<String>,
}

/// How fast slots move from now on; what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPace {
    /// Bytes that each node may take in a second.
    #[serde(default)]
    pub bytes_per_second: Option<u64>,
    /// Hours with a rate of their own, `HH:MM-HH:MM=MIB` in UTC.
    #[serde(default)]
    pub windows: Option<Vec<crate::layout::PaceWindow>>,
}

/// How a rebalance stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RebalanceStatus {
    /// `running`, `paused`, `waiting` (for its hours), `turning back`, or `idle`.
    pub state: String,
    /// When it was begun, ms since 1970.
    pub begun_ms: Option<u64>,
    /// Slots that had to move.
    pub planned_slots: u64,
    /// Slots that have.
    pub settled_slots: u64,
    /// Slots on their way.
    pub moving_slots: u64,
    /// Slots that have yet to begin.
    pub slots_to_go: u64,
    /// Bytes that had to move.
    pub planned_bytes: u64,
    /// Bytes that have, those of slots on their way included.
    pub moved_bytes: u64,
    /// Shards that could not be copied and are made of others.
    pub owed_shards: u64,
    /// Shards that are to be removed from where they were.
    pub to_leave: u64,
    /// How fast it may go.
    pub pace: Pace,
    /// Bytes per second now, all nodes together, at most.
    pub bytes_per_second: u64,
    /// Why something does not move, by disk.
    pub troubles: Vec<String>,
}
