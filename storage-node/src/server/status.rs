//! What a node says about itself.

use http::Response;
use serde::Serialize;

use super::answer::{AnswerBody, document};
use super::{DiskSlot, Node};
use crate::store::DiskHealth;

#[derive(Serialize)]
struct Health<'a> {
    name: &'a str,
    site: &'a str,
    /// The newest layout epoch known; absent before the first.
    epoch: Option<u64>,
    cluster: Option<String>,
    disks: Vec<Disk>,
}

#[derive(Serialize)]
struct Disk {
    id: String,
    /// `online`, `full`, `failed` or `refused`.
    state: &'static str,
    /// Why it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    shards: u64,
    live_bytes: u64,
    segments: usize,
    total_bytes: u64,
    free_bytes: u64,
}

impl Disk {
    fn refused(id: String, why: String) -> Self {
        Self {
            id,
            state: "refused",
            why: Some(why),
            shards: 0,
            live_bytes: 0,
            segments: 0,
            total_bytes: 0,
            free_bytes: 0,
        }
    }
}

fn disks(node: &Node) -> Vec<Disk> {
    let disk = |(id, slot): (&riquet_cluster::id::DiskId, &DiskSlot)| match slot {
        DiskSlot::Refused(why) => Disk::refused(id.to_string(), why.clone()),
        DiskSlot::Open(store) => match store.stats() {
            Err(error) => Disk::refused(id.to_string(), error.to_string()),
            Ok(stats) => Disk {
                id: id.to_string(),
                state: match stats.health {
                    DiskHealth::Online => "online",
                    DiskHealth::Full => "full",
                    DiskHealth::Failed => "failed",
                },
                why: None,
                shards: stats.shards,
                live_bytes: stats.live_bytes,
                segments: stats.segments,
                total_bytes: stats.space.total_bytes,
                free_bytes: stats.space.free_bytes,
            },
        },
    };
    node.disks.iter().map(disk).collect()
}

/// The node answers, and this is the state of its disks.
pub(super) fn health(node: &Node) -> Response<AnswerBody> {
    let known = node.layout.known();
    let health = Health {
        name: &node.settings.name,
        site: &node.settings.site,
        epoch: known.map(|(_, epoch)| epoch.0),
        cluster: known.map(|(cluster, _)| cluster.to_string()),
        disks: disks(node),
    };
    let text = serde_json::to_vec(&health).expect("texts and numbers");
    document("application/json", text)
}

/// The metrics in Prometheus' text form; the disks' figures are taken now.
pub(super) fn metrics(node: &Node) -> Response<AnswerBody> {
    for disk in disks(node) {
        let figures = [
            (
                "riquet_disk_online",
                f64::from(u8::from(disk.state == "online")),
            ),
            ("riquet_disk_shards", disk.shards as f64),
            ("riquet_disk_live_bytes", disk.live_bytes as f64),
            ("riquet_disk_segments", disk.segments as f64),
            ("riquet_disk_free_bytes", disk.free_bytes as f64),
            ("riquet_disk_total_bytes", disk.total_bytes as f64),
        ];
        for (name, figure) in figures {
            metrics::gauge!(name, "disk" => disk.id.clone()).set(figure);
        }
    }
    node.metrics.run_upkeep();
    document("text/plain; version=0.0.4", node.metrics.render())
}
