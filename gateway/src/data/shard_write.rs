//! The `2s` shard streams of one chunk.

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use riquet_cluster::Error;
use riquet_cluster::id::ShardId;
use riquet_cluster::node_client::{NodeClient, PayloadSender, Target};
use riquet_cluster::profile::Profile;
use riquet_cluster::telemetry::request;
use riquet_cluster::telemetry::traces::{end, fail, note};
use riquet_cluster::wire::shard::ShardDescriptor;
use riquet_metadata::record::Debt;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use super::durability::{Progress, Verdict, judge};
use super::error::DataError;
use super::health::Health;
use super::stripe::EncodedStripe;

/// Slices queued for one shard: two stripes of usually two slices and a hash. With 12 shards of
/// 64 KiB cells, at most 1.5 MiB for each chunk under way.
const QUEUE: usize = 6;

/// How long a node may take no byte before its shard is given up and owed: longer than a disk's
/// bad moment, shorter than a client's patience.
const STALL_TIMEOUT: Duration = Duration::from_millis(2500);

/// How long after its last byte a node may take to make a shard durable.
const ACK_TIMEOUT: Duration = Duration::from_secs(15);

/// How long the slower shards are waited for once the rule holds, before they are owed.
const STRAGGLER_GRACE: Duration = Duration::from_secs(2);

/// How often, while waiting, shards on nodes that stopped answering are given up.
const HEALTH_INTERVAL: Duration = Duration::from_millis(200);

/// The shards of a chunk on their way to their nodes.
pub(super) struct ShardWrites {
    shards: Vec<ShardWrite>,
    puts: JoinSet<(usize, Result<(), Error>)>,
    health: Health,
    /// The chunk's span.
    step: Span,
}

struct ShardWrite {
    id: ShardId,
    target: Target,
    progress: Progress,
    /// Gone once the whole payload was queued, or the shard was given up.
    queue: Option<PayloadSender>,
}

impl ShardWrites {
    /// Opens one stream for each target, but those on nodes that do not answer. `descriptor` is the
    /// first shard's; the others differ by index.
    pub(super) fn open(
        nodes: &NodeClient,
        health: &Health,
        targets: Vec<Target>,
        descriptor: &ShardDescriptor,
        step: &Span,
    ) -> Self {
        let mut puts = JoinSet::new();
        let shards = targets.into_iter().enumerate().map(|(index, target)| {
            let id = ShardId {
                index: index as u8,
                ..descriptor.id
            };
            if !health.is_up(&target.address) {
                return ShardWrite {
                    id,
                    target,
                    progress: Progress::Failed,
                    queue: None,
                };
            }
            let (queue, payload) = mpsc::channel::<Bytes>(QUEUE);
            let descriptor = ShardDescriptor {
                id,
                ..descriptor.clone()
            };
            let (nodes, to) = (nodes.clone(), target.clone());
            let put = async move { (index, nodes.put(&to, &descriptor, payload).await) };
            puts.spawn(request::carried(put));
            ShardWrite {
                id,
                target,
                progress: Progress::Pending,
                queue: Some(queue),
            }
        });
        let shards = shards.collect();
        Self {
            shards,
            puts,
            health: health.clone(),
            step: step.clone(),
        }
    }

    /// Whether the chunk can still become durable.
    pub(super) fn verdict(&self, profile: &Profile) -> Verdict {
        let progress: Vec<Progress> = self.shards.iter().map(|s| s.progress).collect();
        judge(profile, &progress)
    }

    /// Queues one stripe on every live stream. A stream that takes nothing for
    /// [`STALL_TIMEOUT`] is given up.
    pub(super) async fn send(&mut self, stripe: EncodedStripe) {
        let cells = stripe.cells.into_iter().zip(stripe.hashes);
        let sends = self.shards.iter_mut().zip(cells).map(|(shard, (cell, hash))| async move {
            let Some(queue) = &shard.queue else { return };
            let all = async {
                for slice in cell {
                    queue.send(slice).await?;
                }
                queue.send(hash).await
            };
            match timeout(STALL_TIMEOUT, all).await {
                Ok(Ok(())) => {}
                // The node answered early or the connection broke: settle() learns why.
                Ok(Err(_)) => shard.queue = None,
                Err(_) => {
                    tracing::warn!(shard = %shard.id, node = shard.target.address, "stalled; gave it up");
                    shard.queue = None;
                    shard.progress = Progress::Failed;
                }
            }
        });
        join_all(sends).await;
        while let Some(done) = self.puts.try_join_next() {
            self.note(done.expect("putting a shard does not panic"));
        }
    }

