//! The log of all groups of a voter: one database, so that one sync serves many groups.
//!
//! Key: group (4 bytes) and index (8), big-endian. Value: the encoded proposal. The last entry of
//! a group is never dropped, so a log that lost its end is told from one that was shortened.

use std::path::Path;

use rocksdb::{DB, WriteBatch, WriteOptions};

use super::engine;
use super::options::Shared;
use crate::id::GroupId;
use crate::store::StoreError;

/// The log's database.
pub(super) struct LogStore {
    db: DB,
}

fn key(group: GroupId, index: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&group.0.to_be_bytes());
    key[4..].copy_from_slice(&index.to_be_bytes());
    key
}

/// The index in a key of this group; none: the key is another group's.
fn index_of(group: GroupId, stored: &[u8]) -> Option<u64> {
    let (of, index) = stored.split_first_chunk::<4>()?;
    let index = index.try_into().ok().map(u64::from_be_bytes)?;
    (u32::from_be_bytes(*of) == group.0).then_some(index)
}

impl LogStore {
    pub(super) fn open(path: &Path, shared: &Shared) -> Result<Self, StoreError> {
        let db = DB::open(&shared.log(), path).map_err(engine)?;
        Ok(Self { db })
    }

    /// Appends entries of any groups; they are durable when this returns.
    pub(super) fn append<'e>(
        &self,
        entries: impl Iterator<Item = (GroupId, u64, &'e [u8])>,
    ) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for (group, index, bytes) in entries {
            batch.put(key(group, index), bytes);
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        self.db.write_opt(batch, &options).map_err(engine)
    }

    /// Index of a group's last entry; 0: it has none.
    pub(super) fn last(&self, group: GroupId) -> Result<u64, StoreError> {
        let mut cursor = self.db.raw_iterator();
        cursor.seek_for_prev(key(group, u64::MAX));
        cursor.status().map_err(engine)?;
        Ok(cursor
            .key()
            .and_then(|stored| index_of(group, stored))
            .unwrap_or(0))
    }

    /// At most `max` entries of a group from `first` on, in order.
    pub(super) fn read(
        &self,
        group: GroupId,
        first: u64,
        max: usize,
    ) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        let mut entries = Vec::new();
        let mut cursor = self.db.raw_iterator();
        cursor.seek(key(group, first));
        while entries.len() < max
            && let Some((stored, bytes)) = cursor.item()
            && let Some(index) = index_of(group, stored)
        {
            entries.push((index, bytes.to_vec()));
            cursor.next();
        }
        cursor.status().map_err(engine)?;
        Ok(entries)
    }

    /// Drops a group's entries before `first`, which stays. Not synced: dropping may be repeated.
    pub(super) fn drop_before(&self, group: GroupId, first: u64) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        batch.delete_range(key(group, 0), key(group, first));
        self.db.write(batch).map_err(engine)
    }
}
