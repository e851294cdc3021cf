//! The object data path: byte streams to erasure-coded shards on nodes, and back.
//!
//! * `write`: source -> stripes -> parity and hashes -> `2s` shard streams -> durable.
//! * `read`: the nearest good `k` cells of each stripe -> verified -> rebuilt if needed -> bytes.
//! * `sealed`: encryption on the way in, and its opening on the way out.
//! * `health`: which nodes answer, so that a lost site costs no time-outs.
//! * `digest`: ETag and checksums, computed beside the data path.
//!
//! Bytes pass as slices of the buffers that the sockets filled. The only copies are parity cells
//! (which must be made), data cells rebuilt from parity, and what is encrypted.

mod chunk_read;
mod digest;
mod durability;
mod error;
mod health;
mod pieces;
mod read;
mod sealed;
mod shard_write;
mod stripe;
mod write;

use std::sync::Arc;

use arc_swap::ArcSwap;
use riquet_cluster::codecs::Codecs;
use riquet_cluster::id::{BlobId, ChunkId, RequestId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::{NodeClient, Target};
use riquet_cluster::profile::{Profile, SiteId};

use riquet_md5_lanes::Engine;
use riquet_metadata::record::{BlobRef, StorageClass};
use riquet_s3::body::Digests;

pub use digest::DigestTask;
pub use error::{DataError, WriteError};
pub use health::Health;
pub use read::ObjectReader;
pub use sealed::Damaged;
pub(crate) use sealed::{DataKey, KEY_BYTES, Sealing, Stream, StreamKey, fresh_salt, seal_whole};
pub use write::{BlobWrite, Source, Written};

/// The data path of one gateway. Cheap to clone.
#[derive(Clone)]
pub struct DataPath {
    inner: Arc<Inner>,
}

struct Inner {
    nodes: NodeClient,
    layout: Arc<ArcSwap<Layout>>,
    site: SiteId,
    health: Health,
    codecs: Codecs,
    md5: Engine,
}

impl DataPath {
    /// A data path for a gateway at `site`.
    pub fn new(
        nodes: NodeClient,
        layout: Arc<ArcSwap<Layout>>,
        site: SiteId,
        health: Health,
    ) -> Self {
        let (codecs, md5) = (Codecs::default(), Engine::new());
        Self {
            inner: Arc::new(Inner {
                nodes,
                layout,
                site,
                health,
                codecs,
                md5,
            }),
        }
    }

    /// Starts the digests of one upload.
    pub fn digest(&self, digests: Digests) -> DigestTask {
        DigestTask::spawn(&self.inner.md5, digests)
    }

    /// Removes, in the background and as far as nodes answer, the shards of a blob.
    ///
    /// Only for a blob that the caller knows will never be committed: it made the id, and it has
    /// not proposed it. What stays behind is found later by its back-reference.
    pub fn discard(&self, blob: BlobRef, request: RequestId) {
        let inner = self.inner.clone();
        tokio::spawn(async move {
            let layout = inner.layout.load_full();
            let Some(profile) = layout.profile(blob.profile) else {
                return;
            };
            let chunks = blob.length_bytes.div_ceil(blob.chunk_size_bytes);
            inner
                .remove_chunks(&layout, profile, blob.id, chunks as u32, request)
                .await;
        });
    }
}

impl Inner {
    /// The profile that new objects of a class are written with here.
    fn profile_for<'a>(&self, layout: &'a Layout, class: StorageClass) -> Option<&'a Profile> {
        match class {
            StorageClass::Standard => Some(layout.standard_profile()),
            StorageClass::OneZoneIa => layout.one_zone_profile(self.site),
        }
    }

    /// Deletes every shard of the first `chunks` chunks of a blob, ignoring what fails.
    async fn remove_chunks(
        &self,
        layout: &Layout,
        profile: &Profile,
        blob: BlobId,
        chunks: u32,
        request: RequestId,
    ) {
        for seq in 0..chunks {
            let chunk = ChunkId { blob, seq };
            let targets = Target::of_chunk(layout, profile, chunk, request);
            let deletions = targets
                .iter()
                .enumerate()
                .map(|(index, target)| async move {
                    if !self.health.is_up(&target.address) {
                        return;
                    }
                    let shard = ShardId {
                        chunk,
                        index: index as u8,
                    };
                    if let Err(error) = self.nodes.delete(target, shard).await {
                        tracing::debug!(%shard, disk = %target.disk, %error, "orphan left behind");
                    }
                });
            futures_util::future::join_all(deletions).await;
        }
    }
}

#[cfg(test)]
mod tests;
