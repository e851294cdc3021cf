//! Objects and multipart uploads.

use super::Client;
use crate::command::{
    AlterVersion, CompleteUpload, CreateUpload, DeleteObject, Deleted, KeyCommand, KeyOutcome,
    PutObject, PutPart, Stored,
};
use crate::error::Error;
use crate::id::{BucketId, ObjectKey, UploadId};
use crate::limits::PAGE_ITEMS;
use crate::query::{
    KeyAnswer, KeyQuery, ListPage, ListRequest, ListStart, PartPage, RangeListing, UploadPage,
    UploadStart,
};
use crate::record::{Bucket, Checksum, ETag, ObjectVersion, Upload, VersionName};

const ODD: Error = Error::Protocol("an answer to another question");

/// What a completed upload became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// The object's order and time.
    pub stored: Stored,
    /// Its tag.
    pub etag: ETag,
    /// Its checksums.
    pub checksums: Vec<Checksum>,
}

/// The error of an outcome that is one.
pub(super) fn refused(outcome: KeyOutcome) -> Error {
    match outcome {
        KeyOutcome::NoSuchKey => Error::NoSuchKey,
        KeyOutcome::PreconditionFailed => Error::PreconditionFailed,
        KeyOutcome::NoSuchUpload => Error::NoSuchUpload,
        KeyOutcome::InvalidPart { number } => Error::InvalidPart { number },
        KeyOutcome::InvalidPartOrder => Error::InvalidPartOrder,
        KeyOutcome::EntityTooSmall { number, size_bytes } => {
            Error::EntityTooSmall { number, size_bytes }
        }
        KeyOutcome::SizeMismatch { size_bytes } => Error::SizeMismatch { size_bytes },
        KeyOutcome::BlobRefused { blob } => Error::BlobRefused { blob },
        KeyOutcome::Locked => Error::VersionLocked,
        KeyOutcome::NoSuchVersion => Error::NoSuchVersion,
        KeyOutcome::IsMarker => Error::IsDeleteMarker,
        _ => ODD,
    }
}

impl Client {
    /// Stores an object whose blobs' shards are durable, apart from the debts named.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`], [`Error::NoSuchKey`], [`Error::BlobRefused`], or as all
    /// operations in a bucket: [`Error::NoSuchBucket`], [`Error::StaleBucket`].
    pub async fn put_object(&self, bucket: &Bucket, put: PutObject) -> Result<Stored, Error> {
        let key = put.key.clone();
        let command = KeyCommand::PutObject {
            bucket: bucket.id,
            put: Box::new(put),
        };
        match self
            .change(bucket, key.as_bytes(), self.told(command))
            .await?
        {
            KeyOutcome::Stored(stored) => Ok(stored),
            outcome => Err(refused(outcome)),
        }
    }

    /// Removes or hides an object, or removes one of its versions. Of what is not there,
    /// preconditions are not asked.
    ///
    /// # Errors
    /// [`Error::PreconditionFailed`], [`Error::VersionLocked`], or as all operations in a bucket.
    pub async fn delete_object(
        &self,
        bucket: &Bucket,
        delete: DeleteObject,
    ) -> Result<Deleted, Error> {
        let key = delete.key.clone();
        let command = KeyCommand::DeleteObject {
            bucket: bucket.id,
            delete: Box::new(delete),
        };
        match self
            .change(bucket, key.as_bytes(), self.told(command))
            .await?
        {
            KeyOutcome::Deleted(deleted) => Ok(deleted),
            outcome => Err(refused(outcome)),
        }
    }

    /// Changes what can be changed of a version; its name.
    ///
    /// # Errors
    /// [`Error::NoSuchKey`], [`Error::NoSuchVersion`], [`Error::IsDeleteMarker`],
    /// [`Error::VersionLocked`], or as all operations in a bucket.
    pub async fn alter_version(
        &self,
        bucket: &Bucket,
        alter: AlterVersion,
    ) -> Result<VersionName, Error> {
        let key = alter.key.clone();
        let command = KeyCommand::AlterVersion {
            bucket: bucket.id,
            alter: Box::new(alter),
        };
        match self
            .change(bucket, key.as_bytes(), self.told(command))
            .await?
        {
            KeyOutcome::Altered { version } => Ok(version),
            outcome => Err(refused(outcome)),
        }
    }

    /// The object of a key, if there is one that no delete marker hides.
    ///
    /// # Errors
    /// As all operations in a bucket.
    pub async fn get_object(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
    ) -> Result<Option<Box<ObjectVersion>>, Error> {
        let newest = self.get_version(bucket, key, None).await?;
        Ok(newest.filter(|newest| !newest.head.delete_marker))
    }

