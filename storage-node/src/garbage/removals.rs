//! Removes what a disk was to forget while it could not be reached: the work of its own node.

use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::{BlobId, DiskId};
use riquet_metadata::{Client, Error, GroupId};

use crate::store::ShardStore;

/// Removals of one page, whose shards are removed together.
const PAGE: u32 = 500;

/// Removes what the groups still name for a disk, and strikes it.
///
/// # Errors
/// When no voter answers. What the disk can't remove now is left, without an error.
pub async fn remove_left_behind(
    client: &Client,
    key_groups: u32,
    disk: DiskId,
    store: &ShardStore,
) -> Result<(), Error> {
    for group in GroupId::keys(key_groups) {
        let mut after = None;
        loop {
            let (removals, more) = client.list_removals(group, disk, after, PAGE).await?;
            let Some(last) = removals.last() else { break };
            after = Some(last.blob);
            let blobs: Vec<BlobId> = removals.iter().map(|removal| removal.blob).collect();
            match store.remove_blobs(&blobs).await {
                Ok(removed) => {
                    metrics::counter!("riquet_node_removed_shards_total").increment(removed);
                    die_at("node::garbage::struck");
                    client.strike_removals(group, removals).await?;
                }
                Err(error) => tracing::debug!(%disk, %error, "garbage stays for now"),
            }
            if !more {
                break;
            }
        }
    }
    Ok(())
}
