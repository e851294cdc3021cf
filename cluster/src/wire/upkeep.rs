//! What operators ask storage nodes: how the background work on their disks stands, and to begin now.
//!
//! | request | meaning | success |
//! | --- | --- | --- |
//! | `GET /v1/upkeep` | how it stands | 200, [`UpkeepReport`] as CBOR |
//! | `POST /v1/disks/{disk}/jobs/{job}?older_than_s={n}` | begin a run now | 200, [`RunNumber`] as CBOR |

use minicbor::{Decode, Encode};
use serde::Serialize;

use crate::id::DiskId;

/// Where a node tells of the background work on its disks.
pub const UPKEEP_PATH: &str = "/v1/upkeep";

/// A kind of work that is done on each disk again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Encode, Decode)]
#[cbor(index_only)]
#[serde(rename_all = "lowercase")]
pub enum JobKind {
    /// Looks for shards that nothing names.
    #[n(0)]
    Sweep,
    /// Looks for shards that should be there.
    #[n(1)]
    Losses,
    /// Checks every shard, byte by byte.
    #[n(2)]
    Scrub,
}

impl JobKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Sweep, Self::Losses, Self::Scrub];

    /// Its name in requests.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sweep => "sweep",
            Self::Losses => "losses",
            Self::Scrub => "scrub",
        }
    }

    /// The kind with that name.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

/// How a job on a disk stands.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct JobReport {
    /// Runs that were begun since the process started.
    #[n(0)]
    pub begun: u64,
    /// Number of the last run that came to its end; 0: none did.
    #[n(1)]
    pub done: u64,
    /// Whether a run is under way.
    #[n(2)]
    pub running: bool,
    /// What the present or last run has looked at, in the job's own unit.
    #[n(3)]
    pub looked_at: u64,
    /// What it found and dealt with.
    #[n(4)]
    pub found: u64,
    /// What it found and left to a person or another run.
    #[n(5)]
    pub left: u64,
    /// Why the last run broke off, if it did.
    #[n(6)]
    pub error: Option<String>,
    /// When the last run came to its end, by the node's clock, ms since 1970.
    #[n(7)]
    pub done_ms: Option<u64>,
}

/// The jobs on a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct DiskUpkeep {
    /// The disk.
    #[n(0)]
    pub disk: DiskId,
    /// One report of each kind that the node does.
    #[n(1)]
    pub jobs: Vec<(JobKind, JobReport)>,
    /// What comes to it and leaves it.
    #[n(2)]
    #[cbor(default)]
    pub moves: MoveReport,
}

/// The background work of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct UpkeepReport {
    /// Its disks.
    #[n(0)]
    pub disks: Vec<DiskUpkeep>,
    /// What it has repaired since it started.
    #[n(1)]
    pub repair: RepairReport,
}

/// How the shards that come to a disk, and those that are to leave it, stand. Counts are of the
/// present look, or since the process started where that is said.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct MoveReport {
    /// Slots on their way to it.
    #[n(0)]
    pub slots: u64,
    /// Shards that were copied to it, since the process started.
    #[n(1)]
    pub copied_shards: u64,
    /// Their bytes.
    #[n(2)]
    pub copied_bytes: u64,
    /// Bytes copied for the slots that are on their way.
    #[n(3)]
    pub present_bytes: u64,
    /// Shards that could not be copied and are owed to the disk, of the present rebalance; as far as the
    /// process knows, which may be younger.
    #[n(4)]
    pub owed_shards: u64,
    /// Shards that left it for another disk, since the process started.
    #[n(5)]
    pub left_shards: u64,
    /// Shards that belong elsewhere and could not leave yet.
    #[n(6)]
    pub to_leave: u64,
    /// Why nothing moves, if it should.
    #[n(7)]
    pub error: Option<String>,
}

/// What a node has repaired since it started, on its own disks and its neighbours'.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Encode, Decode)]
pub struct RepairReport {
    /// Shards made anew.
    #[n(0)]
    pub shards: u64,
    /// Their bytes.
    #[n(1)]
    pub bytes: u64,
    /// Bytes read for that at the node's own site.
    #[n(2)]
    pub from_site_bytes: u64,
    /// Bytes read for that at the other site.
    #[n(3)]
    pub from_elsewhere_bytes: u64,
    /// Attempts that came to nothing: to be made again.
    #[n(4)]
    pub failed: u64,
}

/// The run that was asked for, at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct RunNumber {
    /// [`JobReport::done`] once it is over.
    #[n(0)]
    pub run: u64,
}