    /// A version of a key, or the newest one, if there is such a one. It may be a delete marker.
    ///
    /// # Errors
    /// As all operations in a bucket.
    pub async fn get_version(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        version: Option<VersionName>,
    ) -> Result<Option<Box<ObjectVersion>>, Error> {
        let query = KeyQuery::GetObject {
            bucket: bucket.id,
            key: key.clone(),
            version,
        };
        match self.ask(bucket, key.as_bytes(), query).await? {
            KeyAnswer::Object(object) => Ok(object),
            _ => Err(ODD),
        }
    }

    /// A page of current objects.
    ///
    /// # Errors
    /// As all operations in a bucket.
    pub async fn list_objects(
        &self,
        bucket: &Bucket,
        list: ListRequest,
    ) -> Result<ListPage, Error> {
        let query = |bucket, list, _| KeyQuery::ListObjects { bucket, list };
        self.list(bucket, list, query).await
    }

    /// A page of versions.
    ///
    /// # Errors
    /// As all operations in a bucket.
    pub async fn list_versions(
        &self,
        bucket: &Bucket,
        list: ListRequest,
    ) -> Result<ListPage, Error> {
        let query = |bucket, list, after| KeyQuery::ListVersions {
            bucket,
            list,
            after,
        };
        self.list(bucket, list, query).await
    }

    /// Fills a page from one group after the other.
    async fn list(
        &self,
        bucket: &Bucket,
        list: ListRequest,
        query: impl Fn(BucketId, RangeListing, Option<VersionName>) -> KeyQuery,
    ) -> Result<ListPage, Error> {
        let mut page = ListPage::default();
        let mut after = match &list.start {
            Some(ListStart::AfterVersion(key, version)) if *key >= list.prefix => Some(*version),
            _ => None,
        };
        let max = (list.max as usize).min(PAGE_ITEMS);
        let Some(mut range) = list.range().filter(|_| max > 0) else {
            return Ok(page);
        };
        loop {
            // A full page asks for one more, to learn whether there is one.
            let shown = page.objects.len() + page.prefixes.len();
            range.max = as_u32((max - shown).max(1));
            let from = range.from.clone();
            let query = query(bucket.id, range.clone(), after);
            let (found, rest) = match self.ask(bucket, from.as_bytes(), query).await? {
                KeyAnswer::Objects { page, rest } => (page, rest),
                _ => return Err(ODD),
            };
            if shown == max && !(found.objects.is_empty() && found.prefixes.is_empty()) {
                page.next = last_of(&page);
                return Ok(page);
            }
            page.objects.extend(found.objects);
            page.prefixes.extend(found.prefixes);
            page.next = found.next;
            match rest {
                Some(rest) if page.next.is_none() => (range.from, after) = (rest, None),
                _ => return Ok(page),
            }
        }
    }

    /// Begins a multipart upload; when it began, ms since 1970.
    ///
    /// # Errors
    /// As all operations in a bucket.
    pub async fn create_upload(&self, bucket: &Bucket, create: CreateUpload) -> Result<u64, Error> {
        let key = create.key.clone();
        let command = KeyCommand::CreateUpload {
            bucket: bucket.id,
            create: Box::new(create),
        };
        match self.change(bucket, key.as_bytes(), command).await? {
            KeyOutcome::UploadCreated { initiated_ms } => Ok(initiated_ms),
            outcome => Err(refused(outcome)),
        }
    }

    /// Stores a part, replacing an earlier one of its number; when it was stored, ms since 1970.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], [`Error::BlobRefused`], or as all operations in a bucket.
    pub async fn put_part(&self, bucket: &Bucket, put: PutPart) -> Result<u64, Error> {
        let key = put.key.clone();
        let command = KeyCommand::PutPart {
            bucket: bucket.id,
            put: Box::new(put),
        };
        match self.change(bucket, key.as_bytes(), command).await? {
            KeyOutcome::PartStored { modified_ms } => Ok(modified_ms),
            outcome => Err(refused(outcome)),
        }
    }

    /// Makes an object of an upload's parts. Repeating it answers as the first time.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], [`Error::InvalidPart`], [`Error::InvalidPartOrder`],
    /// [`Error::EntityTooSmall`], [`Error::SizeMismatch`], [`Error::PreconditionFailed`],
    /// [`Error::NoSuchKey`], or as all operations in a bucket.
    pub async fn complete_upload(
        &self,
        bucket: &Bucket,
        complete: CompleteUpload,
    ) -> Result<Completed, Error> {
        let key = complete.key.clone();
        let command = KeyCommand::CompleteUpload {
            bucket: bucket.id,
            complete: Box::new(complete),
        };
        match self
            .change(bucket, key.as_bytes(), self.told(command))
            .await?
        {
            KeyOutcome::UploadCompleted {
                stored,
                etag,
                checksums,
            } => Ok(Completed {
                stored,
                etag,
                checksums,
            }),
            outcome => Err(refused(outcome)),
        }
    }

