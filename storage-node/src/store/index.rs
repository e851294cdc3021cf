//! The index of one disk: shard id to place, in RocksDB.
//!
//! Everything here can be derived from the segments. One column family and one write batch per
//! group commit with the WAL off make what survives a crash a prefix of the batches (`FORMAT.md`,
//! invariant 5); the mark in it says from where the segments must be replayed.

use std::collections::BTreeMap;
use std::path::Path;

use bytes::{Buf, BufMut};
use riquet_cluster::id::{BlobId, Epoch, ShardId};
use riquet_cluster::layout::Pg;
use riquet_cluster::profile::ProfileId;
use rocksdb::{
    BlockBasedOptions, Cache, DB, DBCompressionType, Direction, IteratorMode, Options, ReadOptions,
    WriteBatch, WriteOptions,
};

use super::record::Shape;
use crate::error::Error;

const SHARD: u8 = b's';
const SEGMENT: u8 = b'g';
const MARK: &[u8] = b"m";

const ENTRY_VERSION: u8 = 1;
const ENTRY_BYTES: usize = 1 + 8 + 8 + 2 + 8 + 8 + 8 + 8 + 36;
const LIVE_BYTES: usize = 32;
/// Block cache of one disk's index.
const CACHE_BYTES: usize = 16 << 20;
/// Memtable of one disk's index: about 35,000 entries.
const MEMTABLE_BYTES: usize = 4 << 20;
/// Keeps RocksDB well under the usual limit of open files per process.
const MAX_OPEN_FILES: i32 = 128;

/// Where a shard lies, and its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) header_bytes: u16,
    pub(super) record_bytes: u64,
    pub(super) payload_crc: u64,
    pub(super) sequence: u64,
    pub(super) written_ms: u64,
    pub(super) shape: Shape,
}

impl Entry {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENTRY_BYTES);
        out.put_u8(ENTRY_VERSION);
        out.put_u64_le(self.segment);
        out.put_u64_le(self.offset);
        out.put_u16_le(self.header_bytes);
        out.put_u64_le(self.record_bytes);
        out.put_u64_le(self.payload_crc);
        out.put_u64_le(self.sequence);
        out.put_u64_le(self.written_ms);
        out.put_u16_le(self.shape.profile.0);
        out.put_u8(self.shape.data);
        out.put_u8(self.shape.total);
        out.put_u32_le(self.shape.cell_size);
        out.put_u64_le(self.shape.chunk_len);
        out.put_u64_le(self.shape.payload_len);
        out.put_u32_le(self.shape.pg.0);
        out.put_u64_le(self.shape.epoch.0);
        debug_assert_eq!(out.len(), ENTRY_BYTES);
        out
    }

    fn decode(mut from: &[u8]) -> Result<Self, Error> {
        if from.len() != ENTRY_BYTES || from.get_u8() != ENTRY_VERSION {
            return Err(Error::IndexEntry);
        }
        Ok(Self {
            segment: from.get_u64_le(),
            offset: from.get_u64_le(),
            header_bytes: from.get_u16_le(),
            record_bytes: from.get_u64_le(),
            payload_crc: from.get_u64_le(),
            sequence: from.get_u64_le(),
            written_ms: from.get_u64_le(),
            shape: Shape {
                profile: ProfileId(from.get_u16_le()),
                data: from.get_u8(),
                total: from.get_u8(),
                cell_size: from.get_u32_le(),
                chunk_len: from.get_u64_le(),
                payload_len: from.get_u64_le(),
                pg: Pg(from.get_u32_le()),
                epoch: Epoch(from.get_u64_le()),
            },
        })
    }
}

/// A blob of which a disk holds shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldBlob {
    /// The blob.
    pub blob: BlobId,
    /// One of the shards.
    pub shard: ShardId,
    /// When the last of them was written, by the node's clock, ms since 1970.
    pub written_ms: u64,
}

/// A shard of a disk, and where the layout that placed it had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedShard {
    /// The shard.
    pub id: ShardId,
    /// Its profile.
    pub profile: ProfileId,
    /// Its placement group.
    pub pg: Pg,
    /// Bytes of its payload.
    pub payload_len: u64,
}

/// What of a segment is still stored, and what was ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) shards: u64,
    /// Whole records, headers and padding included.
    pub(super) bytes: u64,
    /// Bytes of all shard records that ever were whole in the segment, dead ones too. May be too
    /// much (`u64::MAX` where nobody counted), never too little: what is above `bytes` keeps
    /// tombstones from being dropped.
    pub(super) put_bytes: u64,
    /// The lowest sequence among those records; may be too low, never too high.
    pub(super) lowest: u64,
}

impl Default for Live {
    /// An empty segment.
    fn default() -> Self {
        Self {
            shards: 0,
            bytes: 0,
            put_bytes: 0,
            lowest: u64::MAX,
        }
    }
}

impl Live {
    pub(super) fn add(&mut self, entry: &Entry) {
        self.shards += 1;
        self.bytes += entry.record_bytes;
        self.add_dead(entry);
    }

