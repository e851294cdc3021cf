//! Finds what a disk should hold and does not, and has it noted as owed.
//!
//! The disk is new in the place of a lost one, or lost a part of what it had. (What a layout gives it
//! more comes by `migration`.) Every committed blob is looked at: its chunks' placement groups say what belongs here, the
//! disk's index what is here. Looking again changes nothing, so a look that is cut short is begun anew.

use std::sync::Arc;

use riquet_cluster::id::{DiskId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_metadata::Client;
use riquet_metadata::client::{BlobPage, BlobWalk};
use riquet_metadata::record::{BlobRef, BlobState, Debt};

use super::LOOK;
use crate::error::Error;
use crate::server::Node;
use crate::store::{DiskHealth, Progress, ShardStore};
use crate::upkeep::Job;

/// Debts that are noted with one command.
const NOTED_AT_ONCE: usize = 1000;

/// Why a look broke off.
#[derive(Debug, thiserror::Error)]
enum LossError {
    /// The disk's index failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The metadata could not be asked.
    #[error(transparent)]
    Metadata(#[from] riquet_metadata::Error),
}

/// Looks for what a disk of the node lost, whenever that is not known, or somebody asks.
pub async fn find_losses(client: Client, node: Arc<Node>, disk: DiskId, store: Arc<ShardStore>) {
    let job = &node.upkeep[&disk].losses;
    loop {
        let asked = job.wait(LOOK).await;
        let Some(layout) = node.layout.load() else {
            continue;
        };
        let is_known = store.progress().complete_at.is_some();
        if (is_known && asked.is_none()) || store.health() != DiskHealth::Online {
            continue;
        }
        job.begin();
        let mut outcome = note_losses(&client, &layout, disk, &store, job).await;
        if outcome.is_ok() {
            let complete = |progress: &mut Progress| progress.complete_at = Some(layout.epoch);
            outcome = store.note_progress(complete).await.map_err(LossError::from);
        }
        if let Err(error) = &outcome {
            tracing::debug!(%disk, %error, "what the disk lost can't be looked for");
        }
        job.end(outcome);
    }
}

/// Looks for everything that the layout places on a disk, and notes what is not there as owed.
async fn note_losses(
    client: &Client,
    layout: &Layout,
    disk: DiskId,
    store: &ShardStore,
    job: &Job,
) -> Result<(), LossError> {
    let mut walk = BlobWalk::begin(client).await?;
    while let Some(BlobPage { group, blobs, .. }) = walk.next().await? {
        let mut lost = Vec::new();
        for record in blobs
            .iter()
            .filter(|record| record.state == BlobState::Live)
        {
            for shard in record.blob.shards_on(layout, disk) {
                if !is_coming(layout, &record.blob, shard) && !store.has(&shard)? {
                    lost.push(Debt { disk, shard });
                }
                if lost.len() == NOTED_AT_ONCE {
                    let debts = std::mem::take(&mut lost);
                    job.count(0, client.owe_shards(group, debts).await?, 0);
                }
            }
        }
        if !lost.is_empty() {
            job.count(0, client.owe_shards(group, lost).await?, 0);
        }
        job.count(blobs.len() as u64, 0, 0);
    }
    Ok(())
}

/// Whether a shard's slot is on its way to its disk, whose node sees to it.
fn is_coming(layout: &Layout, blob: &BlobRef, shard: ShardId) -> bool {
    layout.profile(blob.profile).is_some_and(|profile| {
        let pg = layout.pg_of(profile, shard.chunk);
        layout.source_of(profile.id, pg, shard.index).is_some()
    })
}