    /// Ends an upload and gives up its parts.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], or as all operations in a bucket.
    pub async fn abort_upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<(), Error> {
        let command = KeyCommand::AbortUpload {
            bucket: bucket.id,
            key: key.clone(),
            upload,
        };
        match self.change(bucket, key.as_bytes(), command).await? {
            KeyOutcome::UploadAborted => Ok(()),
            outcome => Err(refused(outcome)),
        }
    }

    /// An upload in progress.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], or as all operations in a bucket.
    pub async fn upload(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
    ) -> Result<Upload, Error> {
        let query = KeyQuery::GetUpload {
            bucket: bucket.id,
            key: key.clone(),
            upload,
        };
        match self.ask(bucket, key.as_bytes(), query).await? {
            KeyAnswer::Upload(Some(upload)) => Ok(*upload),
            KeyAnswer::Upload(None) => Err(Error::NoSuchUpload),
            _ => Err(ODD),
        }
    }

    /// A page of the parts of an upload in progress, with numbers above `after`.
    ///
    /// # Errors
    /// [`Error::NoSuchUpload`], or as all operations in a bucket.
    pub async fn list_parts(
        &self,
        bucket: &Bucket,
        key: &ObjectKey,
        upload: UploadId,
        after: u32,
        max: u32,
    ) -> Result<PartPage, Error> {
        let query = KeyQuery::ListParts {
            bucket: bucket.id,
            key: key.clone(),
            upload,
            after,
            max,
        };
        match self.ask(bucket, key.as_bytes(), query).await? {
            KeyAnswer::Parts(Some(page)) => Ok(*page),
            KeyAnswer::Parts(None) => Err(Error::NoSuchUpload),
            _ => Err(ODD),
        }
    }

    /// A page of uploads in progress.
    ///
    /// # Errors
    /// As all operations in a bucket.
    pub async fn list_uploads(
        &self,
        bucket: &Bucket,
        prefix: ObjectKey,
        delimiter: ObjectKey,
        start: Option<UploadStart>,
        max: u32,
    ) -> Result<UploadPage, Error> {
        let mut page = UploadPage::default();
        let all = (max as usize).min(PAGE_ITEMS);
        if all == 0 {
            return Ok(page);
        }
        let (from, mut after) = match &start {
            None => (ObjectKey::default(), None),
            Some(start) => match start.first_key() {
                Some(first) => first,
                None => return Ok(page),
            },
        };
        if from < prefix {
            after = None;
        }
        let mut range = RangeListing {
            from: from.max(prefix.clone()),
            prefix,
            delimiter,
            max: 0,
        };
        loop {
            let shown = page.uploads.len() + page.prefixes.len();
            range.max = as_u32((all - shown).max(1));
            let from = range.from.clone();
            let query = KeyQuery::ListUploads {
                bucket: bucket.id,
                list: range.clone(),
                after,
            };
            let (found, rest) = match self.ask(bucket, from.as_bytes(), query).await? {
                KeyAnswer::Uploads { page, rest } => (page, rest),
                _ => return Err(ODD),
            };
            if shown == all && !(found.uploads.is_empty() && found.prefixes.is_empty()) {
                page.next = last_upload_of(&page);
                return Ok(page);
            }
            page.uploads.extend(found.uploads);
            page.prefixes.extend(found.prefixes);
            page.next = found.next;
            match rest {
                Some(rest) if page.next.is_none() => (range.from, after) = (rest, None),
                _ => return Ok(page),
            }
        }
    }
}

fn as_u32(items: usize) -> u32 {
    u32::try_from(items).expect("a page is small")
}

/// Where a full page ends: after its last item, be it an object or a common prefix.
fn last_of(page: &ListPage) -> Option<ListStart> {
    let object = page.objects.last().map(|object| &object.key);
    let prefix = page.prefixes.last();
    if prefix > object {
        prefix.cloned().map(ListStart::AfterPrefix)
    } else {
        object.cloned().map(ListStart::AfterKey)
    }
}

/// As [`last_of`], of uploads.
fn last_upload_of(page: &UploadPage) -> Option<UploadStart> {
    let upload = page.uploads.last();
    let prefix = page.prefixes.last();
    if prefix > upload.map(|upload| &upload.key) {
        prefix.cloned().map(UploadStart::AfterPrefix)
    } else {
        upload.map(|last| UploadStart::AfterUpload(last.key.clone(), last.upload.id))
    }
}
