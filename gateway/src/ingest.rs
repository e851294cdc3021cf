//! Takes in the bytes of an object or part: small ones into the record, others into a blob; digests
//! beside; and makes sure that what is not committed does not stay.

use std::future::Future;

use bytes::{Bytes, BytesMut};
use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::RequestId;
use riquet_cluster::wire::shard::Owner;
use riquet_metadata::Error as MetadataError;
use riquet_metadata::record::{BlobRef, Content, Debt, StorageClass, sealed_length};
use riquet_s3::body::{DigestSpec, Digests, Payload};
use riquet_s3::{Checksum, ErrorCode};

use crate::client_body::ClientBody;
use crate::data::{
    BlobWrite, DataPath, DigestTask, ObjectReader, Sealing, Source, StreamKey, seal_whole,
};
use crate::error::Error;
use crate::gateway::Gateway;

/// Where bytes come from: a client, or another object.
pub(crate) trait Origin: Send {
    /// The next slice; `None` at the verified end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, Error>>> + Send;

    /// The checksum that came after the bytes.
    fn trailer(&self) -> Option<Checksum>;
}

impl Origin for Payload<&mut ClientBody> {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        Some(Self::next(self).await?.map_err(Error::from))
    }

    fn trailer(&self) -> Option<Checksum> {
        self.trailer_checksum()
    }
}

impl Origin for ObjectReader {
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        Some(Self::next(self).await?.map_err(Error::from))
    }

    fn trailer(&self) -> Option<Checksum> {
        None
    }
}

/// Where bytes go.
#[derive(Debug)]
pub(crate) struct Destination {
    /// What the shards will say that they belong to.
    pub(crate) owner: Owner,
    /// Which profile to use.
    pub(crate) class: StorageClass,
    /// The client's request.
    pub(crate) request: RequestId,
    /// Up to this length, bytes go into the record.
    pub(crate) inline_max_bytes: u64,
    /// What the bytes are sealed with, if they are.
    pub(crate) key: Option<StreamKey>,
}

/// Bytes that are durable (or will be with their record), all promises about them kept.
pub(crate) struct Ingested {
    pub(crate) content: Content,
    pub(crate) debts: Vec<Debt>,
    pub(crate) md5: [u8; 16],
    pub(crate) checksum: Option<Checksum>,
    pub(crate) pending: Pending,
}

/// Takes `length_bytes` from `origin`. On any error, and when dropped, nothing stays behind.
///
/// # Errors
/// What the origin fails with, digests that don't match, and too few nodes.
pub(crate) async fn ingest<O: Origin>(
    gateway: &Gateway,
    destination: Destination,
    length_bytes: u64,
    origin: &mut O,
    digests: &DigestSpec,
) -> Result<Ingested, Error> {
    assert!(digests.md5, "an ETag needs the MD5");
    let digests = Digests::new(digests);
    if length_bytes <= destination.inline_max_bytes {
        ingest_inline(destination.key, length_bytes, origin, digests).await
    } else {
        ingest_blob(gateway, destination, length_bytes, origin, digests).await
    }
}

async fn ingest_inline<O: Origin>(
    key: Option<StreamKey>,
    length_bytes: u64,
    origin: &mut O,
    mut digests: Digests,
) -> Result<Ingested, Error> {
    let length = usize::try_from(length_bytes).expect("an inline object fits into memory");
    let mut content = BytesMut::with_capacity(length);
    while let Some(bytes) = origin.next().await {
        let bytes = bytes?;
        if content.len() + bytes.len() > length {
            return Err(ErrorCode::IncompleteBody.into());
        }
        digests.update(&bytes);
        content.extend_from_slice(&bytes);
    }
    if content.len() != length {
        return Err(ErrorCode::IncompleteBody.into());
    }
    let outcome = digests.finish(origin.trailer())?;
    Ok(Ingested {
        content: Content::Inline(match key {
            None => content.freeze(),
            Some(key) => seal_whole(key, content.freeze()),
        }),
        debts: Vec::new(),
        md5: outcome.md5.expect("it was asked for"),
        checksum: outcome.checksum,
        pending: Pending { blob: None },
    })
}

