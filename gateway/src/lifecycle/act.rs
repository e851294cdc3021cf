//! Does what is due to one version or upload, or to nothing at all: what was listed is read once more,
//! and the state machine compares it with what was read.

use riquet_metadata::command::{ApplyRule, RuleAction, SeenPlace, SeenVersion};
use riquet_metadata::query::ListedUpload;
use riquet_metadata::record::{Bucket, Bypass, LifecycleTally, ObjectHead, ObjectVersion};
use riquet_metadata::{Error as MetadataError, ObjectKey};
use riquet_s3::config::lifecycle::{
    LifecycleAction, LifecycleConfiguration, VersionFacts, VersionState,
};
use riquet_s3::config::tagging::TagSet;

use super::moves::Mover;
use super::round::Work;
use super::walk::Met;
use crate::convert;
use crate::error::Error;

/// What became of something that was due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// Nothing: it is not due any more, it is locked, or somebody else was faster.
    Nothing,
    Expired,
    Removed,
    Moved,
    Aborted,
    /// It could not be done now.
    Failed,
}

impl Done {
    fn count(self, tally: &mut LifecycleTally) {
        let (count, action) = match self {
            Self::Nothing => return,
            Self::Expired => (&mut tally.expired, "expired"),
            Self::Removed => (&mut tally.removed, "removed"),
            Self::Moved => (&mut tally.moved, "moved"),
            Self::Aborted => (&mut tally.aborted, "aborted"),
            Self::Failed => (&mut tally.failed, "failed"),
        };
        *count += 1;
        metrics::counter!("riquet_gateway_lifecycle_actions_total", "action" => action)
            .increment(1);
    }
}

/// What rules look at of a version.
pub(super) fn facts<'a>(
    key: &'a str,
    head: &ObjectHead,
    state: VersionState,
    tags: &'a TagSet,
) -> VersionFacts<'a> {
    VersionFacts {
        key,
        tags,
        size_bytes: head.size_bytes,
        storage_class: convert::class(head.storage_class),
        created: convert::moment(head.modified_ms),
        state,
    }
}

impl<M: Mover> Work<M> {
    /// Does what is due to versions of one key, given newest first. The oldest come first: how long one
    /// is noncurrent is read off the version before it.
    pub(super) async fn tend_versions(
        &self,
        bucket: &Bucket,
        rules: &LifecycleConfiguration,
        versions: Vec<Met>,
    ) -> LifecycleTally {
        let mut tally = LifecycleTally::default();
        for met in versions.into_iter().rev() {
            self.pace.change().await;
            let key = met.key.clone();
            let outcome = self.tend_version(bucket, rules, met).await;
            judge(outcome, &key).count(&mut tally);
        }
        tally
    }

    async fn tend_version(
        &self,
        bucket: &Bucket,
        rules: &LifecycleConfiguration,
        met: Met,
    ) -> Result<Done, Error> {
        let name = Some(met.head.name());
        let found = self.metadata.get_version(bucket, &met.key, name).await?;
        let Some(version) = found.filter(|found| found.head.id() == met.head.id()) else {
            return Ok(Done::Nothing);
        };
        let (key, now) = (convert::key_text(&met.key), (self.clock)());
        let tags = TagSet::from_stored(version.body.tags.clone());
        let facts = facts(&key, &version.head, met.state, &tags);
        let Some(due) = rules.due(&facts, now, self.schedule.day) else {
            return Ok(Done::Nothing);
        };
        let place = match met.state {
            VersionState::Current => SeenPlace::Current,
            VersionState::LoneMarker => SeenPlace::LoneMarker,
            VersionState::Noncurrent(_) | VersionState::NoncurrentMarker(_) => {
                SeenPlace::Noncurrent {
                    newer: met.newest,
                    keeps_newer: due.keeps_newer,
                }
            }
            VersionState::Marker => return Ok(Done::Nothing),
        };
        let rule = |action| ApplyRule {
            key: met.key.clone(),
            seen: SeenVersion {
                id: version.head.id(),
                tags: version.body.tags.clone(),
                place,
            },
            action,
        };
        tracing::debug!(bucket = bucket.name, key, ?due, "due");
        match due.action {
            LifecycleAction::Expire => {
                let versioning = bucket.versioning;
                let rule = rule(RuleAction::Expire { versioning });
                self.metadata.apply_rule(bucket, rule).await?;
                Ok(Done::Expired)
            }
            LifecycleAction::ExpireNoncurrent | LifecycleAction::RemoveMarker => {
                let now_ms = u64::try_from(now.as_millisecond()).unwrap_or_default();
                if !version.head.lock.allows_removal(now_ms, Bypass::Nothing) {
                    return Ok(Done::Nothing);
                }
                let rule = rule(RuleAction::Remove);
                self.metadata.apply_rule(bucket, rule).await?;
                Ok(Done::Removed)
            }
            LifecycleAction::Transition(class) => {
                let class = convert::stored_class(class);
                self.move_version(bucket, &met.key, &version, class, rule)
                    .await
            }
            LifecycleAction::AbortUpload => unreachable!("a version is no upload"),
        }
    }

    async fn move_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: &ObjectVersion,
        storage_class: riquet_metadata::record::StorageClass,
        rule: impl FnOnce(RuleAction) -> ApplyRule,
    ) -> Result<Done, Error> {
        let rewritten = self
            .mover
            .rewrite(bucket.id, key, &version.body, storage_class)
            .await?;
        let action = RuleAction::Move {
            storage_class,
            blobs: rewritten.blobs(),
            debts: rewritten.debts(),
        };
        let commit = self.metadata.apply_rule(bucket, rule(action));
        rewritten.commit(commit).await?;
        Ok(Done::Moved)
    }

    /// Aborts an upload that is due.
    pub(super) async fn tend_upload(
        &self,
        bucket: &Bucket,
        rules: &LifecycleConfiguration,
        listed: ListedUpload,
    ) -> LifecycleTally {
        let mut tally = LifecycleTally::default();
        let ListedUpload { key, upload } = listed;
        let initiated = convert::moment(upload.initiated_ms);
        let (now, day) = ((self.clock)(), self.schedule.day);
        let is_due = rules
            .due_upload(&convert::key_text(&key), initiated, now, day)
            .is_some();
        if is_due {
            self.pace.change().await;
            let aborted = self.metadata.abort_upload(bucket, &key, upload.id).await;
            let outcome = aborted.map(|()| Done::Aborted).map_err(Error::from);
            judge(outcome, &key).count(&mut tally);
        }
        tally
    }
}

/// What an attempt came to.
fn judge(outcome: Result<Done, Error>, key: &ObjectKey) -> Done {
    use MetadataError as M;
    match outcome {
        Ok(done) => done,
        // It is another than was seen, or it is kept.
        Err(Error::Metadata(
            M::PreconditionFailed
            | M::VersionLocked
            | M::NoSuchKey
            | M::NoSuchVersion
            | M::NoSuchUpload
            | M::NoSuchBucket
            | M::StaleBucket,
        )) => Done::Nothing,
        Err(error) => {
            tracing::debug!(key = convert::key_text(key), %error, "due, and not done");
            Done::Failed
        }
    }
}
