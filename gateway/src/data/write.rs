//! Writes one blob: a byte stream of known length becomes durable shards.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use riquet_cluster::id::{BlobId, ChunkId, RequestId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::node_client::Target;
use riquet_cluster::profile::Profile;
use riquet_cluster::step;
use riquet_cluster::telemetry::traces::fail;
use riquet_cluster::wire::shard::{Owner, ShardDescriptor};
use riquet_metadata::record::{BlobRef, Debt, EpochRun, StorageClass};
use tracing::Instrument as _;

use super::durability::Verdict;
use super::error::{DataError, WriteError};
use super::shard_write::ShardWrites;
use super::stripe::{ChunkWork, Cutter, encode};
use super::{DataPath, Inner};
use riquet_cluster::clock::now_ms;

/// Where a blob's bytes come from.
pub trait Source: Send {
    /// What it can fail with.
    type Error: Send;

    /// The next slice, of any length; `None` at the verified end.
    fn next(&mut self) -> impl Future<Output = Option<Result<Bytes, Self::Error>>> + Send;
}

/// What to write.
#[derive(Clone, Debug)]
pub struct BlobWrite {
    /// What the shards will say that they belong to.
    pub owner: Owner,
    /// Which profile to use.
    pub class: StorageClass,
    /// Bytes that the source will give; at least 1.
    pub length_bytes: u64,
    /// The client's request.
    pub request: RequestId,
}

/// A durable blob that nothing names yet.
#[derive(Clone, Debug)]
pub struct Written {
    /// What a commit must name.
    pub blob: BlobRef,
    /// What the same commit must record as owed.
    pub debts: Vec<Debt>,
}

impl DataPath {
    /// Streams `source` into a fresh blob and returns once it is durable. If it fails, or is
    /// dropped before it ends, what was stored is removed in the background.
    ///
    /// # Panics
    /// When `length_bytes` is 0: an empty object is stored inline.
    pub async fn write<S: Source>(
        &self,
        write: BlobWrite,
        source: &mut S,
    ) -> Result<Written, WriteError<S::Error>> {
        let step = step!("write blob", riquet.bytes = write.length_bytes as i64);
        let written = self.write_chunks(write, source).instrument(step.clone());
        written.await.inspect_err(|error| {
            fail(&step, error);
        })
    }

    async fn write_chunks<S: Source>(
        &self,
        write: BlobWrite,
        source: &mut S,
    ) -> Result<Written, WriteError<S::Error>> {
        assert!(write.length_bytes > 0, "a blob has bytes");
        let layout = self.inner.layout.load_full();
        let profile = self
            .inner
            .profile_for(&layout, write.class)
            .ok_or(DataError::NoProfile)?
            .clone();
        let id = fresh_blob_id();
        let mut guard = Unfinished {
            inner: self.inner.clone(),
            profile,
            id,
            chunks: 0,
            request: write.request,
        };
        let mut cutter = Cutter::new(source, write.length_bytes);
        let mut layouts: Vec<(u32, Arc<Layout>)> = Vec::new();
        let mut debts = Vec::new();
        // While one chunk waits for its fsyncs, the next one already streams.
        let mut previous: Option<ShardWrites> = None;
        for (seq, chunk_len) in (0u32..).zip(guard.profile.chunk_lengths(write.length_bytes)) {
            let layout = self.inner.layout.load_full();
            if layouts
                .last()
                .is_none_or(|(_, last)| last.epoch != layout.epoch)
            {
                layouts.push((seq, Arc::clone(&layout)));
            }
            guard.chunks = seq + 1;
            let chunk = ChunkId { blob: id, seq };
            let shards = self.inner.stream_chunk(
                &layout,
                &guard.profile,
                &write,
                chunk,
                chunk_len,
                &mut cutter,
            );
            let shards = shards.await?;
            if let Some(previous) = previous.replace(shards) {
                debts.extend(previous.settle(&guard.profile).await?);
            }
        }
        // The source is verified to its end before anything may be committed.
        cutter.finish().await?;
        if let Some(last) = previous {
            debts.extend(last.settle(&guard.profile).await?);
        }
        let epochs = layouts.iter().map(|(first_seq, layout)| EpochRun {
            first_seq: *first_seq,
            epoch: layout.epoch,
        });
        let blob = BlobRef {
            id,
            length_bytes: write.length_bytes,
            profile: guard.profile.id,
            chunk_size_bytes: guard.profile.chunk_size,
            epochs: epochs.collect(),
        };
        let present = self.inner.layout.load_full();
        debts.extend(moved_since(&blob, &layouts, &present));
        guard.chunks = 0;
        Ok(Written { blob, debts })
    }
}

