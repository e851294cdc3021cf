//! PutObject.

use riquet_metadata::command::PutObject;
use riquet_metadata::limits::INLINE_BYTES;
use riquet_metadata::record::{ETag, ObjectBody, ObjectVersion};
use riquet_s3::ChecksumAlgorithm;
use riquet_s3::body::Payload;
use riquet_s3::request::PutObjectInput;
use riquet_s3::response::PutObjectOutput;

use super::lifecycle::Announced;
use super::{Answer, Context, Upload, acl, encryption, lifecycle, lock, whole};
use crate::data::Stream;
use crate::ingest::{Destination, Ingested, ingest};
use crate::{convert, notify};

pub(super) async fn put_object(cx: &Context, input: &PutObjectInput, upload: Upload<'_>) -> Answer {
    let length_bytes = upload.length_bytes()?;
    let key = convert::stored_key(input.key.as_str());
    let class = convert::stored_class(input.storage_class);

    let lock = lock::of_new_version(cx, &input.lock).await?;
    let access = acl::of_new_object(cx, input.acl.as_ref()).await?;
    let sealing = encryption::of_new_object(cx, input.key.as_str(), &input.encryption).await?;

    // The bytes become durable and every digest is held against them; nothing is visible yet.
    let mut digests = upload.spec.digest_spec();
    digests.default_checksum = Some(ChecksumAlgorithm::Crc64Nvme);
    let destination = Destination {
        owner: cx.shard_owner(&key, None),
        class,
        request: cx.request,
        inline_max_bytes: INLINE_BYTES as u64,
        key: sealing.as_ref().map(|new| new.key.stream(Stream::Object)),
    };
    let mut payload = Payload::new(upload.body, &upload.spec);
    let received = ingest(
        &cx.gateway,
        destination,
        length_bytes,
        &mut payload,
        &digests,
    )
    .await?;
    let Ingested {
        content,
        debts,
        md5,
        checksum,
        pending,
    } = received;

    // One commit makes the object visible, if its preconditions hold at that moment.
    let etag = ETag::whole(md5);
    let (headers, user_metadata) = convert::stored_headers(&input.headers);
    let checksums = checksum.iter().map(convert::stored_checksum).collect();
    let encryption = sealing.map(|new| new.record);
    let shown = encryption::shown_to_writer(encryption.as_ref(), &input.encryption);
    let body = ObjectBody {
        headers,
        user_metadata,
        checksums,
        tags: input.tags.clone().into_pairs(),
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
    let metadata = notify::telling(cx, input.key.as_str(), notify::PUT).await?;
    let stored = pending
        .commit(metadata.put_object(cx.bucket(), put))
        .await
        .map_err(|error| error.of_write(&input.condition))?;

    let output = PutObjectOutput {
        etag: convert::etag(&etag),
        checksum,
        version_id: convert::written_version(stored.version),
        encryption: shown,
    };
    let announced = Announced {
        key: &input.key,
        modified_ms: stored.modified_ms,
        size_bytes: length_bytes,
        class,
        tags: input.tags.clone(),
    };
    let response = output.into_response();
    Ok(whole(lifecycle::announce(cx, response, announced).await))
}
