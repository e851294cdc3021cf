//! What a node says about itself.

use http::Response;
use riquet_cluster::id::DiskId;
use riquet_cluster::telemetry::metrics::{note_epoch, note_ready};
use riquet_cluster::wire::health::{DiskHealth, NodeHealth, ONLINE};
use riquet_cluster::wire::upkeep::JobKind;

use super::answer::{AnswerBody, document};
use super::{DiskSlot, Node, ready};
use crate::store;
use crate::telemetry::DISK_STATES;

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

pub(super) fn disks(node: &Node) -> Vec<DiskHealth> {
    let disk = |(id, slot): (&DiskId, &DiskSlot)| match slot {
        DiskSlot::Refused(why) => refused(*id, why.clone()),
        DiskSlot::Open(store) => match store.stats() {
            Err(error) => refused(*id, error.to_string()),
            Ok(stats) => DiskHealth {
                id: *id,
                state: match stats.health {
                    store::DiskHealth::Online => ONLINE,
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
        traffic: node.traffic.report(),
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
                f64::from(u8::from(disk.state == ONLINE)),
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
        for state in DISK_STATES {
            let figure = f64::from(u8::from(disk.state == state));
            metrics::gauge!("riquet_disk_state", "disk" => disk.id.to_string(), "state" => state)
                .set(figure);
        }
    }
    for of_site in node.traffic.report() {
        let site = of_site.site;
        metrics::counter!("riquet_node_site_received_bytes_total", "site" => site.clone())
            .absolute(of_site.received_bytes);
        metrics::counter!("riquet_node_site_sent_bytes_total", "site" => site)
            .absolute(of_site.sent_bytes);
    }
    note_upkeep(node);
    note_ready(ready::is_ready(node));
    metrics::gauge!("riquet_node_strain").set(node.load.strain());
    if let Some((_, epoch)) = node.layout.known() {
        note_epoch(epoch);
    }
    if let Some(metadata) = &node.metadata {
        metadata.raft.note_groups();
    }
    document("text/plain; version=0.0.4", node.metrics.render())
}

/// Takes down how the background work on each disk stands.
fn note_upkeep(node: &Node) {
    for (disk, upkeep) in &node.upkeep {
        if let Some(DiskSlot::Open(store)) = node.disks.get(disk) {
            let began_ms = store.progress().scrub_began_ms;
            metrics::gauge!(
                "riquet_disk_scrub_began_timestamp_seconds", "disk" => disk.to_string()
            )
            .set(began_ms as f64 / 1000.0);
        }
        for job in JobKind::ALL {
            let report = upkeep.job(job).report();
            let labels = [("disk", disk.to_string()), ("job", job.word().to_owned())];
            metrics::gauge!("riquet_disk_job_running", &labels)
                .set(f64::from(u8::from(report.running)));
            metrics::gauge!("riquet_disk_job_done_timestamp_seconds", &labels)
                .set(report.done_ms.unwrap_or(0) as f64 / 1000.0);
        }
    }
}
