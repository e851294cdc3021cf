//! `riquet repair check`: whether the disks hold what the metadata says, no shard less and none more.

use std::collections::BTreeSet;

use indicatif::ProgressBar;
use riquet_cluster::id::{DiskId, RequestId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::transport::Transport;
use riquet_cluster::wire::shard::MAX_PAGE;
use riquet_metadata::record::{BlobRecord, BlobState};
use riquet_metadata::{Client, GroupId};
use serde::Serialize;

use super::upkeep::disks_in_order;
use crate::error::Error;
use crate::output;

/// Records of one page.
const PAGE: u32 = 1000;

/// How a disk compares with the metadata, in shards.
#[derive(Debug, Serialize)]
struct DiskRow {
    site: String,
    node: String,
    disk: String,
    /// On the disk; none: its node does not answer.
    held: Option<u64>,
    /// Of live objects, on the disk or owed to it.
    expected: u64,
    /// Owed: they will be made.
    owed: u64,
    /// Of deleted objects: they will be removed.
    garbage: u64,
    /// Neither there nor owed.
    missing: u64,
    /// There, though nothing names them: uploads under way, or what is left of broken ones.
    unnamed: u64,
}

/// Compares, and prints what was found.
///
/// # Errors
/// [`Error::DisksDiffer`] when shards are missing or unnamed, or a disk can't be asked.
pub(super) async fn run(client: &Client, json: bool) -> Result<(), Error> {
    let cluster = client.cluster().await?;
    let (layout, groups) = (&cluster.layout, cluster.key_groups);
    let disks = disks_in_order(layout);
    let bar = ProgressBar::new(disks.len() as u64 + u64::from(groups));
    let mut blobs = Vec::new();
    for group in GroupId::keys(groups) {
        blobs.extend(blobs_of(client, group).await?);
        bar.inc(1);
    }
    let mut rows = Vec::new();
    for (disk, place) in disks {
        let of_state = |state: BlobState| {
            let of_state = blobs.iter().filter(move |record| record.state == state);
            of_state.flat_map(|record| record.blob.shards_on(layout, disk))
        };
        let expected: BTreeSet<ShardId> = of_state(BlobState::Live).collect();
        let garbage: BTreeSet<ShardId> = of_state(BlobState::Garbage).collect();
        let owed = owed_to(client, groups, disk).await?;
        let held = held_by(layout, disk).await;
        let (mut missing, mut unnamed, mut waiting) = (0, 0, 0);
        if let Some(held) = &held {
            missing = expected
                .difference(held)
                .filter(|id| !owed.contains(id))
                .count();
            waiting = held.intersection(&garbage).count();
            unnamed = held.difference(&expected).count() - waiting;
        }
        rows.push(DiskRow {
            site: place.site,
            node: place.node,
            disk: disk.to_string(),
            held: held.map(|held| held.len() as u64),
            expected: expected.len() as u64,
            owed: owed.len() as u64,
            garbage: waiting as u64,
            missing: missing as u64,
            unnamed: unnamed as u64,
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    output::print(&rows, json, |rows| table(rows));
    let differs = |row: &DiskRow| row.held.is_none() || row.missing + row.unnamed > 0;
    match rows.iter().filter(|row| differs(row)).count() {
        0 => Ok(()),
        disks => Err(Error::DisksDiffer { disks }),
    }
}

async fn blobs_of(client: &Client, group: GroupId) -> Result<Vec<BlobRecord>, Error> {
    let mut blobs = Vec::new();
    loop {
        let after = blobs.last().map(|record: &BlobRecord| record.blob.id);
        let (page, more) = client.list_blobs(group, after, PAGE).await?;
        blobs.extend(page);
        if !more {
            return Ok(blobs);
        }
    }
}

async fn owed_to(client: &Client, groups: u32, disk: DiskId) -> Result<BTreeSet<ShardId>, Error> {
    let mut owed = BTreeSet::new();
    for group in GroupId::keys(groups) {
        let mut after = None;
        loop {
            let (debts, more) = client.list_debts(group, Some(disk), after, PAGE).await?;
            after = debts.last().map(|listed| listed.debt.clone());
            owed.extend(debts.into_iter().map(|listed| listed.debt.shard));
            if !more {
                break;
            }
        }
    }
    Ok(owed)
}

/// What a disk holds; none: it does not answer.
async fn held_by(layout: &Layout, disk: DiskId) -> Option<BTreeSet<ShardId>> {
    let nodes = NodeClient::new(Transport::tcp(), layout.cluster);
    let (found, _) = layout.find_disk(disk)?;
    let target = Target::on_disk(layout, found, RequestId::from_u128(0));
    let mut held = BTreeSet::new();
    loop {
        let page = nodes.list(&target, held.last().copied(), MAX_PAGE).await;
        let page = page.ok()?;
        held.extend(page.shards);
        if !page.more {
            return Some(held);
        }
    }
}

fn table(rows: &[DiskRow]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.site.clone(),
                row.node.clone(),
                row.disk.clone(),
                row.held
                    .map_or_else(|| "silent".into(), |held| held.to_string()),
                row.expected.to_string(),
                row.owed.to_string(),
                row.garbage.to_string(),
                row.missing.to_string(),
                row.unnamed.to_string(),
            ]
        })
        .collect();
    let titles = [
        "site", "node", "disk", "held", "expected", "owed", "garbage", "missing", "unnamed",
    ];
    output::table(&titles, &cells, 3)
}
