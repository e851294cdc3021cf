//! What only the shards tell of is put back, beside all that the records still have.

use super::Batch;
use super::tablets::tablets_overlapping;
use crate::command::{
    KeyOutcome, NewBucket, RecoverBucket, RecoverObject, RecoverTablet, SystemOutcome,
};
use crate::id::{BucketId, GroupId};
use crate::keys;
use crate::record::{Bucket, Tablet, TabletSize, TabletState, Versioning};
use crate::store::StoreError;

impl Batch<'_> {
    pub(super) fn recover_bucket(
        &mut self,
        key_groups: u32,
        recover: &RecoverBucket,
    ) -> Result<SystemOutcome, StoreError> {
        let id = recover.id;
        if let Some(bucket) = super::bucket_of(&self.state, id)? {
            return Ok(SystemOutcome::BucketExists { bucket });
        }
        if let Some(bucket) = self.state.record::<Bucket>(&keys::bucket(&recover.name))? {
            return Ok(SystemOutcome::BucketExists { bucket });
        }
        self.header.last_bucket = self.header.last_bucket.max(id.0);
        let created_ms = recover.created_ms.min(self.header.clock_ms);
        let mut new = NewBucket::named(&recover.name, &recover.owner, &recover.region);
        new.tenant.clone_from(&recover.tenant);
        let bucket = new.made(id, created_ms, key_groups);
        self.put_bucket(&bucket);
        Ok(SystemOutcome::BucketCreated { bucket })
    }

    pub(super) fn recover_tablet(
        &mut self,
        recover: &RecoverTablet,
    ) -> Result<KeyOutcome, StoreError> {
        let held = tablets_overlapping(&self.state, recover.bucket, &recover.range)?;
        let tablet = held.into_iter().next().unwrap_or_else(|| {
            let tablet = Tablet {
                range: recover.range.clone(),
                state: TabletState::Open,
                changed: recover.change,
                size: TabletSize::default(),
            };
            self.put_tablet(recover.bucket, &tablet);
            tablet
        });
        Ok(KeyOutcome::Tablet(Box::new(tablet)))
    }

    pub(super) fn recover_object(
        &mut self,
        bucket: BucketId,
        recover: &RecoverObject,
    ) -> Result<KeyOutcome, StoreError> {
        let key = &recover.key;
        let tablet = match self.open_tablet_of(bucket, key.as_bytes())? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        if self.newest_head(bucket, key)?.is_some() {
            return Ok(KeyOutcome::PreconditionFailed);
        }
        // However old a blob is: that no record knows it is what it is recovered for.
        if let Some(blob) = self.known_blob(&recover.version.body.content)? {
            return Ok(KeyOutcome::BlobRefused { blob });
        }
        self.commit_blobs(bucket, key, &recover.version.body.content, &[]);
        let mut head = recover.version.head.clone();
        head.modified_ms = head.modified_ms.min(self.header.clock_ms);
        let body = &recover.version.body;
        let (stored, grown) = self.store_version(bucket, key, Versioning::Never, head, body);
        self.count(bucket, tablet, grown);
        Ok(KeyOutcome::Stored(stored))
    }
}

/// The group of a new bucket's first tablet.
pub(super) fn first_group(bucket: BucketId, key_groups: u32) -> GroupId {
    let turn = u32::try_from(bucket.0 % u64::from(key_groups)).expect("less than a u32");
    GroupId(1 + turn)
}