    /// Counts a record that is whole on the disk but is not the shard's place.
    pub(super) fn add_dead(&mut self, entry: &Entry) {
        self.put_bytes = self.put_bytes.saturating_add(entry.record_bytes);
        self.lowest = self.lowest.min(entry.sequence);
    }

    pub(super) fn remove(&mut self, entry: &Entry) {
        self.shards = self.shards.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(entry.record_bytes);
    }

    /// The lowest sequence that a dead record of this segment can have, if there can be one.
    pub(super) fn lowest_dead(&self) -> Option<u64> {
        (self.put_bytes > self.bytes).then_some(self.lowest)
    }

    /// `put_bytes`, where they were counted.
    pub(super) fn counted_bytes(&self) -> Option<u64> {
        (self.put_bytes < u64::MAX).then_some(self.put_bytes)
    }

    fn encode(self) -> [u8; LIVE_BYTES] {
        let mut out = [0; LIVE_BYTES];
        let mut rest = &mut out[..];
        rest.put_u64_le(self.shards);
        rest.put_u64_le(self.bytes);
        rest.put_u64_le(self.put_bytes);
        rest.put_u64_le(self.lowest);
        out
    }

    fn decode(mut from: &[u8]) -> Result<Self, Error> {
        // Values from before there was compaction end after the first two.
        let counted = from.len() == LIVE_BYTES;
        if !counted && from.len() != 16 {
            return Err(Error::IndexEntry);
        }
        Ok(Self {
            shards: from.get_u64_le(),
            bytes: from.get_u64_le(),
            put_bytes: if counted { from.get_u64_le() } else { u64::MAX },
            lowest: if counted { from.get_u64_le() } else { 0 },
        })
    }
}

/// Up to where the segments are settled in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) next_sequence: u64,
}

impl Mark {
    fn encode(self) -> [u8; 24] {
        let mut out = [0; 24];
        let mut rest = &mut out[..];
        rest.put_u64_le(self.segment);
        rest.put_u64_le(self.offset);
        rest.put_u64_le(self.next_sequence);
        out
    }

    fn decode(mut from: &[u8]) -> Result<Self, Error> {
        if from.len() != 24 {
            return Err(Error::IndexEntry);
        }
        Ok(Self {
            segment: from.get_u64_le(),
            offset: from.get_u64_le(),
            next_sequence: from.get_u64_le(),
        })
    }
}

/// Changes that become visible together.
#[derive(Default)]
pub(super) struct Changes {
    batch: WriteBatch,
}

impl Changes {
    pub(super) fn put(&mut self, id: &ShardId, entry: &Entry) {
        self.batch.put(shard_key(id), entry.encode());
    }

    pub(super) fn delete(&mut self, id: &ShardId) {
        self.batch.delete(shard_key(id));
    }

    pub(super) fn live(&mut self, segment: u64, live: Live) {
        self.batch.put(segment_key(segment), live.encode());
    }

    /// Forgets the figures of a segment that is gone.
    pub(super) fn forget(&mut self, segment: u64) {
        self.batch.delete(segment_key(segment));
    }

    pub(super) fn mark(&mut self, mark: Mark) {
        self.batch.put(MARK, mark.encode());
    }
}

/// The index of one disk.
pub(super) struct Index {
    db: DB,
}

