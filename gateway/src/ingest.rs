//! Takes in the bytes of an object or part: small ones into the record, others into a blob; digests
//! beside; and makes sure that what is not committed does not stay.

use std::collections::VecDeque;
use std::future::Future;

use bytes::{Bytes, BytesMut};
use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::RequestId;
use riquet_cluster::wire::shard::Owner;
use riquet_metadata::Error as MetadataError;
use riquet_metadata::record::{BlobRef, Content, Debt, StorageClass, sealed_length};
use riquet_s3::body::{DigestSpec, Digests, Payload};
use riquet_s3::{Checksum, Error as S3Error, ErrorCode};

use crate::client_body::ClientBody;
use crate::data::{
    BlobWrite, DataPath, DigestTask, ObjectReader, Sealing, Source, StreamKey, Written, seal_whole,
};
use crate::error::Error;
use crate::gateway::Gateway;

/// Bytes of unknown length that are held in memory at a time, and one slice more.
const UNSIZED_SEGMENT_BYTES: u64 = 8 << 20;

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
        pending: Pending::default(),
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
    let uncommitted = Uncommitted {
        data,
        blob,
        request,
    };
    let pending = Pending {
        blobs: vec![uncommitted],
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

/// Takes what comes from `origin` without an announced length: the file of a form, or a body that a
/// client sends in HTTP's own chunks. It is stored as blobs of at most [`UNSIZED_SEGMENT_BYTES`], each held in memory until it is full. Also its length.
///
/// # Errors
/// As [`ingest`]; `EntityTooLarge` beyond `max_bytes`, `NotImplemented` for what is to be sealed and
/// doesn't fit into one blob.
pub(crate) async fn ingest_unsized<O: Origin>(
    gateway: &Gateway,
    mut destination: Destination,
    max_bytes: u64,
    origin: &mut O,
    digests: &DigestSpec,
) -> Result<(Ingested, u64), Error> {
    let _turn = gateway.admission.upload().await?;
    let mut tee = Tee {
        origin,
        digests: gateway.data.digest(Digests::new(digests)),
    };
    let mut key = destination.key.take();
    let mut pending = Pending::default();
    let (mut blobs, mut debts) = (Vec::new(), Vec::new());
    let mut total_bytes = 0;
    let mut inline = None;
    loop {
        let (mut segment, is_last) = Segment::read(&mut tee).await?;
        let length_bytes = segment.length_bytes;
        total_bytes += length_bytes;
        if total_bytes > max_bytes {
            return Err(ErrorCode::EntityTooLarge.into());
        }
        if is_last && total_bytes <= destination.inline_max_bytes {
            inline = Some(segment.whole());
            break;
        }
        if key.is_some() && !is_last {
            return Err(S3Error::new(ErrorCode::NotImplemented)
                .message("Encrypted objects above 8 MiB must announce their length")
                .into());
        }
        if length_bytes > 0 {
            let written = write_segment(gateway, &destination, key.take(), &mut segment).await?;
            pending.blobs.push(Uncommitted {
                data: gateway.data.clone(),
                blob: written.blob.clone(),
                request: destination.request,
            });
            blobs.push(written.blob);
            debts.extend(written.debts);
        }
        if is_last {
            break;
        }
    }
    let outcome = tee.digests.finish(None).await?;
    let content = match inline {
        None => Content::Blobs(blobs),
        Some(bytes) => Content::Inline(match key {
            None => bytes,
            Some(key) => seal_whole(key, bytes),
        }),
    };
    let ingested = Ingested {
        content,
        debts,
        md5: outcome.md5.expect("it was asked for"),
        checksum: outcome.checksum,
        pending,
    };
    Ok((ingested, total_bytes))
}

async fn write_segment(
    gateway: &Gateway,
    destination: &Destination,
    key: Option<StreamKey>,
    segment: &mut Segment,
) -> Result<Written, Error> {
    let length_bytes = segment.length_bytes;
    let sealed = key.is_some();
    let write = |length_bytes| BlobWrite {
        owner: Owner {
            sealed,
            ..destination.owner.clone()
        },
        class: destination.class,
        length_bytes,
        request: destination.request,
    };
    Ok(match key {
        None => gateway.data.write(write(length_bytes), segment).await?,
        Some(key) => {
            let write = write(sealed_length(length_bytes));
            let mut sealing = Sealing::new(segment, key, length_bytes);
            gateway.data.write(write, &mut sealing).await?
        }
    })
}

/// A piece of them, in memory.
struct Segment {
    slices: VecDeque<Bytes>,
    length_bytes: u64,
}

impl Segment {
    /// The next piece, and whether the file ends with it.
    async fn read(source: &mut impl Source<Error = Error>) -> Result<(Self, bool), Error> {
        let mut segment = Self {
            slices: VecDeque::new(),
            length_bytes: 0,
        };
        while segment.length_bytes < UNSIZED_SEGMENT_BYTES {
            let Some(bytes) = source.next().await else {
                return Ok((segment, true));
            };
            let bytes = bytes?;
            segment.length_bytes += bytes.len() as u64;
            segment.slices.push_back(bytes);
        }
        Ok((segment, false))
    }

    fn whole(self) -> Bytes {
        let slices: Vec<Bytes> = self.slices.into();
        slices.concat().into()
    }
}

impl Source for Segment {
    type Error = Error;

    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        self.slices.pop_front().map(Ok)
    }
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

/// Blobs that wait for the commit that names them. Dropped before that, they're removed.
#[derive(Default)]
pub(crate) struct Pending {
    blobs: Vec<Uncommitted>,
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
    /// Runs the commit that names the blobs. Once it is begun, only its own answer tells whether
    /// they may go: dropped half way, the nodes find out by themselves.
    ///
    /// # Errors
    /// The commit's.
    pub(crate) async fn commit<T>(
        mut self,
        commit: impl Future<Output = Result<T, MetadataError>>,
    ) -> Result<T, Error> {
        let blobs = std::mem::take(&mut self.blobs);
        die_at("gateway::put::durable");
        let result = commit.await;
        die_at("gateway::put::committed");
        if result.as_ref().is_err_and(is_decided) {
            blobs.into_iter().for_each(Uncommitted::discard);
        }
        Ok(result?)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Sound: a commit that had begun would have taken the blobs.
        self.blobs.drain(..).for_each(Uncommitted::discard);
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
