//! Objects: stored, replaced, removed, under preconditions that are decided here.

use super::Batch;
use super::tablets::SizeChange;
use crate::codec::Record;
use crate::command::{KeyOutcome, Preconditions, PutObject, Stored, TagMatch};
use crate::id::{BucketId, ObjectKey};
use crate::keys;
use crate::record::{ETag, ObjectBody, ObjectHead};
use crate::store::{Reader, StoreError, decode};

impl TagMatch {
    fn matches(&self, etag: &ETag) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(tags) => tags.contains(etag),
        }
    }
}

impl Preconditions {
    /// Why an object must not be stored over `current`, or none if it may.
    pub(super) fn refuse_store(&self, current: Option<&ObjectHead>) -> Option<KeyOutcome> {
        match current {
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
        let current = self.current_head(bucket, &put.key)?;
        if let Some(refusal) = put.preconditions.refuse_store(current.as_ref()) {
            return Ok(refusal);
        }
        if let Some(blob) = self.refused_blob(&put.version.body.content)? {
            return Ok(KeyOutcome::BlobRefused { blob });
        }
        self.commit_blobs(bucket, &put.key, &put.version.body.content, &put.debts);
        let (stored, grown) = self.replace_object(
            bucket,
            &put.key,
            current.as_ref(),
            put.version.head.clone(),
            &put.version.body,
        )?;
        self.count(bucket, tablet, grown);
        Ok(KeyOutcome::Stored(stored))
    }

    pub(super) fn delete_object(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        preconditions: &Preconditions,
    ) -> Result<KeyOutcome, StoreError> {
        let tablet = match self.open_tablet_of(bucket, key.as_bytes())? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        // S3 counts a deletion of what is not there as done, whatever its preconditions.
        let Some(head) = self.current_head(bucket, key)? else {
            return Ok(KeyOutcome::Deleted { existed: false });
        };
        if !preconditions.hold_of(&head) {
            return Ok(KeyOutcome::PreconditionFailed);
        }
        let shrunk = self.discard_version(bucket, key, &head)?;
        self.state.delete(keys::current(bucket, key.as_bytes()));
        self.count(bucket, tablet, shrunk);
        Ok(KeyOutcome::Deleted { existed: true })
    }

    pub(super) fn current_head(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
    ) -> Result<Option<ObjectHead>, StoreError> {
        self.state.record(&keys::current(bucket, key.as_bytes()))
    }

    /// Makes a new current version whose blobs are committed, and discards the one it replaces.
    pub(super) fn replace_object(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        replaced: Option<&ObjectHead>,
        mut head: ObjectHead,
        body: &ObjectBody,
    ) -> Result<(Stored, SizeChange), StoreError> {
        let shrunk = match replaced {
            Some(replaced) => self.discard_version(bucket, key, replaced)?,
            None => SizeChange::default(),
        };
        head.modified_ms = self.header.clock_ms;
        let (stored, grown) = self.store_version(bucket, key, head, body);
        let change = SizeChange {
            keys: shrunk.keys + grown.keys,
            bytes: shrunk.bytes + grown.bytes,
        };
        Ok((stored, change))
    }

    /// Makes a new current version of the given time, where there is none, whose blobs are
    /// committed.
    pub(super) fn store_version(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        mut head: ObjectHead,
        body: &ObjectBody,
    ) -> (Stored, SizeChange) {
        head.size_bytes = body.content.size_bytes();
        head.sequence = self.next_sequence();
        let body_key = keys::body(bucket, key.as_bytes(), head.sequence);
        let head_key = keys::current(bucket, key.as_bytes());
        let (body, head_bytes) = (body.to_bytes(), head.to_bytes());
        let bytes = body_key.len() + body.len() + head_key.len() + head_bytes.len();
        self.state.put_bytes(body_key, body);
        self.state.put_bytes(head_key, head_bytes);
        let stored = Stored {
            sequence: head.sequence,
            modified_ms: head.modified_ms,
        };
        let grown = SizeChange {
            keys: 1,
            bytes: signed(bytes),
        };
        (stored, grown)
    }

    /// Discards the current version, whose head the caller replaces or removes.
    fn discard_version(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        head: &ObjectHead,
    ) -> Result<SizeChange, StoreError> {
        let stored = keys::body(bucket, key.as_bytes(), head.sequence);
        let bytes = self.state.get(&stored)?.expect("every head has a body");
        let body: ObjectBody = decode(&stored, &bytes)?;
        let head_key = keys::current(bucket, key.as_bytes());
        let head_bytes = head_key.len() + head.to_bytes().len();
        self.discard_all(body.content.blobs())?;
        let removed = stored.len() + bytes.len() + head_bytes;
        self.state.delete(stored);
        Ok(SizeChange {
            keys: -1,
            bytes: -signed(removed),
        })
    }
}

fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("a record is smaller than that")
}
