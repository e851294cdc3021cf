//! CreateMultipartUpload, UploadPart, UploadPartCopy, AbortMultipartUpload.

use riquet_metadata::command::{CreateUpload, PutPart};
use riquet_metadata::id::{ObjectKey, UploadId};
use riquet_metadata::record::{ChecksumRule, ETag, Part, Upload as UploadRecord};
use riquet_s3::body::{DigestSpec, Payload};
use riquet_s3::range::ByteRange;
use riquet_s3::request::{
    CreateMultipartUploadInput, UploadInput, UploadPartCopyInput, UploadPartInput,
};
use riquet_s3::response::{
    CreateMultipartUploadOutput, NoContent, UploadPartCopyOutput, UploadPartOutput,
};
use riquet_s3::{Checksum, ChecksumAlgorithm, Error as S3Error, ErrorCode};
use uuid::Uuid;

use super::copy::{check_copy_size, copy_digests, open_source};
use super::{Answer, Context, Upload, acl, encryption, lifecycle, lock, whole};
use crate::convert;
use crate::data::{DataKey, Stream, fresh_salt};
use crate::error::Error;
use crate::ingest::{Destination, Ingested, Origin, ingest};

pub(super) async fn create(cx: &Context, input: &CreateMultipartUploadInput) -> Answer {
    let (headers, user_metadata) = convert::stored_headers(&input.headers);
    let sealing = encryption::of_new_object(cx, input.key.as_str(), &input.encryption).await?;
    let encryption = sealing.map(|new| new.record);
    let shown = encryption::shown_to_writer(encryption.as_ref(), &input.encryption);
    let id = UploadId(Uuid::now_v7().as_u128());
    let access = acl::of_new_object(cx, input.acl.as_ref()).await?;
    let initiator = cx.caller.owner().id;
    let upload = UploadRecord {
        id,
        initiator: (initiator != access.owner).then_some(initiator),
        initiated_ms: 0,
        storage_class: convert::stored_class(input.storage_class),
        owner: access.owner,
        headers,
        user_metadata,
        checksum: input.checksum.map(|asked| ChecksumRule {
            algorithm: convert::stored_algorithm(asked.algorithm),
            kind: convert::stored_kind(asked.kind),
        }),
        tags: input.tags.clone().into_pairs(),
        acl: access.acl,
        lock: lock::of_new_version(cx, &input.lock).await?,
        encryption,
    };
    let key = convert::stored_key(input.key.as_str());
    let initiated_ms = cx
        .metadata()
        .create_upload(cx.bucket(), CreateUpload { key, upload })
        .await?;
    let output = CreateMultipartUploadOutput {
        bucket: input.bucket.clone(),
        key: input.key.clone(),
        upload_id: id.to_string(),
        checksum: input.checksum,
        encryption: shown,
    };
    let response = output.into_response();
    Ok(whole(
        lifecycle::announce_upload(cx, response, &input.key, initiated_ms).await,
    ))
}

