//! What the rules of a lifecycle do to versions, each time only to what they were held against.

use super::Batch;
use super::tablets::SizeChange;
use super::versions::signed;
use crate::codec::Record;
use crate::command::{
    ApplyRule, DeleteObject, KeyOutcome, MovedBlob, Preconditions, RuleAction, SeenPlace,
    SeenVersion,
};
use crate::id::{BucketId, ObjectKey};
use crate::keys::{self, end_of};
use crate::limits::PAGE_ITEMS;
use crate::record::{
    BlobRef, Bypass, Content, Debt, ObjectBody, ObjectHead, StorageClass, VersionId,
};
use crate::store::{StoreError, get, scan};

impl Batch<'_> {
    pub(super) fn apply_rule(
        &mut self,
        bucket: BucketId,
        rule: &ApplyRule,
    ) -> Result<KeyOutcome, StoreError> {
        let ApplyRule { key, seen, action } = rule;
        let tablet = match self.open_tablet_of(bucket, key.as_bytes())? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        let Some(newest) = self.newest_head(bucket, key)? else {
            return Ok(KeyOutcome::PreconditionFailed);
        };
        let Some(version) = self.as_seen(bucket, key, &newest, seen)? else {
            return Ok(KeyOutcome::PreconditionFailed);
        };
        match (action, seen.place) {
            (RuleAction::Expire { versioning }, SeenPlace::Current) => {
                let delete = DeleteObject {
                    key: key.clone(),
                    version: None,
                    preconditions: Preconditions::default(),
                    versioning: *versioning,
                    bypass: Bypass::Nothing,
                };
                let outcome = self.delete_newest(bucket, &delete, Some(newest))?;
                Ok(self.deleted(bucket, tablet, outcome))
            }
            (RuleAction::Remove, SeenPlace::LoneMarker | SeenPlace::Noncurrent { .. }) => {
                let outcome =
                    self.remove_unlocked(bucket, key, newest, &version, Bypass::Nothing)?;
                Ok(self.deleted(bucket, tablet, outcome))
            }
            (
                RuleAction::Move {
                    storage_class,
                    blobs,
                    debts,
                },
                SeenPlace::Current | SeenPlace::Noncurrent { .. },
            ) if !version.delete_marker => {
                let to = (*storage_class, blobs.as_slice(), debts.as_slice());
                match self.move_blobs(bucket, key, &newest, version, to)? {
                    Ok((outcome, change)) => {
                        self.count(bucket, tablet, change);
                        Ok(outcome)
                    }
                    Err(refusal) => Ok(refusal),
                }
            }
            _ => Ok(KeyOutcome::PreconditionFailed),
        }
    }

    /// The version, if it is as it was seen.
    fn as_seen(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: &ObjectHead,
        seen: &SeenVersion,
    ) -> Result<Option<ObjectHead>, StoreError> {
        let found = match seen.place {
            SeenPlace::Current => Some(newest.clone()).filter(|head| !head.delete_marker),
            SeenPlace::LoneMarker => {
                let from = keys::versions(bucket, key.as_bytes());
                let is_alone = scan(&self.state, &from, &end_of(&from), 2)?.len() == 1;
                Some(newest.clone()).filter(|head| head.delete_marker && is_alone)
            }
            SeenPlace::Noncurrent { newer, keeps_newer } => {
                let is_behind = newer.sequence > seen.id.sequence
                    && self.version_of(bucket, key, newest, newer)?.is_some()
                    && self.has_newer(bucket, key, newest, seen.id, keeps_newer)?;
                match is_behind {
                    true => self.version_of(bucket, key, newest, seen.id)?,
                    false => None,
                }
            }
        };
        let Some(head) = found.filter(|head| head.id() == seen.id) else {
            return Ok(None);
        };
        let has_tags = match head.delete_marker {
            true => seen.tags.is_empty(),
            false => self.body_of(bucket, key, &head)?.tags == seen.tags,
        };
        Ok(has_tags.then_some(head))
    }

    fn version_of(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: &ObjectHead,
        id: VersionId,
    ) -> Result<Option<ObjectHead>, StoreError> {
        let found = match newest.sequence == id.sequence {
            true => Some(newest.clone()),
            false => get(
                &self.state,
                &keys::version(bucket, key.as_bytes(), id.sequence),
            )?,
        };
        Ok(found.filter(|head: &ObjectHead| head.id() == id))
    }

    /// Whether there are so many noncurrent versions newer than one.
    fn has_newer(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: &ObjectHead,
        id: VersionId,
        count: u32,
    ) -> Result<bool, StoreError> {
        // A marker that is the newest is among the others, and is none of them.
        let count = count as usize + usize::from(newest.delete_marker);
        if count > PAGE_ITEMS {
            return Ok(false);
        }
        let from = keys::versions(bucket, key.as_bytes());
        let to = keys::version(bucket, key.as_bytes(), id.sequence);
        Ok(scan(&self.state, &from, &to, count)?.len() == count)
    }

    fn body_of(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        head: &ObjectHead,
    ) -> Result<ObjectBody, StoreError> {
        let stored = keys::body(bucket, key.as_bytes(), head.sequence);
        let body: Option<ObjectBody> = self.state.record(&stored)?;
        Ok(body.expect("every head of an object has a body"))
    }

    /// Puts blobs of the same bytes in the place of those that were read.
    fn move_blobs(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: &ObjectHead,
        mut head: ObjectHead,
        (storage_class, moved, debts): (StorageClass, &[MovedBlob], &[Debt]),
    ) -> Result<Result<(KeyOutcome, SizeChange), KeyOutcome>, StoreError> {
        let mut body = self.body_of(bucket, key, &head)?;
        let before = signed(body.to_bytes().len());
        let old: Vec<BlobRef> = body.content.blobs().cloned().collect();
        let is_same = |(old, moved): (&BlobRef, &MovedBlob)| {
            old.id == moved.from && old.length_bytes == moved.to.length_bytes
        };
        if old.len() != moved.len() || !old.iter().zip(moved).all(is_same) {
            return Ok(Err(KeyOutcome::PreconditionFailed));
        }
        let new = Content::Blobs(moved.iter().map(|moved| moved.to.clone()).collect());
        if let Some(blob) = self.refused_blob(&new)? {
            return Ok(Err(KeyOutcome::BlobRefused { blob }));
        }
        self.commit_blobs(bucket, key, &new, debts);
        for (place, moved) in body.content.blobs_mut().zip(moved) {
            *place = moved.to.clone();
        }
        self.discard_all(old.iter())?;
        let change = SizeChange {
            keys: 0,
            bytes: signed(body.to_bytes().len()) - before,
        };
        self.state
            .put(keys::body(bucket, key.as_bytes(), head.sequence), &body);
        head.storage_class = storage_class;
        self.rewrite_head(bucket, key, newest, &head);
        let version = head.name();
        Ok(Ok((KeyOutcome::Altered { version }, change)))
    }
}
