//! The admin API's types: what the `riquet` tool and other programs of operators ask a gateway, as JSON.
//!
//! Requests are signed as for S3 (SigV4, service `riquet`) by keys that may do what they ask for.
//! `docs/admin-api.json` describes all of it (OpenAPI 3.1); a test holds the two together.
//!
//! | request | meaning | answer |
//! | --- | --- | --- |
//! | `GET /v1/status` | how the cluster is | [`ClusterStatus`] |
//! | `GET /v1/layout` | sites, nodes, disks and what they hold | [`LayoutView`] |
//! | `GET /v1/layout/history?before={epoch}&max={n}` | what made the layouts, the newest first | [`History`] |
//! | `POST /v1/nodes`, [`NewNode`] | a node comes | [`Changed`] |
//! | `POST /v1/nodes/{name}/drain` | its disks are to be emptied | [`Changed`] |
//! | `POST /v1/nodes/{name}/undrain` | they are not | [`Changed`] |
//! | `POST /v1/nodes/{name}/maintenance` | nobody is to ask it for anything | [`Changed`] |
//! | `POST /v1/nodes/{name}/service` | it serves again | [`Changed`] |
//! | `PUT /v1/nodes/{name}/weight`, [`NewWeight`] | its disks have this weight, each | [`Changed`] |
//! | `POST /v1/nodes/{name}/disks`, [`NewDisks`] | disks come | [`Changed`] |
//! | `DELETE /v1/nodes/{name}` | the node, which is empty, goes | [`Changed`] |
//! | `POST /v1/disks/{id}/drain`, `/undrain` | as for nodes | [`Changed`] |
//! | `POST /v1/disks/{id}/replacement`, [`Replacement`] | its slots move to an empty disk | [`Changed`] |
//! | `PUT /v1/disks/{id}/weight`, [`NewWeight`] | its share | [`Changed`] |
//! | `DELETE /v1/disks/{id}` | the disk, which is empty, goes | [`Changed`] |
//! | `GET /v1/rebalance/plan` | what a rebalance would do | [`RebalancePlan`] |
//! | `GET /v1/rebalance` | how it stands | [`RebalanceStatus`] |
//! | `POST /v1/rebalance`, [`Apply`] | do what was planned | [`Changed`] |
//! | `POST /v1/rebalance/pause`, `/resume`, `/abort` | | [`Changed`] |
//! | `PUT /v1/rebalance/pace`, [`NewPace`] | how fast, and when | [`Changed`] |
//!
//! A request that fails answers [`Refusal`]: 400 for what is malformed, 403 for who may not, 404 for what
//! there is not, 409 for what the layout does not allow now, 503 when the metadata do not answer.

mod plan;
mod status;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{DiskId, Epoch};

pub use plan::{Apply, DiskFill, NewPace, RebalancePlan, RebalanceStatus, SiteMoves};
pub use status::{
    Capacity, ClusterStatus, DiskView, GroupView, Health, HealthState, LayoutView, LinkView,
    NodeView, ProfileView, Risk, SiteView, Work,
};

/// The service that requests are signed for.
pub const SERVICE: &str = "riquet";

/// A node that comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNode {
    /// Its name, as in its settings.
    pub name: String,
    /// Where it stands.
    pub site: String,
    /// `host:port` of its internal server. It runs already.
    pub address: String,
    /// Its disks. None: all that it says it has.
    #[serde(default)]
    pub disks: Vec<NewDisk>,
}

/// Disks that come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDisks {
    /// None: all that the node says it has and that are not in the layout.
    #[serde(default)]
    pub disks: Vec<NewDisk>,
}

/// A disk that comes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDisk {
    /// Its id, as in the node's settings.
    pub id: DiskId,
    /// Its share relative to the other disks of the site; none: as its size is to theirs.
    #[serde(default)]
    pub weight: Option<u32>,
}

/// A disk's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWeight {
    /// Relative to the other disks of the site; at least 1.
    pub weight: u32,
}

/// Which disk takes the place of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// An empty disk of the same site, in the layout or on a node of it.
    pub new: DiskId,
}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    /// The layout that it made.
    pub epoch: Epoch,
    /// What was done, in words.
    pub what: String,
}

/// Layouts, and what made them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The newest first.
    pub changes: Vec<PastLayout>,
    /// Whether there are older ones.
    pub more: bool,
}

/// A version of the layout, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastLayout {
    /// Its epoch.
    pub epoch: Epoch,
    /// When it was made, ms since 1970; none: nobody said.
    pub at_ms: Option<u64>,
    /// By whom.
    pub by: Option<String>,
    /// What was done.
    pub what: Option<String>,
    /// Nodes that it had.
    pub nodes: u32,
    /// Disks that it had.
    pub disks: u32,
    /// Slots that moved.
    pub moving: u32,
    /// Slots that had yet to begin to move.
    pub to_go: u32,
}

/// Why a request was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refusal {
    /// A word for programs, such as `unknown-node`.
    pub code: String,
    /// For people.
    pub message: String,
}
