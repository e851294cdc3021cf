//! What a storage node says about itself to whoever asks, at [`super::HEALTH_PATH`], as JSON.

use serde::{Deserialize, Serialize};

use crate::id::{ClusterId, DiskId, Epoch};

/// [`DiskHealth::state`] of a disk that takes reads and writes.
pub const ONLINE: &str = "online";

/// A node, and its disks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeHealth {
    /// Its name.
    pub name: String,
    /// The site it stands at.
    pub site: String,
    /// The version that it runs.
    #[serde(default)]
    pub version: Option<String>,
    /// The newest layout that it knows; none before the first.
    pub epoch: Option<Epoch>,
    /// The cluster that it is of.
    pub cluster: Option<ClusterId>,
    /// Its disks.
    pub disks: Vec<DiskHealth>,
    /// What other sites' processes asked of it, site by site.
    #[serde(default)]
    pub traffic: Vec<SiteTraffic>,
}

/// What a node exchanged with processes of another site that asked it something, all bytes of their
/// connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteTraffic {
    /// The other site.
    pub site: String,
    /// Bytes that came from there since the node started.
    pub received_bytes: u64,
    /// Bytes that went there since the node started.
    pub sent_bytes: u64,
    /// Bytes per second that came, over the last minute.
    pub received_bytes_per_second: u64,
    /// Bytes per second that went, over the last minute.
    pub sent_bytes_per_second: u64,
}

/// A disk of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskHealth {
    /// Its id.
    pub id: DiskId,
    /// `online`, `full`, `failed` or `refused`.
    pub state: String,
    /// Why it is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Shards on it.
    pub shards: u64,
    /// Bytes of their records.
    pub live_bytes: u64,
    /// Segment files.
    pub segments: usize,
    /// Size of its file system, bytes.
    pub total_bytes: u64,
    /// What is free of it, bytes.
    pub free_bytes: u64,
}