impl Index {
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
        table.set_bloom_filter(10.0, false);
        table.set_cache_index_and_filter_blocks(true);
        table.set_pin_l0_filter_and_index_blocks_in_cache(true);
        table.set_format_version(5);
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size(MEMTABLE_BYTES);
        options.set_max_open_files(MAX_OPEN_FILES);
        options.set_keep_log_file_num(2);
        options.set_max_background_jobs(2);
        Ok(Self {
            db: DB::open(&options, path)?,
        })
    }

    pub(super) fn get(&self, id: &ShardId) -> Result<Option<Entry>, Error> {
        self.db
            .get_pinned(shard_key(id))?
            .map(|value| Entry::decode(&value))
            .transpose()
    }

    pub(super) fn apply(&self, changes: Changes) -> Result<(), Error> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        Ok(self.db.write_opt(changes.batch, &options)?)
    }

    /// Makes everything applied so far durable.
    pub(super) fn flush(&self) -> Result<(), Error> {
        Ok(self.db.flush()?)
    }

    pub(super) fn mark(&self) -> Result<Option<Mark>, Error> {
        self.db
            .get_pinned(MARK)?
            .map(|value| Mark::decode(&value))
            .transpose()
    }

    pub(super) fn live(&self) -> Result<BTreeMap<u64, Live>, Error> {
        let mut live = BTreeMap::new();
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound([SEGMENT + 1]);
        let from = IteratorMode::From(&[SEGMENT], Direction::Forward);
        for pair in self.db.iterator_opt(from, options) {
            let (key, value) = pair?;
            let segment = <[u8; 8]>::try_from(&key[1..]).map_err(|_| Error::IndexEntry)?;
            live.insert(u64::from_be_bytes(segment), Live::decode(&value)?);
        }
        Ok(live)
    }

    /// The shards that the index has in a segment. Reads the whole index.
    pub(super) fn shards_in(&self, segment: u64) -> Result<Vec<ShardId>, Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound([SHARD + 1]);
        options.fill_cache(false);
        let from = IteratorMode::From(&[SHARD], Direction::Forward);
        let mut shards = Vec::new();
        for pair in self.db.iterator_opt(from, options) {
            let (key, value) = pair?;
            if Entry::decode(&value)?.segment == segment {
                shards.push(shard_of(&key)?);
            }
        }
        Ok(shards)
    }

    /// Up to `limit` shards with ids above `after`, in the order of their ids.
    pub(super) fn list(
        &self,
        after: Option<&ShardId>,
        limit: usize,
    ) -> Result<Vec<ShardId>, Error> {
        let mut start = after.map_or_else(|| vec![SHARD], |id| shard_key(id).to_vec());
        if after.is_some() {
            // The smallest key above `after`.
            start.push(0);
        }
        self.shards(&start, vec![SHARD + 1], limit)
    }

    /// Up to `limit` shards with ids above `after`, in the order of their ids, and where they belong.
    pub(super) fn placed(
        &self,
        after: Option<&ShardId>,
        limit: usize,
    ) -> Result<Vec<PlacedShard>, Error> {
        let mut start = after.map_or_else(|| vec![SHARD], |id| shard_key(id).to_vec());
        if after.is_some() {
            start.push(0);
        }
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound([SHARD + 1]);
        options.fill_cache(false);
        let from = IteratorMode::From(&start, Direction::Forward);
        let pairs = self.db.iterator_opt(from, options).take(limit);
        pairs
            .map(|pair| {
                let (key, value) = pair?;
                let shape = Entry::decode(&value)?.shape;
                Ok(PlacedShard {
                    id: shard_of(&key)?,
                    profile: shape.profile,
                    pg: shape.pg,
                    payload_len: shape.payload_len,
                })
            })
            .collect()
    }

    /// Up to `limit` shards of a blob, in the order of their ids.
    pub(super) fn of_blob(&self, blob: BlobId, limit: usize) -> Result<Vec<ShardId>, Error> {
        let prefix = [&[SHARD][..], &blob.to_bytes()].concat();
        // No key of the blob is this long.
        let end = [&prefix[..], &[0xFF; ShardId::LEN]].concat();
        self.shards(&prefix, end, limit)
    }

    /// Up to `max` blobs from `from` on, in the order of their ids.
    pub(super) fn blobs(&self, from: BlobId, max: usize) -> Result<Vec<HeldBlob>, Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound([SHARD + 1]);
        let mut shards = self.db.raw_iterator_opt(options);
        shards.seek([&[SHARD][..], &from.to_bytes()].concat());
        let mut blobs: Vec<HeldBlob> = Vec::with_capacity(max);
        while let Some((key, value)) = shards.item() {
            let id = <[u8; ShardId::LEN]>::try_from(&key[1..]).map_err(|_| Error::IndexEntry)?;
            let shard = ShardId::from_bytes(id);
            let written_ms = Entry::decode(value)?.written_ms;
            let is_full = blobs.len() == max;
            match blobs.last_mut() {
                Some(last) if last.blob == shard.chunk.blob => {
                    last.written_ms = last.written_ms.max(written_ms);
                }
                _ if is_full => break,
                _ => blobs.push(HeldBlob {
                    blob: shard.chunk.blob,
                    shard,
                    written_ms,
                }),
            }
            shards.next();
        }
        shards.status()?;
        Ok(blobs)
    }

    fn shards(&self, start: &[u8], end: Vec<u8>, limit: usize) -> Result<Vec<ShardId>, Error> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end);
        self.db
            .iterator_opt(IteratorMode::From(start, Direction::Forward), options)
            .take(limit)
            .map(|pair| {
                let (key, _) = pair?;
                shard_of(&key)
            })
            .collect()
    }
}

fn shard_key(id: &ShardId) -> [u8; 1 + ShardId::LEN] {
    let mut key = [SHARD; 1 + ShardId::LEN];
    key[1..].copy_from_slice(&id.to_bytes());
    key
}

fn shard_of(key: &[u8]) -> Result<ShardId, Error> {
    let id = <[u8; ShardId::LEN]>::try_from(&key[1..]);
    id.map(ShardId::from_bytes).map_err(|_| Error::IndexEntry)
}

fn segment_key(segment: u64) -> [u8; 9] {
    let mut key = [SEGMENT; 9];
    key[1..].copy_from_slice(&segment.to_be_bytes());
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_a_segment_read_back_and_old_ones_count_as_unknown() {
        let live = Live {
            shards: 1,
            bytes: 2,
            put_bytes: 3,
            lowest: 4,
        };
        assert_eq!(Live::decode(&live.encode()).unwrap(), live);
        let old = Live::decode(&live.encode()[..16]).unwrap();
        assert_eq!((old.shards, old.bytes), (1, 2));
        assert_eq!(old.lowest_dead(), Some(0), "whatever may be in it");
        assert!(Live::decode(&live.encode()[..24]).is_err());
        assert_eq!(Live::default().lowest_dead(), None);
    }
}
