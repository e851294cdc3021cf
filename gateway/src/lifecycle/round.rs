//! One round through a bucket: its uploads, then its versions page by page. The rules are read anew for
//! each page.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use riquet_cluster::id::RequestId;
use riquet_metadata::command::TurnStep;
use riquet_metadata::query::{ListRequest, ListStart};
use riquet_metadata::record::{Bucket, LifecycleRound, LifecycleTally};
use riquet_metadata::{BucketId, Client, Error as MetadataError, ObjectKey};
use riquet_s3::Timestamp;
use riquet_s3::config::lifecycle::LifecycleConfiguration;
use riquet_s3::config::tagging::TagSet;
use tokio::time::Instant;

use super::act::facts;
use super::moves::Mover;
use super::pace::Pace;
use super::rules;
use super::schedule::Schedule;
use super::walk::{Met, Walk};
use crate::convert;
use crate::error::Error;

/// Versions or uploads of one page.
const PAGE: u32 = 1000;

/// Keys that are changed at once: they share the log's syncs.
const KEYS_AT_ONCE: usize = 16;

/// How long nobody else takes the place of a worker that falls silent.
const LEASE: Duration = Duration::from_secs(15);

/// How often a worker says that it is still there.
const RENEWAL: Duration = Duration::from_secs(5);

/// What a worker works with.
pub(super) struct Work<M> {
    pub(super) metadata: Client,
    pub(super) mover: M,
    pub(super) pace: Arc<Pace>,
    pub(super) schedule: Schedule,
    /// The name that it goes by.
    pub(super) worker: RequestId,
    pub(super) clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// All of the bucket was gone through.
    Through,
    /// It was not begun: somebody else is at it, or it is not due.
    NotOurs,
    /// Somebody else may have taken the place.
    Lost,
    /// The bucket was deleted meanwhile.
    Gone,
}

impl<M: Mover> Work<M> {
    /// Goes through a bucket, unless somebody else does or it is not due.
    ///
    /// # Errors
    /// When the metadata do not answer. What is noted by then is done.
    pub(super) async fn round(&self, bucket: BucketId) -> Result<Ended, Error> {
        let take = TurnStep::Take {
            lease_ms: ms(LEASE),
        };
        let Some(turn) = self.step(bucket, take).await? else {
            return Ok(Ended::NotOurs);
        };
        let round = turn.round.expect("who takes a turn is in a round");
        tokio::select! {
            outcome = self.go_through(bucket, round) => match outcome {
                Err(Error::Metadata(MetadataError::NoSuchBucket)) => Ok(Ended::Gone),
                outcome => outcome,
            },
            () = self.stay(bucket) => Ok(Ended::Lost),
        }
    }

    async fn step(
        &self,
        bucket: BucketId,
        step: TurnStep,
    ) -> Result<Option<riquet_metadata::record::LifecycleTurn>, MetadataError> {
        self.metadata
            .lifecycle_turn(bucket, self.worker, step)
            .await
    }

