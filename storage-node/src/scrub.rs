//! Scrub: every shard of a disk is read and checked over a period, and what is damaged is made anew.
//!
//! A reader that met a wrong cell, or could not read one, names the shard, and it is checked at once;
//! the rest waits for its turn in order of the ids. What is found to be damaged is noted as owed to its
//! disk and rebuilt from others like any debt ([`crate::repair`]). The damaged record stays until the new
//! one is durable: its other cells may be what a chunk still has.

use std::sync::Arc;
use std::time::{Duration, Instant};

use riquet_cluster::id::{DiskId, RequestId, ShardId};
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::transport::Transport;
use riquet_cluster::wire::shard::Owner;
use riquet_metadata::record::Debt;
use riquet_metadata::{BucketId, Client};
use tokio::time::timeout;

use crate::error::Error;
use crate::pace::Pace;
use crate::server::Node;
use crate::store::{Progress, ShardStore, Verdict};
use riquet_cluster::clock::now_ms;

/// How often a disk that is not due looks whether it is.
const LOOK: Duration = Duration::from_secs(60);

/// Shards of one page of the index.
const PAGE: usize = 256;

/// How often the progress is noted, at most: what a crash has checked again.
const NOTE_EVERY: Duration = Duration::from_secs(30);

/// The least that is read in a second, so that a disk with little on it is through soon.
const MIN_BYTES_PER_SECOND: u64 = 1 << 20;

/// How long another node may take to describe a shard.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a scrub broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScrubError {
    /// The disk's index failed.
    #[error(transparent)]
    Store(#[from] Error),
    /// Damage could not be noted.
    #[error(transparent)]
    Metadata(#[from] riquet_metadata::Error),
}

/// Scrubs one disk.
pub(crate) struct Scrubber {
    pub(crate) client: Client,
    pub(crate) transport: Transport,
    pub(crate) node: Arc<Node>,
    pub(crate) disk: DiskId,
    pub(crate) store: Arc<ShardStore>,
}

/// What became of a shard that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mending {
    /// It is owed to the disk.
    Noted,
    /// No live blob needs it.
    Needless,
}

impl Scrubber {
    /// Checks the disk's shards period after period, until it is dropped.
    pub(crate) async fn run(self: Arc<Self>) {
        let job = &self.node.upkeep[&self.disk].scrub;
        let period = Duration::from_secs(self.node.settings.scrub_period_days * 24 * 3600);
        loop {
            let is_asked = job.wait(LOOK).await.is_some();
            let progress = self.store.progress();
            let is_due = now_ms() >= progress.scrub_began_ms + period.as_millis() as u64;
            if !is_asked && !is_due && progress.scrub_after.is_none() {
                continue;
            }
            if is_asked || is_due {
                let begin = |progress: &mut Progress| {
                    progress.scrub_began_ms = now_ms();
                    progress.scrub_after = None;
                };
                if let Err(error) = self.store.note_progress(begin).await {
                    tracing::warn!(disk = %self.disk, %error, "the scrub's progress is not kept");
                }
                // What the disk lost without a trace is looked for with every scrub.
                self.node.upkeep[&self.disk].losses.ask(Duration::ZERO);
            }
            job.begin();
            let outcome = self.check_all(self.pace(is_asked, period)).await;
            if let Err(error) = &outcome {
                tracing::warn!(disk = %self.disk, %error, "the scrub broke off");
            }
            job.end(outcome);
        }
    }

    /// Checks the shards that readers name, until it is dropped.
    pub(crate) async fn check_suspects(self: Arc<Self>) {
        let suspects = &self.node.upkeep[&self.disk].suspects;
        loop {
            let suspect = suspects.next().await;
            if let Err(error) = self.check(suspect, "reader").await {
                tracing::warn!(shard = %suspect, %error, "a suspect can't be judged now");
                tokio::time::sleep(LOOK).await;
                suspects.add(suspect);
            }
        }
    }