/// What is owed of a blob because slots moved while it was written: the disks that have them now may have
/// looked for what comes to them before the commit, and those that had them may be gone. A shard that is
/// there after all is found there when it is to be repaid.
fn moved_since(blob: &BlobRef, layouts: &[(u32, Arc<Layout>)], present: &Layout) -> Vec<Debt> {
    let is_old = |(_, layout): &(u32, Arc<Layout>)| layout.epoch != present.epoch;
    if !layouts.iter().any(is_old) {
        return Vec::new();
    }
    let mut owed = Vec::new();
    for chunk in blob.chunks() {
        let of_chunk = layouts.iter().rfind(|(first, _)| *first <= chunk.seq);
        let (_, written) = of_chunk.expect("the first chunk has a layout");
        let was = blob.shards_of(written, chunk);
        let is = blob.shards_of(present, chunk);
        let moved = was.zip(is).filter(|((_, was), (_, is))| was != is);
        owed.extend(moved.map(|(_, (shard, disk))| Debt { disk, shard }));
    }
    owed
}

impl Inner {
    /// Sends every stripe of one chunk; the shards' fate is still to be settled.
    async fn stream_chunk<S: Source>(
        &self,
        layout: &Arc<Layout>,
        profile: &Profile,
        write: &BlobWrite,
        chunk: ChunkId,
        chunk_len: u64,
        cutter: &mut Cutter<'_, S>,
    ) -> Result<ShardWrites, WriteError<S::Error>> {
        let geometry = profile.geometry(chunk_len);
        let codec = self.codecs.of(profile);
        let descriptor = ShardDescriptor {
            id: ShardId { chunk, index: 0 },
            profile: profile.id,
            data: profile.data,
            total: profile.total() as u8,
            cell_size: profile.cell_size,
            chunk_len,
            payload_len: geometry.payload_len(),
            pg: layout.pg_of(profile, chunk),
            epoch: layout.epoch,
            owner: write.owner.clone(),
            blob_len: Some(write.length_bytes),
        };
        let targets = Target::of_chunk(layout, profile, chunk, write.request);
        let step = step!(
            "write chunk",
            riquet.chunk = i64::from(chunk.seq),
            riquet.bytes = chunk_len as i64,
        );
        let stream = async {
            let mut shards =
                ShardWrites::open(&self.nodes, &self.health, targets, &descriptor, &step);
            let mut work = ChunkWork::default();
            for stripe in 0..geometry.stripes() {
                // Judged before each stripe, so that a hopeless upload is refused early.
                if shards.verdict(profile) == Verdict::Lost {
                    return Err(DataError::TooFewNodes { chunk }.into());
                }
                let (cell_len, range) = (geometry.cell_len(stripe), geometry.stripe_range(stripe));
                let len = (range.end - range.start) as usize;
                let cells = cutter.stripe(profile.k(), cell_len, len).await?;
                let encoded = encode(&codec, chunk, stripe, cells, cell_len, &mut work);
                shards.send(encoded).await;
            }
            work.record(&step);
            Ok(shards)
        };
        let streamed = stream.instrument(step.clone()).await;
        streamed.inspect_err(|error| fail(&step, error))
    }
}

/// Removes what a failed or abandoned write left on the nodes.
struct Unfinished {
    inner: Arc<Inner>,
    profile: Profile,
    id: BlobId,
    /// Chunks that may have shards; 0 once the blob is whole.
    chunks: u32,
    request: RequestId,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.chunks == 0 {
            return;
        }
        // Sound: the id was made by this write and has not left it, so no commit can name it.
        let (inner, profile) = (self.inner.clone(), self.profile.clone());
        let (id, chunks, request) = (self.id, self.chunks, self.request);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let layout = inner.layout.load_full();
                inner
                    .remove_chunks(&layout, &profile, id, chunks, request)
                    .await;
            });
        }
    }
}

fn fresh_blob_id() -> BlobId {
    BlobId::new(now_ms(), rand::random())
}
