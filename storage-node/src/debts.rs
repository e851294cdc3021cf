//! Counts what every disk of the cluster is owed, for the metrics of the node that leads the control group.
//!
//! A node knows what its own disks are owed ([`crate::repair`]); of a disk whose node is lost nobody
//! else would tell.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use riquet_cluster::id::DiskId;
use riquet_metadata::raft::RaftHost;
use riquet_metadata::{Client, Error, GroupId};

/// How often they are counted: each time walks over the debts of all groups, up to a bound.
const LOOK: Duration = Duration::from_secs(30);

/// Counts whenever this node leads the control group, until it is dropped.
pub(crate) async fn count(client: Client, host: Arc<RaftHost>) {
    let mut told = BTreeSet::new();
    loop {
        let owed = match host.leads(GroupId::SYSTEM) {
            true => owed(&client).await,
            false => Ok(BTreeMap::new()),
        };
        match owed {
            Ok(owed) => {
                told.extend(owed.keys().copied());
                for disk in &told {
                    note(*disk, owed.get(disk).copied().unwrap_or_default());
                }
            }
            Err(error) => tracing::debug!(%error, "debts can't be counted"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Of every disk of the layout, and of those that left it unpaid.
async fn owed(client: &Client) -> Result<BTreeMap<DiskId, u64>, Error> {
    let layout = client.cluster().await?.layout;
    let none = layout.disks.iter().map(|disk| (disk.id, 0));
    let mut owed: BTreeMap<DiskId, u64> = none.collect();
    let counts = client.debt_counts().await?;
    owed.extend(counts.into_iter().map(|count| (count.disk, count.shards)));
    Ok(owed)
}

fn note(disk: DiskId, shards: u64) {
    metrics::gauge!("riquet_cluster_owed_shards", "disk" => disk.to_string()).set(shards as f64);
}