async fn ingest_blob<O: Origin>(
    gateway: &Gateway,
    destination: Destination,
    length_bytes: u64,
    origin: &mut O,
    digests: Digests,
) -> Result<Ingested, Error> {
    let _turn = gateway.admission.upload().await?;
    let Destination {
        owner,
        class,
        request,
        key,
        ..
    } = destination;
    let owner = Owner {
        sealed: key.is_some(),
        ..owner
    };
    let write = |length_bytes| BlobWrite {
        owner,
        class,
        length_bytes,
        request,
    };
    let mut tee = Tee {
        origin,
        digests: gateway.data.digest(digests),
    };
    let written = match key {
        None => gateway.data.write(write(length_bytes), &mut tee).await?,
        Some(key) => {
            let write = write(sealed_length(length_bytes));
            let mut sealing = Sealing::new(&mut tee, key, length_bytes);
            gateway.data.write(write, &mut sealing).await?
        }
    };
    let Tee { origin, digests } = tee;
    let (data, blob) = (gateway.data.clone(), written.blob.clone());
    let pending = Pending {
        blob: Some(Uncommitted {
            data,
            blob,
            request,
        }),
    };
    let outcome = digests.finish(origin.trailer()).await?;
    assert_eq!(
        outcome.length_bytes, length_bytes,
        "the data path checks the length"
    );
    Ok(Ingested {
        content: Content::Blobs(vec![written.blob]),
        debts: written.debts,
        md5: outcome.md5.expect("it was asked for"),
        checksum: outcome.checksum,
        pending,
    })
}

/// Passes slices on, and to the digests.
struct Tee<'a, O> {
    origin: &'a mut O,
    digests: DigestTask,
}

impl<O: Origin> Source for Tee<'_, O> {
    type Error = Error;

    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let next = self.origin.next().await?;
        if let Ok(bytes) = &next {
            self.digests.push(bytes.clone()).await;
        }
        Some(next)
    }
}

/// A blob that waits for the commit that names it. Dropped before that, it's removed.
pub(crate) struct Pending {
    blob: Option<Uncommitted>,
}

struct Uncommitted {
    data: DataPath,
    blob: BlobRef,
    request: RequestId,
}

impl Uncommitted {
    fn discard(self) {
        self.data.discard(self.blob, self.request);
    }
}

impl Pending {
    /// Runs the commit that names the blob. Once it is begun, only its own answer tells whether
    /// the blob may go: dropped half way, the nodes find out by themselves.
    ///
    /// # Errors
    /// The commit's.
    pub(crate) async fn commit<T>(
        mut self,
        commit: impl Future<Output = Result<T, MetadataError>>,
    ) -> Result<T, Error> {
        let blob = self.blob.take();
        die_at("gateway::put::durable");
        let result = commit.await;
        die_at("gateway::put::committed");
        if let (Err(error), Some(blob)) = (&result, blob)
            && is_decided(error)
        {
            blob.discard();
        }
        Ok(result?)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Sound: a commit that had begun would have taken the blob.
        if let Some(blob) = self.blob.take() {
            blob.discard();
        }
    }
}

/// Whether the state machine has refused the commit for good. Any other error leaves doubt, or a
/// late try on its way.
pub(crate) fn is_decided(error: &MetadataError) -> bool {
    use MetadataError as M;
    matches!(
        error,
        M::NoSuchBucket | M::StaleBucket | M::NoSuchKey | M::PreconditionFailed | M::NoSuchUpload
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubt_never_discards() {
        assert!(is_decided(&MetadataError::PreconditionFailed));
        for doubt in [
            MetadataError::Uncertain,
            MetadataError::Unavailable,
            MetadataError::Protocol("odd"),
            MetadataError::BlobRefused {
                blob: riquet_cluster::id::BlobId::from_u128(1),
            },
        ] {
            assert!(!is_decided(&doubt), "{doubt}");
        }
    }
}
