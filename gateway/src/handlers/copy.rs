//! CopyObject, and what it shares with UploadPartCopy: the source.
//!
//! A copy is read, verified and written anew: no two objects share a blob.

use std::sync::Arc;

use riquet_metadata::Error as MetadataError;
use riquet_metadata::command::PutObject;
use riquet_metadata::limits::INLINE_BYTES;
use riquet_metadata::record::{Bucket, ETag, ObjectBody, ObjectVersion};
use riquet_s3::body::DigestSpec;
use riquet_s3::conditions::ReadConditions;
use riquet_s3::request::{
    CopyMetadata, CopyObjectInput, CopySource, CopyTags, CustomerKey, VersionId,
};
use riquet_s3::response::CopyObjectOutput;
use riquet_s3::{ChecksumAlgorithm, Error as S3Error, ErrorCode};

use super::{Answer, Context, UPLOAD_MAX_BYTES, acl, encryption, get, lifecycle, lock, whole};
use crate::access::{Object, authorize_object};
use crate::data::{DataKey, Stream};
use crate::encryption::ObjectName;
use crate::error::Error;
use crate::ingest::{Destination, Ingested, ingest};
use crate::names::stored_name;
use crate::service::name_bucket;
use crate::{convert, notify};

pub(super) async fn copy_object(cx: &Context, input: &CopyObjectInput) -> Answer {
    let opened = open_source(cx, &input.source, &input.source_conditions).await?;
    let source_version_id = opened.version_id();
    let source_key = opened
        .key(cx, &input.source, input.source_customer_key.as_ref())
        .await?;
    let source = opened.object;
    let length_bytes = source.head.size_bytes;
    check_copy_size(length_bytes)?;
    let lock = lock::of_new_version(cx, &input.lock).await?;
    let access = acl::of_new_object(cx, input.acl.as_ref()).await?;
    let sealing = encryption::of_new_object(cx, input.key.as_str(), &input.encryption).await?;
    let key = convert::stored_key(input.key.as_str());
    let class = convert::stored_class(input.storage_class);

    let destination = Destination {
        owner: cx.shard_owner(&key, None),
        class,
        request: cx.request,
        inline_max_bytes: INLINE_BYTES as u64,
        key: sealing.as_ref().map(|new| new.key.stream(Stream::Object)),
    };
    let algorithm = input
        .checksum_algorithm
        .unwrap_or_else(|| checksum_to_keep(&source));
    let _turn = cx.gateway.admission.download().await?;
    let mut reader = cx.gateway.data.read(
        &source.body.content,
        source_key,
        0..length_bytes,
        cx.request,
    )?;
    let digests = copy_digests(algorithm);
    let copied = ingest(
        &cx.gateway,
        destination,
        length_bytes,
        &mut reader,
        &digests,
    )
    .await?;
    let Ingested {
        content,
        debts,
        md5,
        checksum,
        pending,
    } = copied;

    let etag = ETag::whole(md5);
    let (mut headers, user_metadata) = match &input.metadata {
        CopyMetadata::Copy => (source.body.headers, source.body.user_metadata),
        CopyMetadata::Replace(headers) => convert::stored_headers(headers),
    };
    headers.website_redirect = input.website_redirect.clone();
    let tags = match &input.tags {
        CopyTags::Copy => source.body.tags,
        CopyTags::Replace(tags) => tags.clone().into_pairs(),
    };
    let checksums = checksum.iter().map(convert::stored_checksum).collect();
    let encryption = sealing.map(|new| new.record);
    let shown = encryption::shown_to_writer(encryption.as_ref(), &input.encryption);
    let body = ObjectBody {
        headers,
        user_metadata,
        checksums,
        tags,
        acl: access.acl,
        encryption,
        ..ObjectBody::of(content)
    };
    let mut version = ObjectVersion::proposed(etag, class, access.owner, body);
    version.head.lock = lock;
    let preconditions = convert::preconditions(&input.condition);
    let put = PutObject {
        key,
        version,
        preconditions,
        debts,
        versioning: cx.bucket().versioning,
    };
    let metadata = notify::telling(cx, input.key.as_str(), notify::COPY).await?;
    let stored = pending
        .commit(metadata.put_object(cx.bucket(), put))
        .await
        .map_err(|error| error.of_write(input.condition.header()))?;

    let output = CopyObjectOutput {
        etag: convert::etag(&etag),
        last_modified: convert::moment(stored.modified_ms),
        checksum,
        version_id: convert::written_version(stored.version),
        source_version_id,
        encryption: shown,
    };
    let response = output.into_response();
    Ok(whole(
        lifecycle::announce_stored(cx, response, &input.key, stored.version).await,
    ))
}

