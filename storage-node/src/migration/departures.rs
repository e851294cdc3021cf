//! Removes from a disk the shards of slots that left it.
//!
//! A shard goes only when the disk that the layout has it on says that it holds it, itself and durably. One
//! that is not there is noted as owed to that disk, if a live blob needs it, and stays until it was made
//! there; if none does, it is an orphan, and the sweep's business.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use riquet_cluster::Error as NodeError;
use riquet_cluster::failpoint::die_at;
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::Target;
use riquet_metadata::BucketId;
use riquet_metadata::record::Debt;
use tokio::time::timeout;

use super::{MigrationError, Mover, fresh_request};
use crate::error::Error;
use crate::store::PlacedShard;

/// Entries of the index that are looked at together.
const PAGE: usize = 2000;

/// Shards that are asked for at once.
const AT_ONCE: usize = 16;

/// How long the disk that a shard belongs on may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Gives up what a layout has elsewhere. Returns how much of that could not go yet.
pub(super) async fn give_up(mover: &Mover, layout: &Layout) -> Result<u64, MigrationError> {
    let mut left = 0;
    let mut after = None;
    loop {
        let page = mover.store.placed(after, PAGE).await?;
        let is_last = page.len() < PAGE;
        after = page.last().map(|shard| shard.id);
        let gone = page.into_iter().filter(|shard| {
            let slot = shard.id.index;
            // Of profiles that nobody knows nothing is known.
            layout.profile(shard.profile).is_some()
                && !layout.holds(mover.store.disk(), shard.profile, shard.pg, slot)
        });
        let mut calls = Vec::new();
        for shard in gone {
            calls.push(hand_over(mover, layout, shard).boxed());
        }
        let mut handed_over = stream::iter(calls).buffer_unordered(AT_ONCE);
        while let Some(is_gone) = handed_over.next().await {
            if !is_gone? {
                left += 1;
            }
        }
        // By a newer layout the rest may be to stay.
        let is_newest = mover
            .node
            .layout
            .load()
            .is_some_and(|newest| newest.epoch == layout.epoch);
        if is_last || !is_newest {
            return Ok(left.max(u64::from(!is_newest)));
        }
    }
}

/// Removes a shard if the disk that it belongs on holds it. Whether it is gone.
async fn hand_over(
    mover: &Mover,
    layout: &Layout,
    shard: PlacedShard,
) -> Result<bool, MigrationError> {
    let Some(profile) = layout.profile(shard.profile) else {
        return Ok(false);
    };
    let slots = layout.slots(profile, shard.pg);
    let Some(at) = slots.get(usize::from(shard.id.index)) else {
        return Ok(false);
    };
    let disk = layout.disk(*at);
    let target = Target::on_disk(layout, disk, fresh_request());
    let nodes = mover.nodes(layout);
    match timeout(ANSWER_TIMEOUT, nodes.head(&target, shard.id)).await {
        Ok(Ok(there)) if there.id == shard.id && there.payload_len == shard.payload_len => {
            die_at("node::migration::confirmed");
            match mover.store.delete(shard.id).await {
                Ok(_) => {
                    let moves = &mover.node.upkeep[&mover.store.disk()].moves;
                    moves.note(|report| report.left_shards += 1);
                    Ok(true)
                }
                Err(error) => Err(error.into()),
            }
        }
        Ok(Err(NodeError::NoSuchShard)) => {
            let debt = Debt {
                disk: disk.id,
                shard: shard.id,
            };
            owe(mover, &shard, debt).await?;
            Ok(false)
        }
        Ok(_) | Err(_) => Ok(false),
    }
}

/// Notes a shard as owed to the disk that it belongs on, if a live blob needs it.
async fn owe(mover: &Mover, shard: &PlacedShard, debt: Debt) -> Result<(), MigrationError> {
    let owner = match mover.store.describe(shard.id).await {
        Ok(descriptor) => descriptor.owner,
        // Gone, or damaged: the look for losses of the other disk finds what is needed.
        Err(Error::NotFound | Error::Damaged) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let bucket = mover.client.bucket_by_id(BucketId(owner.bucket)).await?;
    if let Some(bucket) = bucket {
        let group = bucket.group_of(&owner.key);
        mover.client.owe_shards(group, vec![debt]).await?;
    }
    Ok(())
}
