//! What a node says about itself.

use http::Response;
use riquet_cluster::id::DiskId;
use riquet_cluster::wire::health::{DiskHealth, NodeHealth};

use super::answer::{AnswerBody, document};
use super::{DiskSlot, Node};
use crate::store;

/// A disk that takes no part.
fn refused(id: DiskId, why: String) -> DiskHealth {
    DiskHealth {
        id,
        state: "refused".to_owned(),
        why: Some(why),
        shards: 0,
        live_bytes: 0,
        segments: 0,
        total_bytes: 0,
        free_bytes: 0,
    }
}

fn disks(node: &Node) -> Vec<DiskHealth> {
    let disk = |(id, slot): (&DiskId, &DiskSlot)| match slot {
        DiskSlot::Refused(why) => refused(*id, why.clone()),
        DiskSlot::Open(store) => match store.stats() {
            Err(error) => refused(*id, error.to_string()),
            Ok(stats) => DiskHealth {
                id: *id,
                state: match stats.health {
                    store::DiskHealth::Online => "online",
                    store::DiskHealth::Full => "full",
                    store::DiskHealth::Failed => "failed",
                }
                .to_owned(),
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
    let health = NodeHealth {
        name: node.settings.name.clone(),
        site: node.settings.site.clone(),
        version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        epoch: known.map(|(_, epoch)| epoch),
        cluster: known.map(|(cluster, _)| cluster),
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
            metrics::gauge!(name, "disk" => disk.id.to_string()).set(figure);
        }
    }
    node.metrics.run_upkeep();
    document("text/plain; version=0.0.4", node.metrics.render())
}