/// What a copy reads.
pub(super) struct Source {
    bucket: Arc<Bucket>,
    pub(super) object: Box<ObjectVersion>,
}

impl Source {
    /// The version that is copied, of a bucket that keeps versions or ever did.
    pub(super) fn version_id(&self) -> Option<VersionId> {
        convert::shown_version(&self.bucket, self.object.head.name())
    }

    /// The key that it is read with, if it is sealed.
    pub(super) async fn key(
        &self,
        cx: &Context,
        source: &CopySource,
        customer: Option<&CustomerKey>,
    ) -> Result<Option<DataKey>, Error> {
        let name = ObjectName {
            bucket: &self.bucket.name,
            key: source.key.as_str(),
        };
        encryption::of_object(cx, name, &self.object, customer).await
    }
}

/// The object that a copy reads, if the caller may and the conditions hold.
pub(super) async fn open_source(
    cx: &Context,
    source: &CopySource,
    conditions: &ReadConditions,
) -> Result<Source, Error> {
    let name_it = |error: MetadataError| name_bucket(error.into(), source.bucket.as_str());
    let stored_name = stored_name(&source.bucket, &cx.caller);
    let mut bucket = cx.metadata().bucket(&stored_name).await.map_err(name_it)?;
    let object = match find_source(cx, &bucket, source).await {
        // Another bucket has that name by now.
        Err(Error::Metadata(MetadataError::StaleBucket)) => {
            let now = cx.metadata().bucket_now(&stored_name).await;
            bucket = now.map_err(name_it)?;
            find_source(cx, &bucket, source).await?
        }
        found => found?,
    };
    let modified = convert::moment(object.head.modified_ms);
    conditions.evaluate_copy(&convert::etag(&object.head.etag), modified)?;
    Ok(Source { bucket, object })
}

/// The object that a copy reads, if the caller may.
async fn find_source(
    cx: &Context,
    bucket: &Arc<Bucket>,
    source: &CopySource,
) -> Result<Box<ObjectVersion>, Error> {
    let version = source.version_id.as_ref();
    let action = match version {
        None => "s3:GetObject",
        Some(_) => "s3:GetObjectVersion",
    };
    let key = source.key.as_str();
    let known = cx.gateway.know(bucket.clone()).await?;
    if let Some(expected) = &source.expected_owner {
        expected.check(&known.owner_names())?;
    }
    let mut conditions = cx.conditions.clone();
    let asked = Object {
        known: &known,
        key,
        version,
    };
    let verdict = authorize_object(&cx.gateway, &cx.caller, action, asked, &mut conditions).await?;
    get::find_for(cx, bucket, key, version, &verdict).await
}

/// The digests of a copy: nobody declared any, but it has an ETag and a checksum of its own.
pub(super) fn copy_digests(algorithm: ChecksumAlgorithm) -> DigestSpec {
    let mut digests = DigestSpec::default();
    digests.md5 = true;
    digests.default_checksum = Some(algorithm);
    digests
}

/// A copy has a checksum of the algorithm that its source has.
fn checksum_to_keep(source: &ObjectVersion) -> ChecksumAlgorithm {
    let stored = source.body.checksums.first();
    stored.map_or(ChecksumAlgorithm::Crc64Nvme, |stored| {
        convert::algorithm(stored.algorithm)
    })
}

/// # Errors
/// `InvalidRequest`, as at AWS, where larger objects are copied in parts.
pub(super) fn check_copy_size(size_bytes: u64) -> Result<(), S3Error> {
    if size_bytes <= UPLOAD_MAX_BYTES {
        return Ok(());
    }
    Err(S3Error::new(ErrorCode::InvalidRequest).message(format!(
        "The specified copy source is larger than the maximum allowable size for a copy source: \
         {UPLOAD_MAX_BYTES}"
    )))
}
