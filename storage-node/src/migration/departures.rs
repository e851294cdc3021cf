//! Removes from a disk the shards of slots that left it.
//!
//! A shard goes only when the disk that the layout has it on says that it holds it, itself and durably. One
//! that is not there is noted as owed to that disk, if a live blob needs it, is checked and sent there, and
//! stays until it is there; garbage goes. One that no blob is known for may belong to an upload under way:
//! it is the sweep's business.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use riquet_cluster::Error as NodeError;
use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::ShardId;
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::wire::shard::ShardDescriptor;
use riquet_metadata::BucketId;
use riquet_metadata::record::{BlobState, Debt};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{MigrationError, Mover, fresh_request};
use crate::error::Error;
use crate::store::{PlacedShard, Verdict};

/// Entries of the index that are looked at together.
const PAGE: usize = 2000;

/// Shards that are asked for at once.
const AT_ONCE: usize = 16;

/// How long the disk that a shard belongs on may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the disk that a shard belongs on may take to store it.
const GIFT_TIMEOUT: Duration = Duration::from_secs(120);

/// Pieces of a shard on their way there.
const GIFT_PIECES: usize = 4;

/// How far the look at what a disk holds has come. A layout that changes meanwhile does not begin it anew,
/// else what comes late in the index would stay for as long as layouts change.
#[derive(Debug, Default)]
pub(super) struct Walk {
    after: Option<ShardId>,
}

/// What became of a shard that belongs elsewhere.
enum Departure {
    /// It went.
    Gone,
    /// It stays until it is elsewhere.
    Waits,
    /// Nobody knows its blob: the sweep will judge it.
    Orphan,
}

/// What could not go yet.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Shards that are not yet where they belong.
    pub(super) waiting: u64,
    /// Shards of which no blob is known: of uploads under way, or nobody's.
    pub(super) orphans: u64,
}

/// Gives up what a layout has elsewhere, from where an earlier look was cut short. Returns what is left.
pub(super) async fn give_up(
    mover: &Mover,
    layout: &Layout,
    walk: &mut Walk,
) -> Result<Left, MigrationError> {
    let mut left = Left::default();
    let mut is_whole = walk.after.is_none();
    loop {
        // By a newer layout the rest may be to stay.
        let newest = mover.node.layout.load();
        if newest.is_none_or(|newest| newest.epoch != layout.epoch) {
            left.waiting = left.waiting.max(1);
            return Ok(left);
        }
        let page = mover.store.placed(walk.after, PAGE).await?;
        let is_last = page.len() < PAGE;
        let last = page.last().map(|shard| shard.id);
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
        while let Some(departure) = handed_over.next().await {
            match departure {
                Ok(Departure::Gone) => {}
                Ok(Departure::Orphan) => left.orphans += 1,
                Ok(Departure::Waits) => left.waiting += 1,
                // One that can't be read, or judged now, does not keep the others.
                Err(error) => {
                    tracing::debug!(disk = %mover.store.disk(), %error, "a shard does not leave");
                    left.waiting += 1;
                }
            }
        }
        walk.after = last.filter(|_| !is_last);
        if is_last && is_whole {
            return Ok(left);
        }
        if is_last {
            // What came before was looked at by another layout.
            (left, is_whole) = (Left::default(), true);
        }
    }
}

/// Removes a shard if the disk that it belongs on holds it, or nothing needs it.
async fn hand_over(
    mover: &Mover,
    layout: &Layout,
    shard: PlacedShard,
) -> Result<Departure, MigrationError> {
    let Some(disk) = layout.holder_of(shard.profile, shard.pg, shard.id.index) else {
        return Ok(Departure::Orphan);
    };
    let target = Target::on_disk(layout, disk, fresh_request());
    let nodes = mover.nodes(layout);
    match timeout(ANSWER_TIMEOUT, nodes.head(&target, shard.id)).await {
        Ok(Ok(there)) if there.id == shard.id && there.payload_len == shard.payload_len => {
            die_at("node::migration::confirmed");
            remove(mover, &shard).await
        }
        Ok(Err(NodeError::NoSuchShard)) => {
            let debt = Debt {
                disk: disk.id,
                shard: shard.id,
            };
            judge(mover, &shard, debt, &nodes, &target).await
        }
        Ok(_) | Err(_) => Ok(Departure::Waits),
    }
}