    /// Keeps others from taking the place; ends when one did, or could have.
    async fn stay(&self, bucket: BucketId) {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(RENEWAL).await;
            let asked = Instant::now();
            match self
                .step(
                    bucket,
                    TurnStep::Renew {
                        lease_ms: ms(LEASE),
                    },
                )
                .await
            {
                Ok(Some(_)) => renewed = asked,
                Ok(None) => return,
                Err(_) if renewed.elapsed() < LEASE => {}
                Err(_) => return,
            }
        }
    }

    async fn go_through(&self, id: BucketId, round: LifecycleRound) -> Result<Ended, Error> {
        let mut tally = round.tally;
        if round.after.is_none() {
            add(&mut tally, self.go_through_uploads(id).await?);
        }
        let mut start = round.after.clone().map(ListStart::AfterKey);
        let mut walk = Walk::after(round.after);
        while let Some((bucket, rules)) = self.rules_now(id).await? {
            if !rules.changes_versions() {
                break;
            }
            let list = ListRequest {
                prefix: ObjectKey::from(rules.common_prefix()),
                start,
                max: PAGE,
                ..ListRequest::default()
            };
            let page = self.metadata.list_versions(&bucket, list).await?;
            self.pace.look(page.objects.len()).await;
            tally.looked_at += page.objects.len() as u64;
            let mut met = walk.page(page.objects);
            if page.next.is_none() {
                met.extend(walk.end());
            }
            add(&mut tally, self.tend_page(&bucket, &rules, met).await);
            start = page.next;
            if start.is_none() {
                break;
            }
            let after = walk.done().cloned();
            if self
                .step(id, TurnStep::Note { after, tally })
                .await?
                .is_none()
            {
                return Ok(Ended::Lost);
            }
        }
        let began = convert::moment(round.began_ms);
        let next = self
            .schedule
            .next_round(began, (self.clock)(), tally.failed);
        let due_ms = u64::try_from(next.as_millisecond()).unwrap_or_default();
        self.step(id, TurnStep::End { tally, due_ms }).await?;
        metrics::counter!("riquet_gateway_lifecycle_rounds_total").increment(1);
        tracing::debug!(bucket = id.0, ?tally, "a lifecycle's round ended");
        Ok(Ended::Through)
    }

    /// The bucket and its rules as they are now; none: it is gone, or has no rules any more.
    async fn rules_now(
        &self,
        id: BucketId,
    ) -> Result<Option<(Bucket, LifecycleConfiguration)>, Error> {
        let Some(bucket) = self.metadata.bucket_by_id(id).await? else {
            return Ok(None);
        };
        let rules = rules::read(&self.metadata, id).await?;
        Ok(rules.map(|rules| (bucket, rules)))
    }

    async fn go_through_uploads(&self, id: BucketId) -> Result<LifecycleTally, Error> {
        let (mut tally, mut start) = (LifecycleTally::default(), None);
        while let Some((bucket, rules)) = self.rules_now(id).await? {
            if !rules.aborts_uploads() {
                break;
            }
            let prefix = ObjectKey::from(rules.common_prefix());
            let page = self
                .metadata
                .list_uploads(&bucket, prefix, ObjectKey::default(), start, PAGE)
                .await?;
            self.pace.look(page.uploads.len()).await;
            tally.looked_at += page.uploads.len() as u64;
            let tended = page
                .uploads
                .into_iter()
                .map(|upload| self.tend_upload(&bucket, &rules, upload));
            let mut tended = stream::iter(tended).buffer_unordered(KEYS_AT_ONCE);
            while let Some(done) = tended.next().await {
                add(&mut tally, done);
            }
            start = page.next;
            if start.is_none() {
                break;
            }
        }
        Ok(tally)
    }

    /// Does what is due to the versions of a page, key by key.
    async fn tend_page(
        &self,
        bucket: &Bucket,
        rules: &LifecycleConfiguration,
        met: Vec<Met>,
    ) -> LifecycleTally {
        let mut tally = LifecycleTally::default();
        let tended = self
            .perhaps_due(rules, met)
            .into_iter()
            .map(|versions| self.tend_versions(bucket, rules, versions));
        let mut tended = stream::iter(tended).buffer_unordered(KEYS_AT_ONCE);
        while let Some(done) = tended.next().await {
            add(&mut tally, done);
        }
        tally
    }

    /// The versions that are due if their tags are right, by key.
    fn perhaps_due(&self, rules: &LifecycleConfiguration, met: Vec<Met>) -> Vec<Vec<Met>> {
        let (rules, no_tags) = (rules.whatever_tags(), TagSet::default());
        let (now, day) = ((self.clock)(), self.schedule.day);
        let mut by_key: Vec<Vec<Met>> = Vec::new();
        for met in met {
            let key = convert::key_text(&met.key);
            let facts = facts(&key, &met.head, met.state, &no_tags);
            if rules.due(&facts, now, day).is_none() {
                continue;
            }
            match by_key.last_mut() {
                Some(versions) if versions[0].key == met.key => versions.push(met),
                _ => by_key.push(vec![met]),
            }
        }
        by_key
    }
}

fn ms(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

fn add(to: &mut LifecycleTally, more: LifecycleTally) {
    to.looked_at += more.looked_at;
    to.expired += more.expired;
    to.removed += more.removed;
    to.moved += more.moved;
    to.aborted += more.aborted;
    to.failed += more.failed;
}

#[cfg(test)]
mod tests;