    /// Waits until the chunk's fate is known: the debts of a durable chunk, or why it is lost.
    pub(super) async fn settle(self, profile: &Profile) -> Result<Vec<Debt>, DataError> {
        let step = self.step.clone();
        let settled = self.await_fate(profile).instrument(step.clone());
        let settled = settled.await.inspect_err(|error| fail(&step, error));
        end(&step);
        settled
    }

    async fn await_fate(mut self, profile: &Profile) -> Result<Vec<Debt>, DataError> {
        self.shards.iter_mut().for_each(|s| s.queue = None);
        let mut deadline = Instant::now() + ACK_TIMEOUT;
        let mut in_grace = false;
        let mut ask_health = tokio::time::interval(HEALTH_INTERVAL);
        loop {
            tokio::select! {
                done = self.puts.join_next() => match done {
                    Some(done) => self.note(done.expect("putting a shard does not panic")),
                    None => break,
                },
                _ = ask_health.tick() => self.give_up_silent_nodes(),
                () = tokio::time::sleep_until(deadline) => break,
            }
            match self.verdict(profile) {
                Verdict::Lost => break,
                Verdict::Durable
                    if !self.shards.iter().any(|s| s.progress == Progress::Pending) =>
                {
                    break;
                }
                Verdict::Durable if !in_grace => {
                    in_grace = true;
                    deadline = deadline.min(Instant::now() + STRAGGLER_GRACE);
                }
                Verdict::Durable | Verdict::Open => {}
            }
        }
        // Whatever is still pending is owed; if it arrives after all, repaying finds it there. A
        // node that never answers must not hold its stream for ever.
        let mut stragglers = std::mem::take(&mut self.puts);
        if !stragglers.is_empty() {
            tokio::spawn(async move {
                let drain = async { while stragglers.join_next().await.is_some() {} };
                let _ = timeout(ACK_TIMEOUT, drain).await;
            });
        }
        for shard in self
            .shards
            .iter_mut()
            .filter(|s| s.progress == Progress::Pending)
        {
            shard.progress = Progress::Failed;
        }
        if self.verdict(profile) != Verdict::Durable {
            return Err(DataError::TooFewNodes {
                chunk: self.shards[0].id.chunk,
            });
        }
        let owed = self
            .shards
            .iter()
            .filter(|s| s.progress == Progress::Failed);
        let debts: Vec<Debt> = owed
            .map(|s| Debt {
                disk: s.target.disk,
                shard: s.id,
            })
            .collect();
        note(&self.step, "riquet.shards_owed", debts.len() as i64);
        metrics::counter!("riquet_gateway_shards_owed_total").increment(debts.len() as u64);
        Ok(debts)
    }

    /// A node that stopped answering while it holds the end of a shard would be waited for in vain.
    fn give_up_silent_nodes(&mut self) {
        for shard in self
            .shards
            .iter_mut()
            .filter(|s| s.progress == Progress::Pending)
        {
            if !self.health.is_up(&shard.target.address) {
                shard.progress = Progress::Failed;
            }
        }
    }

    fn note(&mut self, (index, result): (usize, Result<(), Error>)) {
        let shard = &mut self.shards[index];
        match result {
            // A shard given up for stalling may still be acknowledged; then it is there.
            Ok(()) => shard.progress = Progress::Durable,
            Err(error) => {
                tracing::warn!(shard = %shard.id, node = shard.target.address, %error, "shard not stored");
                self.health.failed(&shard.target.address, &error);
                shard.progress = Progress::Failed;
            }
        }
        shard.queue = None;
    }
}
