//! Multipart uploads: begun, filled part by part, completed into an object or aborted.

use super::Batch;
use super::tablets::SizeChange;
use crate::command::{CompleteUpload, CreateUpload, KeyOutcome, PutPart, Stored};
use crate::id::{BucketId, ObjectKey, UploadId};
use crate::keys::{self, end_of};
use crate::limits::{
    COMPLETED_UPLOAD_MS, COMPLETED_UPLOADS, EVICTIONS_PER_COMMAND, PART_MIN_BYTES, PARTS,
};
use crate::record::{
    CompletedUpload, Content, ObjectBody, ObjectHead, ObjectVersion, Part, Upload, VersionName,
};
use crate::store::{Reader, StoreError, decode, scan};

impl Batch<'_> {
    pub(super) fn create_upload(
        &mut self,
        bucket: BucketId,
        create: &CreateUpload,
    ) -> Result<KeyOutcome, StoreError> {
        let tablet = match self.open_tablet_of(bucket, create.key.as_bytes())? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        let initiated_ms = self.header.clock_ms;
        let upload = Upload {
            initiated_ms,
            ..create.upload.clone()
        };
        self.state.put(
            keys::upload(bucket, create.key.as_bytes(), upload.id),
            &upload,
        );
        self.count(bucket, tablet, SizeChange::default());
        Ok(KeyOutcome::UploadCreated { initiated_ms })
    }

    pub(super) fn put_part(
        &mut self,
        bucket: BucketId,
        put: &PutPart,
    ) -> Result<KeyOutcome, StoreError> {
        let key = put.key.as_bytes();
        let tablet = match self.open_tablet_of(bucket, key)? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        if self
            .state
            .get(&keys::upload(bucket, key, put.upload))?
            .is_none()
        {
            return Ok(KeyOutcome::NoSuchUpload);
        }
        let number = put.part.number;
        if !(1..=PARTS).contains(&number) {
            return Ok(KeyOutcome::InvalidPart { number });
        }
        if let Some(blob) = self.refused_blob(&put.part.content)? {
            return Ok(KeyOutcome::BlobRefused { blob });
        }
        self.commit_blobs(bucket, &put.key, &put.part.content, &put.debts);
        let stored = keys::part(bucket, key, put.upload, put.part.number);
        if let Some(replaced) = self.state.record::<Part>(&stored)? {
            self.discard_all(replaced.content.blobs())?;
        }
        let modified_ms = self.header.clock_ms;
        let part = Part {
            modified_ms,
            size_bytes: put.part.plain_bytes(),
            ..put.part.clone()
        };
        self.state.put(stored, &part);
        self.count(bucket, tablet, SizeChange::default());
        Ok(KeyOutcome::PartStored { modified_ms })
    }

    pub(super) fn complete_upload(
        &mut self,
        bucket: BucketId,
        complete: &CompleteUpload,
    ) -> Result<KeyOutcome, StoreError> {
        let key = complete.key.as_bytes();
        let tablet = match self.open_tablet_of(bucket, key)? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        let stored_upload = keys::upload(bucket, key, complete.upload);
        let Some(upload) = self.state.record::<Upload>(&stored_upload)? else {
            return self.completed_before(bucket, complete);
        };
        let parts = self.parts_of(bucket, &complete.key, complete.upload)?;
        let chosen = match choose_parts(&parts, complete) {
            Ok(chosen) => chosen,
            Err(refusal) => return Ok(refusal),
        };
        let newest = self.newest_head(bucket, &complete.key)?;
        if let Some(refusal) = complete.preconditions.refuse_store(newest.as_ref()) {
            return Ok(refusal);
        }
        if self.replaces_locked(bucket, &complete.key, newest.as_ref(), complete.versioning)? {
            return Ok(KeyOutcome::Locked);
        }
        // Parts are in ascending order, and so are the chosen ones.
        let mut left_out = Vec::new();
        let mut listed = complete.parts.iter().map(|part| part.number).peekable();
        for part in &parts {
            if listed.next_if_eq(&part.number).is_none() {
                left_out.push(part);
            }
            self.state
                .delete(keys::part(bucket, key, complete.upload, part.number));
        }
        self.discard_all(left_out.into_iter().flat_map(|part| part.content.blobs()))?;
        self.state.delete(stored_upload);
        let body = ObjectBody {
            content: Content::Parts(chosen),
            headers: upload.headers,
            user_metadata: upload.user_metadata,
            checksums: complete.checksums.clone(),
            tags: upload.tags,
            acl: upload.acl,
            encryption: upload.encryption,
        };
        let proposed =
            ObjectVersion::proposed(complete.etag, upload.storage_class, upload.owner, body);
        let head = ObjectHead {
            lock: upload.lock,
            ..proposed.head
        };
        let (stored, grown) = self.replace_object(
            bucket,
            &complete.key,
            newest.as_ref(),
            complete.versioning,
            (head, &proposed.body),
        )?;
        self.count(bucket, tablet, grown);
        self.remember_completed(bucket, complete, stored)?;
        Ok(completed(complete.etag, stored, &complete.checksums))
    }

    pub(super) fn abort_upload(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<KeyOutcome, StoreError> {
        let tablet = match self.open_tablet_of(bucket, key.as_bytes())? {
            Ok(tablet) => tablet,
            Err(refusal) => return Ok(refusal),
        };
        let stored = keys::upload(bucket, key.as_bytes(), upload);
        if self.state.get(&stored)?.is_none() {
            return Ok(KeyOutcome::NoSuchUpload);
        }
        for part in self.parts_of(bucket, key, upload)? {
            self.discard_all(part.content.blobs())?;
            self.state
                .delete(keys::part(bucket, key.as_bytes(), upload, part.number));
        }
        self.state.delete(stored);
        self.count(bucket, tablet, SizeChange::default());
        Ok(KeyOutcome::UploadAborted)
    }

    fn parts_of(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Vec<Part>, StoreError> {
        let from = keys::parts(bucket, key.as_bytes(), upload);
        scan(&self.state, &from, &end_of(&from), PARTS as usize)?
            .iter()
            .map(|(key, value)| decode(key, value))
            .collect()
    }

    /// A repeated completion answers as the first one did.
    fn completed_before(
        &self,
        bucket: BucketId,
        complete: &CompleteUpload,
    ) -> Result<KeyOutcome, StoreError> {
        let before = self
            .state
            .record::<CompletedUpload>(&keys::completed(complete.upload))?;
        let before = before.filter(|done| done.bucket == bucket && done.key == complete.key);
        Ok(match before {
            None => KeyOutcome::NoSuchUpload,
            Some(done) => {
                let stored = Stored {
                    sequence: done.sequence,
                    modified_ms: done.modified_ms,
                    version: done.version.map_or(VersionName::Null, VersionName::Kept),
                };
                completed(done.etag, stored, &done.checksums)
            }
        })
    }

    fn remember_completed(
        &mut self,
        bucket: BucketId,
        complete: &CompleteUpload,
        stored: Stored,
    ) -> Result<(), StoreError> {
        let record = CompletedUpload {
            key: complete.key.clone(),
            bucket,
            etag: complete.etag,
            sequence: stored.sequence,
            modified_ms: stored.modified_ms,
            checksums: complete.checksums.clone(),
            version: match stored.version {
                VersionName::Null => None,
                VersionName::Kept(version) => Some(version),
            },
        };
        self.state.put(keys::completed(complete.upload), &record);
        self.state.put_bytes(
            keys::completed_order(self.header.completed_next),
            complete.upload.0.to_be_bytes().to_vec(),
        );
        self.header.completed_next += 1;
        for _ in 0..EVICTIONS_PER_COMMAND {
            let order = keys::completed_order(self.header.completed_first);
            let Some(id) = self.state.get(&order)? else {
                break;
            };
            let id = id.try_into().expect("an upload id has 16 bytes");
            let oldest = keys::completed(UploadId(u128::from_be_bytes(id)));
            let record = self.state.record::<CompletedUpload>(&oldest)?;
            let record = record.expect("every entry of the queue has its record");
            let count = self.header.completed_next - self.header.completed_first;
            // A tablet that moved here may have brought completions of a group whose clock is ahead.
            let age_ms = self.header.clock_ms.saturating_sub(record.modified_ms);
            let expired = age_ms > COMPLETED_UPLOAD_MS;
            if count <= COMPLETED_UPLOADS && !expired {
                break;
            }
            self.state.delete(order);
            self.state.delete(oldest);
            self.header.completed_first += 1;
        }
        Ok(())
    }
}

fn completed(
    etag: crate::record::ETag,
    stored: Stored,
    checksums: &[crate::record::Checksum],
) -> KeyOutcome {
    KeyOutcome::UploadCompleted {
        stored,
        etag,
        checksums: checksums.to_vec(),
    }
}

/// The parts that the client listed, or why they make no object. `parts` is sorted by number.
fn choose_parts(parts: &[Part], complete: &CompleteUpload) -> Result<Vec<Part>, KeyOutcome> {
    let ascending = complete.parts.is_sorted_by(|a, b| a.number < b.number);
    if complete.parts.is_empty() || !ascending {
        return Err(KeyOutcome::InvalidPartOrder);
    }
    let mut chosen = Vec::with_capacity(complete.parts.len());
    for asked in &complete.parts {
        let refusal = KeyOutcome::InvalidPart {
            number: asked.number,
        };
        let Ok(found) = parts.binary_search_by_key(&asked.number, |part| part.number) else {
            return Err(refusal);
        };
        let part = &parts[found];
        let checksum_agrees = asked.checksum.as_ref().is_none_or(|asked| {
            let same = |known: &crate::record::Checksum| {
                known.algorithm == asked.algorithm && known.value == asked.value
            };
            part.checksums.iter().any(same)
        });
        if part.etag.md5 != asked.etag.md5 || !checksum_agrees {
            return Err(refusal);
        }
        chosen.push(part.clone());
    }
    let (_, before_last) = chosen.split_last().expect("at least one is listed");
    if let Some(small) = before_last
        .iter()
        .find(|part| part.size_bytes < PART_MIN_BYTES)
    {
        return Err(KeyOutcome::EntityTooSmall {
            number: small.number,
            size_bytes: small.size_bytes,
        });
    }
    let size_bytes = chosen.iter().map(|part| part.size_bytes).sum();
    if complete
        .size_bytes
        .is_some_and(|announced| announced != size_bytes)
    {
        return Err(KeyOutcome::SizeMismatch { size_bytes });
    }
    Ok(chosen)
}
