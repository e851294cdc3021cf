//! What storage nodes tell of the background work on their disks, and how they are asked to begin.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use indicatif::ProgressBar;
use riquet_cluster::id::DiskId;
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::NodeClient;
use riquet_cluster::transport::Transport;
use riquet_cluster::wire::upkeep::{JobKind, JobReport, RepairReport, UpkeepReport};
use tokio::time::timeout;

use crate::error::Error;
use riquet_cluster::clock::now_ms;

/// How long a node may take to answer before it counts as silent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// How often the nodes are asked how far they are.
const POLL: Duration = Duration::from_millis(300);

/// The jobs on each disk whose node answers.
pub(super) type Reports = BTreeMap<DiskId, BTreeMap<JobKind, JobReport>>;

/// A disk and where it is, as people say it.
pub(super) struct Place {
    pub(super) site: String,
    pub(super) node: String,
}

/// Where a disk is; none: the layout does not have it.
pub(super) fn place(layout: &Layout, disk: DiskId) -> Option<Place> {
    let (_, node) = layout.find_disk(disk)?;
    let site = layout.sites.iter().find(|site| site.id == node.site)?;
    Some(Place {
        site: site.name.clone(),
        node: node.name.clone(),
    })
}

/// The layout's disks by site, node and id.
pub(super) fn disks_in_order(layout: &Layout) -> Vec<(DiskId, Place)> {
    let mut disks: Vec<(DiskId, Place)> = layout
        .present_disks()
        .filter_map(|(_, disk)| Some((disk.id, place(layout, disk.id)?)))
        .collect();
    disks.sort_by(|(a, at), (b, bt)| (&at.site, &at.node, a).cmp(&(&bt.site, &bt.node, b)));
    disks
}

/// Asks every node how its work stands. Silent nodes are left out.
pub(super) async fn reports(layout: &Layout) -> Reports {
    let answers = node_reports(layout).await.into_iter();
    answers
        .flat_map(|report| report.disks)
        .map(|upkeep| (upkeep.disk, upkeep.jobs.into_iter().collect()))
        .collect()
}

/// What all nodes that answer have repaired, together.
pub(super) async fn repaired(layout: &Layout) -> RepairReport {
    let mut all = RepairReport::default();
    for UpkeepReport { repair, .. } in node_reports(layout).await {
        all.shards += repair.shards;
        all.bytes += repair.bytes;
        all.from_site_bytes += repair.from_site_bytes;
        all.from_elsewhere_bytes += repair.from_elsewhere_bytes;
        all.failed += repair.failed;
    }
    all
}

async fn node_reports(layout: &Layout) -> Vec<UpkeepReport> {
    let nodes = NodeClient::new(Transport::tcp(), layout.cluster);
    let asked = layout
        .present_nodes()
        .map(|node| timeout(ANSWER_TIMEOUT, nodes.upkeep(&node.address)));
    let answers = join_all(asked).await.into_iter();
    answers.flatten().flatten().collect()
}

/// Has every disk do a job now, and waits until all that answer are through.
///
/// # Errors
/// [`Error::JobFailed`] when a run broke off, or a node gave no answer.
pub(super) async fn run_everywhere(
    layout: &Layout,
    job: JobKind,
    older_than: Duration,
) -> Result<Reports, Error> {
    let nodes = NodeClient::new(Transport::tcp(), layout.cluster);
    let asked = layout.present_disks().map(async |(_, disk)| {
        let address = &layout.node_of(disk).address;
        let begun = nodes.begin_job(address, disk.id, job, older_than);
        match timeout(ANSWER_TIMEOUT, begun).await {
            Ok(Ok(run)) => Ok((disk.id, run)),
            Ok(Err(error)) => Err(failed(layout, disk.id, error.to_string())),
            Err(_) => Err(failed(layout, disk.id, "its node does not answer".into())),
        }
    });
    let begun: Vec<Result<(DiskId, u64), Error>> = join_all(asked).await;
    let mut failures = Vec::new();
    let mut waiting = BTreeMap::new();
    for begun in begun {
        match begun {
            Ok((disk, run)) => drop(waiting.insert(disk, run)),
            Err(error) => failures.push(error),
        }
    }
    let bar = ProgressBar::new(waiting.len() as u64);
    let mut reports;
    loop {
        reports = self::reports(layout).await;
        waiting.retain(|disk, run| {
            let Some(report) = reports.get(disk).and_then(|jobs| jobs.get(&job)) else {
                return true;
            };
            let is_over = report.begun >= *run && !report.running;
            if is_over && let Some(error) = &report.error {
                failures.push(failed(layout, *disk, error.clone()));
            }
            !is_over
        });
        bar.set_position(bar.length().unwrap_or(0) - waiting.len() as u64);
        if waiting.is_empty() {
            break;
        }
        tokio::time::sleep(POLL).await;
    }
    bar.finish_and_clear();
    match failures.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(reports),
    }
}

/// How long ago a time was, ms since 1970.
pub(super) fn ago(then_ms: u64) -> String {
    let seconds = now_ms().saturating_sub(then_ms) / 1000;
    match seconds {
        0..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

fn failed(layout: &Layout, disk: DiskId, why: String) -> Error {
    let node = place(layout, disk).map_or_else(|| "?".into(), |place| place.node);
    Error::JobFailed { node, why }
}
