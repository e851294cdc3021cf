//! Objects: stored, replaced, hidden, removed, altered, under preconditions that are decided here.

use super::Batch;
use super::versions::version_named;
use crate::command::{
    AlterVersion, Alteration, DeleteObject, Deleted, KeyOutcome, Preconditions, PutObject, TagMatch,
};
use crate::id::{BucketId, ObjectKey};
use crate::keys::{self, end_of};
use crate::record::{Bypass, ETag, ObjectBody, ObjectHead, Tablet, VersionName, Versioning};
use crate::store::{StoreError, scan};

use super::tablets::SizeChange;

impl TagMatch {
    fn matches(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.contains(etag),
        }
    }
}

impl Preconditions {
    /// Why an object must not be stored over the newest version, or none if it may. Behind a delete
    /// marker there is no object.
    pub(super) fn refuse_store(&self, newest: Option<&ObjectHead>) -> Option<KeyOutcome> {
        match newest.filter(|head| !head.delete_marker) {
            None if self.if_match.is_some() => Some(KeyOutcome::NoSuchKey),
            None => None,
            Some(head) => (!self.hold_of(head)).then_some(KeyOutcome::PreconditionFailed),
        }
    }

    /// Whether they hold of an object that is there.
    pub(super) fn hold_of(&self, head: &ObjectHead) -> bool {
        let seconds = |ms: u64| ms / 1000;
        self.if_match
            .as_ref()
            .is_none_or(|tags| tags.matches(&head.etag))
            && self
                .if_none_match
                .as_ref()
                .is_none_or(|tags| !tags.matches(&head.etag))
            && self
                .if_modified_ms
                .is_none_or(|ms| seconds(ms) == seconds(head.modified_ms))
            && self
                .if_size_bytes
                .is_none_or(|size| size == head.size_bytes)
    }
}

