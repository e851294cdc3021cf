//! What the disks of a node are owed, the most urgent last.
//!
//! A chunk is the more urgent the more of its shards are owed: that many it can lose less. What is
//! equally urgent is paid in the order in which it came to be owed.

use riquet_cluster::id::DiskId;
use riquet_cluster::layout::Layout;
use riquet_metadata::query::ListedDebt;
use riquet_metadata::record::{BlobRecord, Debt};
use riquet_metadata::{Client, Error, GroupId};

use super::is_live;
use crate::server::{DiskSlot, Node};
use crate::store::DiskHealth;

/// Debts of one page: of as many chunks the other shards are looked up together.
const PAGE: u32 = 256;

/// Debts that are kept in mind, at most: the most urgent ones. The others come with the next look.
const KEPT: usize = 20_000;

/// A debt to a disk of the node.
pub(super) struct Owed {
    pub(super) group: GroupId,
    pub(super) debt: Debt,
    /// Its blob, if that needs the shard.
    pub(super) blob: Option<BlobRecord>,
    /// Shards of its chunk that are owed, this one included.
    of_chunk: usize,
    since_ms: u64,
}

/// The debts to the disks of a node that take writes, the most urgent last.
pub(super) async fn backlog(
    client: &Client,
    layout: &Layout,
    node: &Node,
) -> Result<Vec<Owed>, Error> {
    let groups = client.cluster().await?.key_groups;
    let mut backlog = Vec::new();
    for (disk, slot) in &node.disks {
        let DiskSlot::Open(store) = slot else {
            continue;
        };
        if store.health() != DiskHealth::Online {
            continue;
        }
        for group in GroupId::keys(groups) {
            collect(client, layout, group, *disk, &mut backlog).await?;
        }
    }
    sort(&mut backlog);
    note(&backlog);
    Ok(backlog)
}

/// Tells the metrics what is owed now. Of a backlog that is cut, that is the most urgent part.
fn note(backlog: &[Owed]) {
    let most = backlog.last().map_or(0, |owed| owed.of_chunk);
    let since_ms = backlog.iter().map(|owed| owed.since_ms).min().unwrap_or(0);
    metrics::gauge!("riquet_node_owed_shards").set(backlog.len() as f64);
    metrics::gauge!("riquet_node_owed_of_one_chunk_shards").set(most as f64);
    metrics::gauge!("riquet_node_owed_since_timestamp_seconds").set(since_ms as f64 / 1000.0);
}

/// Adds a group's debts to a disk.
async fn collect(
    client: &Client,
    layout: &Layout,
    group: GroupId,
    disk: DiskId,
    backlog: &mut Vec<Owed>,
) -> Result<(), Error> {
    let mut after = None;
    loop {
        let (debts, more) = client.list_debts(group, Some(disk), after, PAGE).await?;
        let Some(last) = debts.last() else {
            return Ok(());
        };
        after = Some(last.debt.clone());
        let (asked, counts): (Vec<Vec<Debt>>, Vec<usize>) = debts
            .iter()
            .map(|listed| {
                let siblings = siblings(layout, listed);
                let count = siblings.len();
                (siblings, count)
            })
            .unzip();
        let owed = client.are_owed(group, asked.concat()).await?;
        let mut owed = owed.into_iter();
        for (listed, siblings) in debts.into_iter().zip(counts) {
            let others = owed.by_ref().take(siblings).filter(|is_owed| *is_owed);
            backlog.push(Owed {
                group,
                of_chunk: 1 + others.count(),
                debt: listed.debt,
                blob: listed.blob.filter(is_live),
                since_ms: listed.since_ms,
            });
        }
        if backlog.len() > 2 * KEPT {
            sort(backlog);
            backlog.drain(..backlog.len() - KEPT);
        }
        if !more {
            return Ok(());
        }
    }
}

/// The other shards of a debt's chunk, as debts of the disks that they belong on.
fn siblings(layout: &Layout, listed: &ListedDebt) -> Vec<Debt> {
    let own = listed.debt.shard;
    let Some(blob) = &listed.blob else {
        return Vec::new();
    };
    let all = blob.blob.shards_of(layout, own.chunk);
    let others = all.filter(|(shard, _)| *shard != own);
    others.map(|(shard, disk)| Debt { disk, shard }).collect()
}

/// The most urgent last, and of equals the oldest.
fn sort(backlog: &mut [Owed]) {
    backlog.sort_by_key(|owed| (owed.of_chunk, std::cmp::Reverse(owed.since_ms)));
}
