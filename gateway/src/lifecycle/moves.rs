//! Moves to another storage class: an object's blobs are read, verified and written anew as the class
//! says. Until the commit that names the new ones nothing has changed, and after it the old ones are
//! garbage like those of an object that was overwritten.
//!
//! Bytes go from blob to blob as they are: whatever they mean, they mean the same afterwards.

use std::sync::Arc;

use bytes::Bytes;
use riquet_cluster::failpoint::die_at;
use riquet_cluster::id::RequestId;
use riquet_cluster::wire::shard::{Owner, PartOwner};
use riquet_metadata::command::MovedBlob;
use riquet_metadata::record::{BlobRef, Content, Debt, ObjectBody, StorageClass};
use riquet_metadata::{BucketId, Error as MetadataError, ObjectKey};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::pace::Pace;
use crate::data::{BlobWrite, DataPath, ObjectReader, Source};
use crate::error::Error;
use crate::gateway::Gateway;
use crate::ingest::is_decided;

/// Objects that one gateway moves at a time: each takes the memory of a download and an upload.
const MOVES_AT_ONCE: usize = 2;

/// Writes contents anew.
pub(super) trait Mover: Send + Sync {
    /// Writes all blobs of an object anew, in another class.
    fn rewrite(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        body: &ObjectBody,
        class: StorageClass,
    ) -> impl Future<Output = Result<Rewritten, Error>> + Send;
}

/// Blobs that are durable, and that nothing names yet. Dropped before their commit begins, they are
/// removed.
#[derive(Default)]
pub(super) struct Rewritten {
    moved: Vec<MovedBlob>,
    debts: Vec<Debt>,
    /// Where to remove them again.
    place: Option<(DataPath, RequestId)>,
}

impl Rewritten {
    pub(super) fn blobs(&self) -> Vec<MovedBlob> {
        self.moved.clone()
    }

    pub(super) fn debts(&self) -> Vec<Debt> {
        self.debts.clone()
    }

    /// Runs the commit that names the blobs. Once it is begun, only its own answer tells whether they
    /// may go.
    pub(super) async fn commit<T>(
        mut self,
        commit: impl Future<Output = Result<T, MetadataError>>,
    ) -> Result<T, Error> {
        let place = self.place.take();
        die_at("gateway::lifecycle::rewritten");
        let result = commit.await;
        die_at("gateway::lifecycle::committed");
        if result.as_ref().is_err_and(is_decided) {
            self.place = place;
        }
        Ok(result?)
    }
}

impl Drop for Rewritten {
    fn drop(&mut self) {
        if let Some((data, request)) = &self.place {
            for moved in &self.moved {
                data.discard(moved.to.clone(), *request);
            }
        }
    }
}

/// Moves blobs over the data path of a gateway.
pub(super) struct BlobMover {
    gateway: Arc<Gateway>,
    pace: Arc<Pace>,
    turns: Semaphore,
}

impl BlobMover {
    pub(super) fn new(gateway: Arc<Gateway>, pace: Arc<Pace>) -> Self {
        Self {
            gateway,
            pace,
            turns: Semaphore::new(MOVES_AT_ONCE),
        }
    }

    async fn rewrite_blob(
        &self,
        owner: Owner,
        blob: &BlobRef,
        class: StorageClass,
        request: RequestId,
    ) -> Result<(MovedBlob, Vec<Debt>), Error> {
        let length_bytes = blob.length_bytes;
        let content = Content::Blobs(vec![blob.clone()]);
        let mut source = Paced {
            // Sealed content moves as it is.
            reader: self
                .gateway
                .data
                .read(&content, None, 0..length_bytes, request)?,
            pace: &self.pace,
        };
        let write = BlobWrite {
            owner,
            class,
            length_bytes,
            request,
        };
        let written = self.gateway.data.write(write, &mut source).await?;
        metrics::counter!("riquet_gateway_lifecycle_moved_bytes_total").increment(length_bytes);
        let moved = MovedBlob {
            from: blob.id,
            to: written.blob,
        };
        Ok((moved, written.debts))
    }
}

impl Mover for BlobMover {
    async fn rewrite(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        body: &ObjectBody,
        class: StorageClass,
    ) -> Result<Rewritten, Error> {
        let content = &body.content;
        let mut rewritten = Rewritten::default();
        if content.blobs().next().is_none() {
            return Ok(rewritten);
        }
        let turn = self.turns.acquire().await;
        let _turn = turn.expect("the semaphore is never closed");
        // As a copy does, and in the same order.
        let _read = self.gateway.admission.download().await?;
        let _write = self.gateway.admission.upload().await?;
        let request = RequestId::from_u128(Uuid::now_v7().as_u128());
        rewritten.place = Some((self.gateway.data.clone(), request));
        for (part, blob) in blobs_with_parts(content, Uuid::now_v7()) {
            let owner = Owner {
                bucket: bucket.0,
                key: key.as_bytes().to_vec(),
                part,
                sealed: body.encryption.is_some(),
            };
            let (moved, debts) = self.rewrite_blob(owner, blob, class, request).await?;
            rewritten.moved.push(moved);
            rewritten.debts.extend(debts);
        }
        Ok(rewritten)
    }
}

/// The blobs of a content, each with the part that its shards are to name: those of one object name
/// one upload, by which they find together where the metadata are lost.
fn blobs_with_parts(content: &Content, upload: Uuid) -> Vec<(Option<PartOwner>, &BlobRef)> {
    let owner = |number: u32| PartOwner {
        upload: upload.into_bytes(),
        number: u16::try_from(number).expect("part numbers end at 10,000"),
    };
    match content {
        Content::Inline(_) | Content::Blobs(_) => {
            content.blobs().map(|blob| (None, blob)).collect()
        }
        Content::Parts(parts) => parts
            .iter()
            .flat_map(|part| {
                let blobs = part.content.blobs();
                blobs.map(move |blob| (Some(owner(part.number)), blob))
            })
            .collect(),
    }
}

/// The bytes of a blob, no faster than the pace allows.
struct Paced<'a> {
    reader: ObjectReader,
    pace: &'a Pace,
}

impl Source for Paced<'_> {
    type Error = Error;

    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let next = self.reader.next().await?;
        if let Ok(bytes) = &next {
            self.pace.bytes(bytes.len()).await;
        }
        Some(next.map_err(Error::from))
    }
}

#[cfg(test)]
impl Rewritten {
    /// Blobs that somebody else looks after.
    pub(super) fn of(moved: Vec<MovedBlob>) -> Self {
        Self {
            moved,
            debts: Vec::new(),
            place: None,
        }
    }
}