pub(super) async fn upload_part(cx: &Context, input: &UploadPartInput, body: Upload<'_>) -> Answer {
    let length_bytes = body.length_bytes()?;
    let key = convert::stored_key(input.key.as_str());
    let id = convert::upload_id(&input.upload_id)?;
    let upload = cx.metadata().upload(cx.bucket(), &key, id).await?;
    let customer_key = input.customer_key.as_ref();
    let data_key = encryption::of_upload(cx, input.key.as_str(), &upload, customer_key).await?;

    let mut digests = body.spec.digest_spec();
    let asked = part_algorithm(digests.checksum_algorithm(), upload.checksum)?;
    digests.default_checksum = Some(asked);
    let mut payload = Payload::new(body.body, &body.spec);
    let place = PartPlace {
        key,
        upload: &upload,
        number: input.part_number,
        data_key,
    };
    let stored = store_part(cx, place, length_bytes, &mut payload, &digests).await?;
    let output = UploadPartOutput {
        etag: convert::etag(&stored.etag),
        checksum: stored.checksum,
        encryption: encryption::shown(upload.encryption.as_ref(), customer_key),
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn upload_part_copy(cx: &Context, input: &UploadPartCopyInput) -> Answer {
    let key = convert::stored_key(input.key.as_str());
    let id = convert::upload_id(&input.upload_id)?;
    let upload = cx.metadata().upload(cx.bucket(), &key, id).await?;
    let customer_key = input.customer_key.as_ref();
    let data_key = encryption::of_upload(cx, input.key.as_str(), &upload, customer_key).await?;
    let opened = open_source(cx, &input.source, &input.source_conditions).await?;
    let source_version_id = opened.version_id();
    let source_key = opened
        .key(cx, &input.source, input.source_customer_key.as_ref())
        .await?;
    let source = opened.object;
    let whole_source = ByteRange {
        start: 0,
        end_exclusive: source.head.size_bytes,
    };
    let range = match &input.range {
        Some(range) => range.resolve(source.head.size_bytes)?,
        None => whole_source,
    };
    check_copy_size(range.size_bytes())?;

    let digests = copy_digests(part_algorithm(None, upload.checksum)?);
    let bytes = range.start..range.end_exclusive;
    let _turn = cx.gateway.admission.download().await?;
    let mut reader = cx
        .gateway
        .data
        .read(&source.body.content, source_key, bytes, cx.request)?;
    let place = PartPlace {
        key,
        upload: &upload,
        number: input.part_number,
        data_key,
    };
    let stored = store_part(cx, place, range.size_bytes(), &mut reader, &digests).await?;
    let output = UploadPartCopyOutput {
        etag: convert::etag(&stored.etag),
        last_modified: convert::moment(stored.modified_ms),
        checksum: stored.checksum,
        source_version_id,
        encryption: encryption::shown(upload.encryption.as_ref(), customer_key),
    };
    Ok(whole(output.into_response()))
}

pub(super) async fn abort(cx: &Context, input: &UploadInput) -> Answer {
    let key = convert::stored_key(input.key.as_str());
    let id = convert::upload_id(&input.upload_id)?;
    cx.metadata().abort_upload(cx.bucket(), &key, id).await?;
    Ok(whole(NoContent.into_response()))
}

/// Which part of which upload.
struct PartPlace<'a> {
    key: ObjectKey,
    upload: &'a UploadRecord,
    number: u32,
    /// The upload's key, if its parts are sealed.
    data_key: Option<DataKey>,
}

/// What was stored as a part.
struct StoredPart {
    etag: ETag,
    checksum: Option<Checksum>,
    modified_ms: u64,
}

async fn store_part<O: Origin>(
    cx: &Context,
    place: PartPlace<'_>,
    length_bytes: u64,
    origin: &mut O,
    digests: &DigestSpec,
) -> Result<StoredPart, Error> {
    let PartPlace {
        key,
        upload,
        number,
        data_key,
    } = place;
    let salt = data_key.as_ref().map(|_| fresh_salt());
    let stream_key = |(key, salt): (&DataKey, _)| key.stream(Stream::Part { number, salt });
    let destination = Destination {
        owner: cx.shard_owner(&key, Some((upload.id, number))),
        class: upload.storage_class,
        request: cx.request,
        // Content in parts is read blob by blob; only an empty part has none.
        inline_max_bytes: 0,
        key: data_key.as_ref().zip(salt).map(stream_key),
    };
    let received = ingest(&cx.gateway, destination, length_bytes, origin, digests).await?;
    let Ingested {
        content,
        debts,
        md5,
        checksum,
        pending,
    } = received;
    let etag = ETag::whole(md5);
    let part = Part {
        number,
        size_bytes: length_bytes,
        etag,
        checksums: checksum.iter().map(convert::stored_checksum).collect(),
        content,
        modified_ms: 0,
        salt,
    };
    let put = PutPart {
        key,
        upload: upload.id,
        part,
        debts,
    };
    let modified_ms = pending
        .commit(cx.metadata().put_part(cx.bucket(), put))
        .await?;
    Ok(StoredPart {
        etag,
        checksum,
        modified_ms,
    })
}

/// The checksum that a part has: the one its upload was begun with, else the one its sender
/// chose, else the default.
fn part_algorithm(
    declared: Option<ChecksumAlgorithm>,
    rule: Option<ChecksumRule>,
) -> Result<ChecksumAlgorithm, S3Error> {
    let expected = rule.map(|rule| convert::algorithm(rule.algorithm));
    match (expected, declared) {
        (Some(expected), Some(declared)) if expected != declared => {
            Err(S3Error::new(ErrorCode::InvalidRequest).message(format!(
                "Checksum Type mismatch occurred, expected checksum Type: {}, actual checksum \
                 Type: {}",
                expected.name().to_ascii_lowercase(),
                declared.name().to_ascii_lowercase(),
            )))
        }
        (Some(algorithm), _) | (None, Some(algorithm)) => Ok(algorithm),
        (None, None) => Ok(ChecksumAlgorithm::Crc64Nvme),
    }
}

#[cfg(test)]
mod tests {
    use riquet_metadata::record::{ChecksumAlgorithm as Stored, ChecksumKind};

    use super::*;

    #[test]
    fn a_part_has_the_checksum_of_its_upload() {
        let rule = Some(ChecksumRule {
            algorithm: Stored::Sha1,
            kind: ChecksumKind::Composite,
        });
        let algorithm = |declared, rule| part_algorithm(declared, rule).map_err(|e| e.code());
        assert_eq!(algorithm(None, rule), Ok(ChecksumAlgorithm::Sha1));
        assert_eq!(
            algorithm(Some(ChecksumAlgorithm::Sha1), rule),
            Ok(ChecksumAlgorithm::Sha1)
        );
        let mismatch = algorithm(Some(ChecksumAlgorithm::Crc32), rule);
        assert_eq!(mismatch, Err(ErrorCode::InvalidRequest));
        assert_eq!(
            algorithm(Some(ChecksumAlgorithm::Crc32), None),
            Ok(ChecksumAlgorithm::Crc32)
        );
        assert_eq!(algorithm(None, None), Ok(ChecksumAlgorithm::Crc64Nvme));
    }
}
