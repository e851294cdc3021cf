//! Passes on what is owed to disks that hold nothing any more: they were drained or replaced, and their node
//! may be gone, so nobody else would. The work of whoever leads a metadata group.
//!
//! A debt goes to the disk that the layout has the shard on now, and is struck when it is known to be owed
//! there, or when no live blob needs it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use riquet_cluster::id::DiskId;
use riquet_cluster::layout::Layout;
use riquet_metadata::query::ListedDebt;
use riquet_metadata::record::Debt;
use riquet_metadata::{Client, Error, GroupId};

use super::is_live;

/// How long it is waited before it is looked again.
const LOOK: Duration = Duration::from_secs(15);

/// Debts of one page.
const PAGE: u32 = 500;

/// Looks for such debts in the groups that `leads` names, until it is dropped.
pub(crate) async fn pass_on(
    client: Client,
    layout: impl Fn() -> Option<Arc<Layout>>,
    leads: impl Fn(GroupId) -> bool,
) {
    loop {
        tokio::time::sleep(LOOK).await;
        let Some(layout) = layout() else { continue };
        if let Err(error) = pass_on_once(&client, &layout, &leads).await {
            tracing::debug!(%error, "debts of disks that are gone can't be looked at");
        }
    }
}

async fn pass_on_once(
    client: &Client,
    layout: &Layout,
    leads: &impl Fn(GroupId) -> bool,
) -> Result<(), Error> {
    let held = layout.slots_of_disks();
    let disks = layout.disks.iter().zip(held);
    let holders: BTreeSet<DiskId> = disks
        .filter(|(_, slots)| *slots > 0)
        .map(|(disk, _)| disk.id)
        .collect();
    let owed = client.debt_counts().await?.into_iter();
    let gone: Vec<DiskId> = owed
        .map(|count| count.disk)
        .filter(|disk| !holders.contains(disk))
        .collect();
    if gone.is_empty() {
        return Ok(());
    }
    let key_groups = client.cluster().await?.key_groups;
    for group in GroupId::keys(key_groups).filter(|group| leads(*group)) {
        for disk in &gone {
            let mut after = None;
            loop {
                let (debts, more) = client.list_debts(group, Some(*disk), after, PAGE).await?;
                after = debts.last().map(|listed| listed.debt.clone());
                settle(client, layout, group, debts).await?;
                if !more {
                    break;
                }
            }
        }
    }
    Ok(())
}

/// Passes on a page of debts.
async fn settle(
    client: &Client,
    layout: &Layout,
    group: GroupId,
    debts: Vec<ListedDebt>,
) -> Result<(), Error> {
    let (mut void, mut old, mut passed_on) = (Vec::new(), Vec::new(), Vec::new());
    for listed in debts {
        let shard = listed.debt.shard;
        match listed.blob.filter(is_live) {
            None => void.push(listed.debt),
            Some(blob) => {
                if let Some(disk) = blob.blob.disk_of(layout, shard) {
                    old.push(listed.debt);
                    passed_on.push(Debt { disk, shard });
                }
            }
        }
    }
    if !passed_on.is_empty() {
        client.owe_shards(group, passed_on.clone()).await?;
        let owed = client.are_owed(group, passed_on).await?;
        let owed = old.into_iter().zip(owed).filter(|(_, is_owed)| *is_owed);
        void.extend(owed.map(|(debt, _)| debt));
    }
    if !void.is_empty() {
        client.repay_debts(group, void).await?;
    }
    Ok(())
}