impl Batch<'_> {
    pub(super) fn put_object(
        &mut self,
        bucket: BucketId,
        put: &PutObject,
    ) -> Result<KeyOutcome, StoreError> {
        let tablet = match self.open_tablet_of(bucket, put.key.as_bytes())? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        let newest = self.newest_head(bucket, &put.key)?;
        if let Some(refusal) = put.preconditions.refuse_store(newest.as_ref()) {
            return Ok(refusal);
        }
        if self.replaces_locked(bucket, &put.key, newest.as_ref(), put.versioning)? {
            return Ok(KeyOutcome::Locked);
        }
        if let Some(blob) = self.refused_blob(&put.version.body.content)? {
            return Ok(KeyOutcome::BlobRefused { blob });
        }
        self.commit_blobs(bucket, &put.key, &put.version.body.content, &put.debts);
        let (stored, grown) = self.replace_object(
            bucket,
            &put.key,
            newest.as_ref(),
            put.versioning,
            (put.version.head.clone(), &put.version.body),
        )?;
        self.count(bucket, tablet, grown);
        Ok(KeyOutcome::Stored(stored))
    }

    pub(super) fn delete_object(
        &mut self,
        bucket: BucketId,
        delete: &DeleteObject,
    ) -> Result<KeyOutcome, StoreError> {
        let tablet = match self.open_tablet_of(bucket, delete.key.as_bytes())? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        let newest = self.newest_head(bucket, &delete.key)?;
        let outcome = match delete.version {
            Some(version) => self.delete_version(bucket, delete, newest, version)?,
            None => self.delete_newest(bucket, delete, newest)?,
        };
        Ok(self.deleted(bucket, tablet, outcome))
    }

    /// Counts what a deletion took from its tablet.
    pub(super) fn deleted(
        &mut self,
        bucket: BucketId,
        tablet: Tablet,
        outcome: Result<(Deleted, SizeChange), KeyOutcome>,
    ) -> KeyOutcome {
        match outcome {
            Ok((deleted, change)) => {
                if deleted != Deleted::Nothing {
                    self.count(bucket, tablet, change);
                }
                KeyOutcome::Deleted(deleted)
            }
            Err(refusal) => refusal,
        }
    }

    /// Does what the bucket's versioning says.
    pub(super) fn delete_newest(
        &mut self,
        bucket: BucketId,
        delete: &DeleteObject,
        newest: Option<ObjectHead>,
    ) -> Result<Result<(Deleted, SizeChange), KeyOutcome>, StoreError> {
        let key = &delete.key;
        let object = newest.as_ref().filter(|head| !head.delete_marker);
        // They fail on a delete marker too: who names what is to be there learns that it is not.
        let fails = |head: &ObjectHead| !delete.preconditions.hold_of(head);
        if newest.as_ref().is_some_and(fails) {
            return Ok(Err(KeyOutcome::PreconditionFailed));
        }
        // S3 counts a deletion of what is not there as done, whatever its preconditions.
        let is_conditional = delete.preconditions != Preconditions::default();
        let is_nothing = object.is_none() && is_conditional;
        if is_nothing || (newest.is_none() && delete.versioning == Versioning::Never) {
            return Ok(Ok((Deleted::Nothing, SizeChange::default())));
        }
        if self.replaces_locked(bucket, key, newest.as_ref(), delete.versioning)? {
            return Ok(Err(KeyOutcome::Locked));
        }
        // The gateway may not know yet that versions are kept. Where there are any, none is removed.
        if delete.versioning == Versioning::Never
            && let Some(only) = object
            && only.version.is_none()
            && !self.has_older(bucket, key)?
        {
            let change = self.remove_only(bucket, key, only)?;
            return Ok(Ok((Deleted::Removed { was_marker: false }, change)));
        }
        let hidden = self.hide(bucket, key, newest.as_ref(), delete.versioning)?;
        Ok(Ok(hidden))
    }

    /// Whether anything but the current object of a key is kept.
    fn has_older(&self, bucket: BucketId, key: &ObjectKey) -> Result<bool, StoreError> {
        let from = keys::versions(bucket, key.as_bytes());
        Ok(!scan(&self.state, &from, &end_of(&from), 1)?.is_empty())
    }

    fn delete_version(
        &mut self,
        bucket: BucketId,
        delete: &DeleteObject,
        newest: Option<ObjectHead>,
        name: VersionName,
    ) -> Result<Result<(Deleted, SizeChange), KeyOutcome>, StoreError> {
        let nothing = Ok(Ok((Deleted::Nothing, SizeChange::default())));
        let Some(newest) = newest else {
            return nothing;
        };
        let key = &delete.key;
        let Some(version) = version_named(&self.state, bucket, key, &newest, name)? else {
            return nothing;
        };
        if !delete.preconditions.hold_of(&version) {
            return Ok(Err(KeyOutcome::PreconditionFailed));
        }
        self.remove_unlocked(bucket, key, newest, &version, delete.bypass)
    }

    /// Removes a version for good, unless it is locked.
    pub(super) fn remove_unlocked(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: ObjectHead,
        version: &ObjectHead,
        bypass: Bypass,
    ) -> Result<Result<(Deleted, SizeChange), KeyOutcome>, StoreError> {
        let now_ms = self.header.clock_ms;
        if !version.lock.allows_removal(now_ms, bypass) {
            return Ok(Err(KeyOutcome::Locked));
        }
        let change = self.remove_version(bucket, key, newest, version)?;
        let was_marker = version.delete_marker;
        Ok(Ok((Deleted::Removed { was_marker }, change)))
    }

    pub(super) fn alter_version(
        &mut self,
        bucket: BucketId,
        alter: &AlterVersion,
    ) -> Result<KeyOutcome, StoreError> {
        let key = &alter.key;
        let tablet = match self.open_tablet_of(bucket, key.as_bytes())? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        let Some(newest) = self.newest_head(bucket, key)? else {
            return Ok(match alter.version {
                None => KeyOutcome::NoSuchKey,
                Some(_) => KeyOutcome::NoSuchVersion,
            });
        };
        let version = match alter.version {
            None => Some(newest.clone()),
            Some(name) => version_named(&self.state, bucket, key, &newest, name)?,
        };
        let mut head = match version {
            None => return Ok(KeyOutcome::NoSuchVersion),
            Some(head) if head.delete_marker && alter.version.is_none() => {
                return Ok(KeyOutcome::NoSuchKey);
            }
            Some(head) if head.delete_marker => return Ok(KeyOutcome::IsMarker),
            Some(head) => head,
        };
        match &alter.alteration {
            Alteration::Tags(tags) => {
                self.alter_body(bucket, key, &head, |body| body.tags.clone_from(tags))?;
            }
            Alteration::Acl(acl) => {
                self.alter_body(bucket, key, &head, |body| body.acl.clone_from(acl))?;
            }
            Alteration::Retention { retention, bypass } => {
                let now_ms = self.header.clock_ms;
                if !head.lock.allows_retention(*retention, now_ms, *bypass) {
                    return Ok(KeyOutcome::Locked);
                }
                head.lock.retention = *retention;
                self.rewrite_head(bucket, key, &newest, &head);
            }
            Alteration::LegalHold(hold) => {
                head.lock.legal_hold = *hold;
                self.rewrite_head(bucket, key, &newest, &head);
            }
        }
        // What it adds or takes is little beside the record, and sizes are estimates.
        self.count(bucket, tablet, SizeChange::default());
        Ok(KeyOutcome::Altered {
            version: head.name(),
        })
    }

    fn alter_body(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        head: &ObjectHead,
        alter: impl FnOnce(&mut ObjectBody),
    ) -> Result<(), StoreError> {
        let stored = keys::body(bucket, key.as_bytes(), head.sequence);
        let body: Option<ObjectBody> = self.state.record(&stored)?;
        let mut body = body.expect("every head of an object has a body");
        alter(&mut body);
        self.state.put(stored, &body);
        Ok(())
    }
}
