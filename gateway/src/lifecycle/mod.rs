//! The lifecycle of objects: what a bucket's rules say is due is done, in the background.
//!
//! A bucket with rules has a *turn* in the control group. Every gateway looks for turns that are due
//! and free, takes some, and goes through their buckets key by key ([`round`]): it lists the versions
//! ([`walk`]), holds them against the rules ([`rules`]), and has the state machine do what is due
//! ([`act`]), which for a move to another class means that the bytes are written anew first ([`moves`]).
//!
//! The state machine does each thing only to what the gateway saw; so two gateways in one bucket, one
//! that was thought dead, and users who write meanwhile, do no harm. A gateway that dies loses
//! nothing but its way since the last page: when its lease runs out, another goes on from there.
//! What is in the way of users ([`pace`]) goes slower.

mod act;
mod moves;
mod pace;
mod round;
mod rules;
mod schedule;
mod walk;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use riquet_cluster::clock::now_ms;
use riquet_cluster::id::RequestId;
use riquet_metadata::command::TurnStep;
use riquet_metadata::{BucketId, Client, Error};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::gateway::Gateway;
use moves::BlobMover;
use pace::Pace;
use round::{Ended, Work};
pub(crate) use rules::{Rules, read};
use schedule::Schedule;

/// Buckets that one gateway goes through at a time.
const BUCKETS_AT_ONCE: usize = 4;

/// Turns of one page.
const PAGE: u32 = 1000;

/// How long a stopping gateway takes to leave what it held.
const LEAVE_WAIT: Duration = Duration::from_secs(2);

/// Does what is due in all buckets until `stop`.
pub(crate) async fn run(gateway: Arc<Gateway>, stop: impl Future<Output = ()>) {
    let schedule = Schedule::new(gateway.settings.lifecycle.day());
    let pace = Arc::new(Pace::new(&gateway));
    let work = Arc::new(Work {
        metadata: gateway.metadata.clone(),
        mover: BlobMover::new(gateway.clone(), pace.clone()),
        pace,
        schedule,
        worker: RequestId::from_u128(Uuid::now_v7().as_u128()),
        clock: Box::new(riquet_s3::Timestamp::now),
    });
    let mut held = BTreeSet::new();
    let mut rounds = JoinSet::new();
    let mut look = tokio::time::interval(schedule.look());
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            _ = look.tick() => {
                let free = free_turns(&work.metadata).await.unwrap_or_else(|error| {
                    tracing::debug!(%error, "the lifecycles of buckets can't be looked at");
                    Vec::new()
                });
                for bucket in free {
                    if held.len() < BUCKETS_AT_ONCE && held.insert(bucket) {
                        let work = work.clone();
                        rounds.spawn(async move { (bucket, work.round(bucket).await) });
                    }
                }
            }
            Some(ended) = rounds.join_next() => match ended {
                Ok((bucket, outcome)) => {
                    held.remove(&bucket);
                    match outcome {
                        Ok(Ended::Through | Ended::NotOurs | Ended::Gone) => {}
                        Ok(Ended::Lost) => {
                            tracing::info!(bucket = bucket.0, "left a lifecycle's round to others");
                        }
                        Err(error) => {
                            tracing::warn!(bucket = bucket.0, %error, "a lifecycle's round broke off");
                        }
                    }
                }
                Err(error) => {
                    // Which one is not told: all that ended are free for the next look.
                    tracing::error!(%error, "a lifecycle's round failed");
                    rounds.shutdown().await;
                    held.clear();
                }
            },
        }
    }
    // What is cut here is decided by the state machine, or never named.
    rounds.shutdown().await;
    let leave = held.iter().map(|bucket| {
        work.metadata
            .lifecycle_turn(*bucket, work.worker, TurnStep::Leave)
    });
    let _ = tokio::time::timeout(LEAVE_WAIT, futures_util::future::join_all(leave)).await;
}

/// The buckets that wait for somebody to go through them.
async fn free_turns(metadata: &Client) -> Result<Vec<BucketId>, Error> {
    let now_ms = now_ms();
    let (mut free, mut after) = (Vec::new(), None);
    loop {
        let (turns, more) = metadata.lifecycle_turns(after, PAGE).await?;
        after = turns.last().map(|turn| turn.bucket);
        let ready = turns.iter().filter(|turn| turn.is_free(now_ms));
        free.extend(ready.map(|turn| turn.bucket));
        if !more || free.len() >= BUCKETS_AT_ONCE {
            return Ok(free);
        }
    }
}