async fn remove(mover: &Mover, shard: &PlacedShard) -> Result<Departure, MigrationError> {
    mover.store.delete(shard.id).await?;
    mover.report().note(|report| report.left_shards += 1);
    Ok(Departure::Gone)
}

/// Notes a shard that is not where it belongs as owed there, if a live blob needs it, and sends it; removes
/// it, if its blob is garbage.
async fn judge(
    mover: &Mover,
    shard: &PlacedShard,
    debt: Debt,
    nodes: &NodeClient,
    target: &Target,
) -> Result<Departure, MigrationError> {
    let descriptor = match mover.store.describe(shard.id).await {
        Ok(descriptor) => descriptor,
        Err(Error::NotFound) => return Ok(Departure::Gone),
        // The look for losses of the other disk finds what is needed, and the scrub what is damaged.
        Err(Error::Damaged) => return Ok(Departure::Orphan),
        Err(error) => return Err(error.into()),
    };
    let owner = &descriptor.owner;
    let bucket = mover.client.bucket_by_id(BucketId(owner.bucket)).await?;
    let Some(bucket) = bucket else {
        return Ok(Departure::Orphan);
    };
    let group = bucket.group_of(&owner.key);
    match mover.client.blob(group, shard.id.chunk.blob).await? {
        Some(record) if record.state == BlobState::Live => {
            // First, since sending may fail: then it is made of others there.
            mover.client.owe_shards(group, vec![debt]).await?;
            if let Err(error) = send(mover, &descriptor, nodes, target).await {
                let (shard, to) = (shard.id, target.disk);
                tracing::debug!(%shard, %to, %error, "not sent to where it belongs");
            }
            // That it is there is believed when it is asked for again.
            Ok(Departure::Waits)
        }
        Some(_) => remove(mover, shard).await,
        None => Ok(Departure::Orphan),
    }
}

/// Why a shard was not sent.
#[derive(Debug, thiserror::Error)]
enum SendError {
    /// By the layout nothing is to move now.
    #[error("nothing is to move now")]
    Standstill,
    /// Its bytes are not what was written, or not there any more.
    #[error("it can't be read")]
    Unreadable,
    /// This disk failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// The other did not take it.
    #[error(transparent)]
    Target(#[from] NodeError),
    /// The other did not take it in time.
    #[error("not stored within {GIFT_TIMEOUT:?}")]
    Late,
}

/// Sends a shard to the disk that it belongs on: cheaper than having it made of others there.
async fn send(
    mover: &Mover,
    descriptor: &ShardDescriptor,
    nodes: &NodeClient,
    target: &Target,
) -> Result<(), SendError> {
    if mover.throttle.is_standstill() {
        return Err(SendError::Standstill);
    }
    // Others must not be given what rotted here.
    match mover.store.verify(descriptor.id).await? {
        Verdict::Good { .. } => {}
        Verdict::Gone | Verdict::Damaged => return Err(SendError::Unreadable),
    }
    let mut reader = mover.store.read(descriptor.id, None).await?;
    let (payload, pieces) = mpsc::channel(GIFT_PIECES);
    let feed = async move {
        while let Some(piece) = reader.next().await? {
            mover.throttle.take(piece.len() as u64).await;
            if payload.send(piece).await.is_err() {
                // It was refused: the answer says why.
                break;
            }
        }
        Ok::<_, Error>(())
    };
    let put = timeout(GIFT_TIMEOUT, nodes.put(target, descriptor, pieces));
    let (fed, stored) = tokio::join!(feed, put);
    fed?;
    Ok(stored.map_err(|_| SendError::Late)??)
}
