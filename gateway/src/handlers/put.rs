//! PutObject.

use bytes::Bytes;
use http::Response;
use riquet_metadata::command::PutObject;
use riquet_metadata::id::ObjectKey;
use riquet_metadata::limits::INLINE_BYTES;
use riquet_metadata::record::{ETag, Lock, ObjectBody, ObjectVersion, StorageClass};
use riquet_s3::ChecksumAlgorithm;
use riquet_s3::body::Payload;
use riquet_s3::request::PutObjectInput;
use riquet_s3::response::PutObjectOutput;

use super::acl::NewAccess;
use super::lifecycle::Announced;
use super::{Answer, Context, UPLOAD_MAX_BYTES, Upload, acl, encryption, lifecycle, lock, whole};
use crate::data::Stream;
use crate::encryption::NewKey;
use crate::error::Error;
use crate::ingest::{Destination, Ingested, ingest, ingest_unsized};
use crate::{convert, notify};

pub(super) async fn put_object(cx: &Context, input: &PutObjectInput, upload: Upload<'_>) -> Answer {
    let announced_bytes = match upload.spec.length_bytes() {
        Some(_) => Some(upload.length_bytes()?),
        None => None,
    };
    let new = New::prepare(cx, input).await?;

    // The bytes become durable and every digest is held against them; nothing is visible yet.
    let mut digests = upload.spec.digest_spec();
    digests.default_checksum = Some(ChecksumAlgorithm::Crc64Nvme);
    let destination = new.destination(cx, INLINE_BYTES as u64);
    let mut payload = Payload::new(upload.body, &upload.spec);
    let gateway = &cx.gateway;
    let (received, length_bytes) = match announced_bytes {
        Some(length_bytes) => {
            let received = ingest(gateway, destination, length_bytes, &mut payload, &digests);
            (received.await?, length_bytes)
        }
        None => {
            let max_bytes = UPLOAD_MAX_BYTES;
            ingest_unsized(gateway, destination, max_bytes, &mut payload, &digests).await?
        }
    };

    let stored = new.store(cx, input, received).await?;
    let response = stored.output.clone().into_response();
    let response = announced(cx, input, &stored, length_bytes, response).await;
    Ok(whole(response))
}

/// An object before its bytes come.
pub(super) struct New {
    key: ObjectKey,
    class: StorageClass,
    lock: Lock,
    access: NewAccess,
    sealing: Option<NewKey>,
}

/// An object that is stored.
pub(super) struct Stored {
    pub(super) output: PutObjectOutput,
    modified_ms: u64,
    class: StorageClass,
}

impl New {
    /// What is decided before the first byte is taken in.
    pub(super) async fn prepare(cx: &Context, input: &PutObjectInput) -> Result<Self, Error> {
        Ok(Self {
            key: convert::stored_key(input.key.as_str()),
            class: convert::stored_class(input.storage_class),
            lock: lock::of_new_version(cx, &input.lock).await?,
            access: acl::of_new_object(cx, input.acl.as_ref()).await?,
            sealing: encryption::of_new_object(cx, input.key.as_str(), &input.encryption).await?,
        })
    }

    /// Where the bytes go.
    pub(super) fn destination(&self, cx: &Context, inline_max_bytes: u64) -> Destination {
        let sealing = self.sealing.as_ref();
        Destination {
            owner: cx.shard_owner(&self.key, None),
            class: self.class,
            request: cx.request,
            inline_max_bytes,
            key: sealing.map(|new| new.key.stream(Stream::Object)),
        }
    }

    /// One commit makes the object visible, if its preconditions hold at that moment.
    pub(super) async fn store(
        self,
        cx: &Context,
        input: &PutObjectInput,
        received: Ingested,
    ) -> Result<Stored, Error> {
        let Ingested {
            content,
            debts,
            md5,
            checksum,
            pending,
        } = received;
        let etag = ETag::whole(md5);
        let (headers, user_metadata) = convert::stored_headers(&input.headers);
        let checksums = checksum.iter().map(convert::stored_checksum).collect();
        let encryption = self.sealing.map(|new| new.record);
        let shown = encryption::shown_to_writer(encryption.as_ref(), &input.encryption);
        let body = ObjectBody {
            headers,
            user_metadata,
            checksums,
            tags: input.tags.clone().into_pairs(),
            acl: self.access.acl,
            encryption,
            ..ObjectBody::of(content)
        };
        let mut version = ObjectVersion::proposed(etag, self.class, self.access.owner, body);
        version.head.lock = self.lock;
        let put = PutObject {
            key: self.key,
            version,
            preconditions: convert::preconditions(&input.condition),
            debts,
            versioning: cx.bucket().versioning,
        };
        let metadata = notify::telling(cx, input.key.as_str(), notify::PUT).await?;
        let stored = pending
            .commit(metadata.put_object(cx.bucket(), put))
            .await
            .map_err(|error| error.of_write(input.condition.header()))?;
        Ok(Stored {
            output: PutObjectOutput {
                etag: convert::etag(&etag),
                checksum,
                version_id: convert::written_version(stored.version),
                encryption: shown,
            },
            modified_ms: stored.modified_ms,
            class: self.class,
        })
    }
}

/// Says in an answer when the object expires.
pub(super) async fn announced(
    cx: &Context,
    input: &PutObjectInput,
    stored: &Stored,
    length_bytes: u64,
    response: Response<Bytes>,
) -> Response<Bytes> {
    let announced = Announced {
        key: &input.key,
        modified_ms: stored.modified_ms,
        size_bytes: length_bytes,
        class: stored.class,
        tags: input.tags.clone(),
    };
    lifecycle::announce(cx, response, announced).await
}
