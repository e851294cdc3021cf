//! A group's records.

use std::path::Path;

use rocksdb::{DB, DBRawIterator, FlushOptions, Snapshot, WriteBatch, WriteOptions};

use super::engine;
use super::options::Shared;
use crate::machine::read_header;
use crate::store::{Changes, Cursor, Reader, StoreError};

/// The database of one group.
pub(super) struct StateStore {
    db: DB,
}

impl StateStore {
    pub(super) fn open(path: &Path, shared: &Shared) -> Result<Self, StoreError> {
        let db = DB::open(&shared.state(), path).map_err(engine)?;
        Ok(Self { db })
    }

    /// The present state, which later commits do not alter.
    pub(super) fn view(&self) -> View<'_> {
        View(self.db.snapshot())
    }

    /// Stores a batch of changes atomically. Durable once flushed; until then the log has it.
    pub(super) fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for (key, change) in changes {
            match change {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(batch, &options).map_err(engine)
    }

    pub(super) fn applied(&self) -> Result<u64, StoreError> {
        Ok(read_header(&self.view())?.applied)
    }

    /// Makes everything committed so far durable; the index of the last entry in it.
    pub(super) fn flush(&self) -> Result<u64, StoreError> {
        let applied = self.applied()?;
        let mut options = FlushOptions::default();
        options.set_wait(true);
        self.db.flush_opt(&options).map_err(engine)?;
        Ok(applied)
    }
}

/// A consistent view of a group's records.
pub(super) struct View<'a>(Snapshot<'a>);

impl Reader for View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).map_err(engine)
    }

    fn cursor(&self) -> Box<dyn Cursor + '_> {
        Box::new(ViewCursor(self.0.raw_iterator()))
    }
}

struct ViewCursor<'a>(DBRawIterator<'a>);

impl ViewCursor<'_> {
    /// An iterator that failed looks as one at its end: ask.
    fn check(&self) -> Result<(), StoreError> {
        self.0.status().map_err(engine)
    }
}

impl Cursor for ViewCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.0.seek(key);
        self.check()
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        self.0.next();
        self.check()
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.0.item()
    }
}
