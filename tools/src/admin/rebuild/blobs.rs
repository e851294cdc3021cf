//! From shards to blobs: whether those that are left make it whole.

use riquet_cluster::id::{BlobId, Epoch};
use riquet_cluster::layout::Layout;
use riquet_cluster::profile::ProfileId;
use riquet_cluster::wire::shard::{Owner, ShardDescriptor, StoredShard};
use riquet_metadata::record::EpochRun;

/// A blob that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob {
    pub(super) id: BlobId,
    pub(super) length_bytes: u64,
    pub(super) profile: ProfileId,
    pub(super) epochs: Box<[EpochRun]>,
    /// When its last chunk was written, ms since 1970.
    pub(super) written_ms: u64,
    /// Shards of it that were not found.
    pub(super) missing_shards: u32,
}

/// Why a blob's shards don't make it whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// A chunk is missing.
    MissingChunk,
    /// A chunk has fewer shards than its code needs.
    TooFewShards,
    /// All chunks found are full and nothing says that there were no more.
    UnknownLength,
    /// The shards tell different things of it.
    Contradiction,
    /// The layout does not know its profile.
    UnknownProfile,
    /// It is encrypted: only the metadata had its key.
    Sealed,
}

impl Fault {
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::MissingChunk => "a chunk is missing",
            Self::TooFewShards => "a chunk has too few shards",
            Self::UnknownLength => "whether it is all there is not known",
            Self::Contradiction => "its shards contradict each other",
            Self::UnknownProfile => "the layout does not know its profile",
            Self::Sealed => "it is encrypted, and only the metadata had its key",
        }
    }
}

/// What was found of a blob.
#[derive(Debug, PartialEq)]
pub(super) struct Gathered {
    pub(super) owner: Owner,
    pub(super) written_ms: u64,
    pub(super) blob: Result<Blob, Fault>,
}

/// The shards of one blob, as they come in order of their ids.
pub(super) struct Gathering {
    first: ShardDescriptor,
    chunk_size_bytes: Option<u64>,
    chunk: Chunk,
    length_bytes: u64,
    epochs: Vec<EpochRun>,
    written_ms: u64,
    missing_shards: u32,
    fault: Option<Fault>,
}

/// The chunk whose shards come in.
struct Chunk {
    seq: u32,
    len: u64,
    shards: u32,
    last_index: u8,
    /// The earliest: later ones are repairs.
    written_ms: u64,
    epoch: Epoch,
}

impl Chunk {
    fn of(shard: &StoredShard) -> Self {
        Self {
            seq: shard.descriptor.id.chunk.seq,
            len: shard.descriptor.chunk_len,
            shards: 1,
            last_index: shard.descriptor.id.index,
            written_ms: shard.written_ms,
            epoch: shard.descriptor.epoch,
        }
    }
}

impl Gathering {
    pub(super) fn begin(layout: &Layout, shard: &StoredShard) -> Self {
        let first = shard.descriptor.clone();
        let profile = layout.profile(first.profile);
        let chunk = Chunk::of(shard);
        let fault = match (profile, chunk.seq) {
            _ if first.owner.sealed => Some(Fault::Sealed),
            (None, _) => Some(Fault::UnknownProfile),
            (Some(_), 0) => None,
            (Some(_), _) => Some(Fault::MissingChunk),
        };
        Self {
            chunk_size_bytes: profile.map(|profile| profile.chunk_size),
            first,
            chunk,
            length_bytes: 0,
            epochs: Vec::new(),
            written_ms: 0,
            missing_shards: 0,
            fault,
        }
    }

    /// Whether a shard is of this blob.
    pub(super) fn takes(&self, shard: &StoredShard) -> bool {
        shard.descriptor.id.chunk.blob == self.first.id.chunk.blob
    }

    /// Adds the next shard. A shard on several disks counts once.
    pub(super) fn add(&mut self, shard: &StoredShard) {
        let new = &shard.descriptor;
        let agrees = new.owner == self.first.owner
            && new.profile == self.first.profile
            && (new.data, new.total) == (self.first.data, self.first.total)
            && new.blob_len == self.first.blob_len;
        if !agrees {
            self.fail(Fault::Contradiction);
        }
        if new.id.chunk.seq != self.chunk.seq {
            let expected = self.chunk.seq + 1;
            self.close_chunk();
            if Some(self.chunk.len) != self.chunk_size_bytes {
                self.fail(Fault::Contradiction);
            }
            if new.id.chunk.seq != expected {
                self.fail(Fault::MissingChunk);
            }
            self.chunk = Chunk::of(shard);
            return;
        }
        if new.chunk_len != self.chunk.len {
            self.fail(Fault::Contradiction);
        }
        if new.id.index != self.chunk.last_index {
            self.chunk.last_index = new.id.index;
            self.chunk.shards += 1;
        }
        self.chunk.written_ms = self.chunk.written_ms.min(shard.written_ms);
        self.chunk.epoch = self.chunk.epoch.max(new.epoch);
    }

    pub(super) fn finish(mut self) -> Gathered {
        self.close_chunk();
        match (self.first.blob_len, self.chunk_size_bytes) {
            (Some(length), _) if length > self.length_bytes => self.fail(Fault::MissingChunk),
            (Some(length), _) if length < self.length_bytes => self.fail(Fault::Contradiction),
            (None, Some(full)) if self.chunk.len == full => self.fail(Fault::UnknownLength),
            _ => {}
        }
        let blob = Blob {
            id: self.first.id.chunk.blob,
            length_bytes: self.length_bytes,
            profile: self.first.profile,
            epochs: self.epochs.into(),
            written_ms: self.written_ms,
            missing_shards: self.missing_shards,
        };
        Gathered {
            owner: self.first.owner,
            written_ms: self.written_ms,
            blob: self.fault.map_or(Ok(blob), Err),
        }
    }

    fn close_chunk(&mut self) {
        let chunk = &self.chunk;
        if self
            .epochs
            .last()
            .is_none_or(|run| run.epoch != chunk.epoch)
        {
            self.epochs.push(EpochRun {
                first_seq: chunk.seq,
                epoch: chunk.epoch,
            });
        }
        self.length_bytes = self.length_bytes.saturating_add(chunk.len);
        self.written_ms = self.written_ms.max(chunk.written_ms);
        let missing = u32::from(self.first.total).saturating_sub(chunk.shards);
        self.missing_shards = self.missing_shards.saturating_add(missing);
        if chunk.shards < u32::from(self.first.data) {
            self.fail(Fault::TooFewShards);
        }
    }

    /// The first fault tells enough.
    fn fail(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }
}
