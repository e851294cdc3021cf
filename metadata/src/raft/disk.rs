//! Where the log lies: an ordered map that is durable up to the last sync.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use rocksdb::{DB, WriteBatch, WriteOptions};

use crate::rocks::Shared;

/// One change of a batch.
pub(super) enum Change {
    /// Stores a record.
    Put { key: Vec<u8>, value: Vec<u8> },
    /// Removes all records from `from` to before `end`.
    Remove { from: Vec<u8>, end: Vec<u8> },
}

impl Change {
    pub(super) fn put(key: impl Into<Vec<u8>>, value: Vec<u8>) -> Self {
        let key = key.into();
        Self::Put { key, value }
    }

    pub(super) fn remove(from: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self::Remove {
            from: from.into(),
            end: end.into(),
        }
    }
}

/// A record.
pub(super) type KeyValue = (Vec<u8>, Vec<u8>);

/// Is shown keys and values, and says whether it has enough.
pub(super) type See<'a> = dyn FnMut(&[u8], &[u8]) -> io::Result<ControlFlow<()>> + 'a;

/// What a log asks of its disk. Batches are atomic, and seen at once; what a crash leaves is all of
/// them up to the last sync, and those after it up to some moment.
pub(super) trait Disk: Send + Sync + 'static {
    fn write(&self, changes: Vec<Change>) -> io::Result<()>;

    /// Makes durable what was written before the call.
    fn sync(&self) -> io::Result<()>;

    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>>;

    /// The last record at or before `key`.
    fn last(&self, key: &[u8]) -> io::Result<Option<KeyValue>>;

    /// Shows the records from `key` on, in order, until `see` has enough.
    fn scan(&self, key: &[u8], see: &mut See<'_>) -> io::Result<()>;
}

/// The real one: RocksDB, whose own log is written at once and synced on demand.
pub(super) struct RocksDisk(DB);

impl RocksDisk {
    /// Opens or makes it in a folder.
    pub(super) fn open(path: &Path, shared: &Shared) -> io::Result<Self> {
        DB::open(&shared.log(), path).map(Self).map_err(engine)
    }
}

impl Disk for RocksDisk {
    fn write(&self, changes: Vec<Change>) -> io::Result<()> {
        let mut batch = WriteBatch::default();
        for change in changes {
            match change {
                Change::Put { key, value } => batch.put(key, value),
                Change::Remove { from, end } => batch.delete_range(from, end),
            }
        }
        self.0
            .write_opt(batch, &WriteOptions::default())
            .map_err(engine)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.flush_wal(true).map_err(engine)
    }

    fn get(&self, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        self.0.get(key).map_err(engine)
    }

    fn last(&self, key: &[u8]) -> io::Result<Option<KeyValue>> {
        let mut cursor = self.0.raw_iterator();
        cursor.seek_for_prev(key);
        cursor.status().map_err(engine)?;
        let last = cursor.item();
        Ok(last.map(|(key, value)| (key.to_vec(), value.to_vec())))
    }

    fn scan(&self, key: &[u8], see: &mut See<'_>) -> io::Result<()> {
        let mut cursor = self.0.raw_iterator();
        cursor.seek(key);
        while let Some((key, value)) = cursor.item()
            && see(key, value)?.is_continue()
        {
            cursor.next();
        }
        cursor.status().map_err(engine)
    }
}

fn engine(error: rocksdb::Error) -> io::Error {
    io::Error::other(error.into_string())
}
