//! A group's records.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::checkpoint::Checkpoint;
use rocksdb::{DB, DBRawIterator, ReadOptions, Snapshot, WriteBatch, WriteOptions};

use super::engine;
use super::options::Shared;
use crate::store::{Changes, Cursor, Reader, StoreError};

/// The database of one group.
pub(crate) struct StateStore {
    db: Option<DB>,
    path: PathBuf,
    /// Whether its folder goes with it.
    is_outdated: AtomicBool,
}

impl StateStore {
    /// Opens or makes it.
    pub(crate) fn open(path: &Path, shared: &Shared) -> Result<Self, StoreError> {
        let db = DB::open(&shared.state(), path).map_err(engine)?;
        Ok(Self::of(db, path))
    }

    /// Opens one that nobody changes, such as a checkpoint.
    pub(crate) fn open_to_read(path: &Path, shared: &Shared) -> Result<Self, StoreError> {
        let mut options = shared.state();
        options.create_if_missing(false);
        let db = DB::open_for_read_only(&options, path, false).map_err(engine)?;
        Ok(Self::of(db, path))
    }

    fn of(db: DB, path: &Path) -> Self {
        Self {
            db: Some(db),
            path: path.to_owned(),
            is_outdated: AtomicBool::new(false),
        }
    }

    fn db(&self) -> &DB {
        self.db.as_ref().expect("open until dropped")
    }

    /// Makes a copy of its files in a new folder, by hard links. All that is committed is durable
    /// after it, and in the copy.
    pub(crate) fn checkpoint(&self, path: &Path) -> Result<(), StoreError> {
        let checkpoint = Checkpoint::new(self.db()).map_err(engine)?;
        checkpoint.create_checkpoint(path).map_err(engine)
    }

    /// Has its folder removed once its last reader is done.
    pub(crate) fn remove_when_closed(&self) {
        self.is_outdated.store(true, Ordering::Release);
    }

    /// The present state, which later commits do not alter.
    pub(crate) fn view(&self) -> View<'_> {
        View(self.db().snapshot())
    }

    /// Stores a batch of changes atomically. Durable once flushed; until then the log has it.
    pub(crate) fn commit(&self, changes: Changes) -> Result<(), StoreError> {
        let mut batch = WriteBatch::default();
        for (key, change) in changes {
            match change {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            }
        }
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db().write_opt(batch, &options).map_err(engine)
    }
}

impl Drop for StateStore {
    fn drop(&mut self) {
        self.db = None;
        if self.is_outdated.load(Ordering::Acquire)
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "outdated records stay");
        }
    }
}

/// A consistent view of a group's records.
pub(crate) struct View<'a>(Snapshot<'a>);

impl Reader for View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(key).map_err(engine)
    }

    fn cursor(&self, end: &[u8]) -> Box<dyn Cursor + '_> {
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end);
        Box::new(ViewCursor(self.0.raw_iterator_opt(options)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use rocksdb::perf::{PerfContext, PerfMetric, PerfStatsLevel, set_perf_stats};

    const REMOVED: u32 = 1000;

    /// Marks of removed keys that a cursor walks over from the one record of a family to its end.
    fn marks_passed(end: &[u8]) -> u64 {
        let folder = tempfile::tempdir().unwrap();
        let store = StateStore::open(folder.path(), &Shared::new(folder.path())).unwrap();
        let object = |i: u32| [b"b".as_slice(), &i.to_be_bytes()].concat();
        let stored = (0..REMOVED).map(|i| (object(i), Some(vec![1])));
        store
            .commit(stored.chain([(b"a1".to_vec(), Some(vec![2]))]).collect())
            .unwrap();
        store
            .commit((0..REMOVED).map(|i| (object(i), None)).collect())
            .unwrap();

        let view = store.view();
        let mut cursor = view.cursor(end);
        set_perf_stats(PerfStatsLevel::EnableCount);
        let mut counters = PerfContext::default();
        counters.reset();
        cursor.seek(b"a").unwrap();
        assert_eq!(cursor.entry(), Some((b"a1".as_slice(), [2].as_slice())));
        cursor.advance().unwrap();
        assert_eq!(cursor.entry(), None);
        let passed = counters.metric(PerfMetric::InternalDeleteSkippedCount);
        set_perf_stats(PerfStatsLevel::Disable);
        passed
    }

    /// Every write looks up its tablet, the last record before the objects: it once walked over
    /// every object ever removed behind it, and a bucket of 50,000 took minutes to empty.
    #[test]
    fn a_bounded_cursor_does_not_walk_over_what_was_removed_behind_its_range() {
        assert_eq!(marks_passed(b"b"), 0);
        assert_eq!(marks_passed(b"c"), u64::from(REMOVED), "the counter counts");
    }
}
