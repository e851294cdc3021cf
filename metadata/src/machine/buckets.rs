//! Buckets as the control group keeps them: made, configured, forgotten.

use super::Batch;
use super::changes::bucket_of;
use super::recovery::first_group;
use crate::command::{BucketChange, NewBucket, NewDocument, SystemOutcome};
use crate::id::{BucketId, ChangeId, ObjectKey};
use crate::keys::{self, end_of};
use crate::record::{Bucket, Document, DocumentKind, TabletPlace, Versioning};
use crate::store::{StoreError, scan};

/// Documents of a bucket; there are fewer kinds than that.
const DOCUMENTS_MAX: usize = 256;

impl NewBucket {
    /// The bucket as it begins: one tablet, no documents yet.
    pub(super) fn made(&self, id: BucketId, created_ms: u64, key_groups: u32) -> Bucket {
        Bucket {
            id,
            name: self.name.clone(),
            owner: self.owner.clone(),
            created_ms,
            region: self.region.clone(),
            tablets: vec![TabletPlace {
                start: ObjectKey::default(),
                group: first_group(id, key_groups),
                since: ChangeId::default(),
            }],
            versioning: match self.has_locks {
                true => Versioning::Enabled,
                false => Versioning::Never,
            },
            has_locks: self.has_locks,
            documents: Vec::new(),
            tenant: self.tenant.clone(),
        }
    }
}

impl Batch<'_> {
    pub(super) fn create_bucket(
        &mut self,
        key_groups: u32,
        new: &NewBucket,
    ) -> Result<SystemOutcome, StoreError> {
        if let Some(bucket) = self.state.record::<Bucket>(&keys::bucket(&new.name))? {
            return Ok(SystemOutcome::BucketExists { bucket });
        }
        self.header.last_bucket += 1;
        let id = BucketId(self.header.last_bucket);
        let mut bucket = new.made(id, self.header.clock_ms, key_groups);
        for NewDocument { kind, document } in &new.documents {
            self.put_document(&mut bucket, *kind, Some(document));
        }
        self.put_bucket(&bucket);
        Ok(SystemOutcome::BucketCreated { bucket })
    }

    pub(super) fn configure_bucket(
        &mut self,
        id: BucketId,
        change: &BucketChange,
    ) -> Result<SystemOutcome, StoreError> {
        let Some(mut bucket) = bucket_of(&self.state, id)? else {
            return Ok(SystemOutcome::BucketConfigured(None));
        };
        match change {
            BucketChange::Versioning(Versioning::Enabled) => {
                bucket.versioning = Versioning::Enabled;
            }
            // Versions that can be locked must not be lost, and what was kept is never forgotten.
            BucketChange::Versioning(_) if bucket.has_locks => {}
            BucketChange::Versioning(Versioning::Never)
                if bucket.versioning != Versioning::Never => {}
            BucketChange::Versioning(versioning) => bucket.versioning = *versioning,
            BucketChange::AllowLocks => {
                bucket.has_locks |= bucket.versioning == Versioning::Enabled;
            }
            BucketChange::Document { kind, document } => {
                self.put_document(&mut bucket, *kind, document.as_ref());
                if *kind == DocumentKind::Lifecycle {
                    self.rules_changed(id, document.is_some())?;
                }
            }
        }
        self.put_bucket(&bucket);
        Ok(SystemOutcome::BucketConfigured(Some(Box::new(bucket))))
    }

    /// Stores or removes a document, and notes it in the bucket, which the caller stores.
    fn put_document(
        &mut self,
        bucket: &mut Bucket,
        kind: DocumentKind,
        document: Option<&Document>,
    ) {
        bucket.documents.retain(|known| *known != kind);
        let stored = keys::document(bucket.id, kind);
        match document {
            None => self.state.delete(stored),
            Some(document) => {
                self.state.put(stored, document);
                bucket.documents.push(kind);
            }
        }
    }

    /// Stores a bucket under its name, its number and its owner.
    pub(super) fn put_bucket(&mut self, bucket: &Bucket) {
        let Bucket {
            id, name, owner, ..
        } = bucket;
        self.state.put(keys::bucket(name), bucket);
        self.state
            .put_bytes(keys::bucket_name(*id), name.as_bytes().to_vec());
        self.state
            .put_bytes(keys::owned_bucket(owner, name), Vec::new());
    }

    pub(super) fn forget_bucket(&mut self, id: BucketId) -> Result<(), StoreError> {
        let bucket = bucket_of(&self.state, id)?;
        let bucket = bucket.expect("a bucket outlives its changes");
        let from = keys::documents(id);
        for (document, _) in scan(&self.state, &from, &end_of(&from), DOCUMENTS_MAX)? {
            self.state.delete(document);
        }
        self.state.delete(keys::lifecycle_turn(id));
        self.state.delete(keys::bucket(&bucket.name));
        self.state.delete(keys::bucket_name(id));
        self.state
            .delete(keys::owned_bucket(&bucket.owner, &bucket.name));
        Ok(())
    }
}