    /// The rate at which all is checked in the period, or as fast as may be.
    fn pace(&self, is_asked: bool, period: Duration) -> Pace {
        let fastest = self.node.settings.scrub_bytes_per_second;
        let live_bytes = self.store.stats().map_or(0, |stats| stats.live_bytes);
        // A little faster than needed, as new shards come meanwhile.
        let steady = live_bytes / period.as_secs().max(1) * 5 / 4;
        let rate = match is_asked {
            true => fastest,
            false => steady.clamp(MIN_BYTES_PER_SECOND.min(fastest), fastest),
        };
        Pace::new(rate, Arc::clone(&self.node.load))
    }

    async fn check_all(&self, pace: Pace) -> Result<(), ScrubError> {
        let job = &self.node.upkeep[&self.disk].scrub;
        let mut after = self.store.progress().scrub_after;
        let mut noted = Instant::now();
        loop {
            let page = self.store.list(after, PAGE).await?;
            for id in &page.shards {
                let Some(bytes) = self.store.record_bytes(id)? else {
                    continue;
                };
                pace.take(bytes).await;
                let (found, left) = match self.check(*id, "scrub").await? {
                    None => (0, 0),
                    Some(Mending::Noted) => (1, 0),
                    Some(Mending::Needless) => (0, 1),
                };
                job.count(1, found, left);
                metrics::counter!("riquet_node_scrubbed_bytes_total").increment(bytes);
            }
            after = page.shards.last().copied();
            let is_last = !page.more;
            if is_last || noted.elapsed() > NOTE_EVERY {
                let here = after.filter(|_| !is_last);
                let note = |progress: &mut Progress| progress.scrub_after = here;
                self.store.note_progress(note).await?;
                noted = Instant::now();
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Checks a shard, and has it repaired if it is damaged.
    async fn check(
        &self,
        id: ShardId,
        found_by: &'static str,
    ) -> Result<Option<Mending>, ScrubError> {
        match self.store.verify(id).await? {
            Verdict::Good { .. } | Verdict::Gone => return Ok(None),
            Verdict::Damaged => {}
        }
        metrics::counter!("riquet_node_damaged_shards_total", "found_by" => found_by).increment(1);
        tracing::error!(shard = %id, disk = %self.disk, found_by, "a shard is damaged");
        Ok(Some(self.note(id).await?))
    }

    /// Notes a damaged shard as owed, in the group of its owner.
    async fn note(&self, id: ShardId) -> Result<Mending, ScrubError> {
        let Some(owner) = self.owner(id).await? else {
            return Ok(Mending::Needless);
        };
        let bucket = self.client.bucket_by_id(BucketId(owner.bucket)).await?;
        let Some(bucket) = bucket else {
            return Ok(Mending::Needless);
        };
        let group = bucket.group_of(&owner.key);
        let debt = Debt {
            disk: self.disk,
            shard: id,
        };
        self.client.owe_shards(group, vec![debt.clone()]).await?;
        // It was owed already, or its blob is not live: which, that tells.
        let owed = self.client.are_owed(group, vec![debt]).await?;
        Ok(match owed[..] {
            [true] => Mending::Noted,
            _ => Mending::Needless,
        })
    }

    /// Whose shard it is: by its own record, or by another of its chunk.
    async fn owner(&self, id: ShardId) -> Result<Option<Owner>, Error> {
        match self.store.describe(id).await {
            Ok(descriptor) => return Ok(Some(descriptor.owner)),
            Err(Error::NotFound) => return Ok(None),
            Err(Error::Damaged | Error::Io { .. }) => {}
            Err(error) => return Err(error),
        }
        let (Some(layout), Some(profile)) = (self.node.layout.load(), self.store.profile_of(&id)?)
        else {
            return Ok(None);
        };
        let Some(profile) = layout.profile(profile) else {
            return Ok(None);
        };
        let nodes = NodeClient::new(self.transport.clone(), layout.cluster);
        let request = RequestId::from_u128(rand::random());
        let targets = Target::of_chunk(&layout, profile, id.chunk, request);
        for (index, target) in targets.into_iter().enumerate() {
            let sibling = ShardId {
                index: index as u8,
                ..id
            };
            if sibling == id {
                continue;
            }
            let described = timeout(DESCRIBE_TIMEOUT, nodes.head(&target, sibling)).await;
            if let Ok(Ok(descriptor)) = described {
                return Ok(Some(descriptor.owner));
            }
        }
        Ok(None)
    }
}
