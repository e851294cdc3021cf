//! What the state machine asks of storage: an ordered map that is read, and changed by one atomic
//! batch at a time. [`MemoryStore`] keeps it in memory; RocksDB keeps it under the `store` feature.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, RwLock};

use crate::codec::{CodecError, Record};

/// The store failed, or holds what the state machine never wrote. The group must stop: going on
/// could make voters differ.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The storage engine failed.
    #[error("metadata storage failed: {0}")]
    Engine(String),
    /// A record does not read back.
    #[error("metadata record {key} is damaged: {error}")]
    Damaged {
        /// Its key, escaped for people.
        key: String,
        /// What is wrong with it.
        error: CodecError,
    },
}

/// A consistent view of an ordered map.
pub trait Reader {
    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// A cursor that is nowhere until it seeks. Entries at `end` or past it are not looked for, and
    /// may or may not be seen: without a bound, a store that marks removed entries would walk over
    /// all the marks behind the range to find that nothing follows.
    fn cursor(&self, end: &[u8]) -> Box<dyn Cursor + '_>;
}

/// A position in an ordered map.
pub trait Cursor {
    /// Goes to the first entry at or after `key`.
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError>;
    /// Goes to the next entry. Only while there is one.
    fn advance(&mut self) -> Result<(), StoreError>;
    /// The present entry; none: past the last.
    fn entry(&self) -> Option<(&[u8], &[u8])>;
}

/// Reads a record, if it is there.
pub(crate) fn get<R: Record>(reader: &dyn Reader, key: &[u8]) -> Result<Option<R>, StoreError> {
    reader
        .get(key)?
        .map(|bytes| decode(key, &bytes))
        .transpose()
}

/// Reads the record of `key` from its bytes.
pub(crate) fn decode<R: Record>(key: &[u8], bytes: &[u8]) -> Result<R, StoreError> {
    R::from_bytes(bytes).map_err(|error| damaged(key, error))
}

/// The error of a record that does not read back.
pub(crate) fn damaged(key: &[u8], error: CodecError) -> StoreError {
    StoreError::Damaged {
        key: key.escape_ascii().to_string(),
        error,
    }
}

/// A key and its value.
pub(crate) type StoredEntry = (Vec<u8>, Vec<u8>);

/// The first `max` entries of `from..to`.
pub(crate) fn scan(
    reader: &dyn Reader,
    from: &[u8],
    to: &[u8],
    max: usize,
) -> Result<Vec<StoredEntry>, StoreError> {
    let mut entries = Vec::new();
    let mut cursor = reader.cursor(to);
    cursor.seek(from)?;
    while entries.len() < max
        && let Some((key, value)) = cursor.entry()
        && key < to
    {
        entries.push((key.to_vec(), value.to_vec()));
        cursor.advance()?;
    }
    Ok(entries)
}

/// Changes to an ordered map: a value to store, or none to remove the key.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// A view with changes on top that are not stored yet.
pub struct Overlay<'a> {
    base: &'a dyn Reader,
    changes: Changes,
}

impl<'a> Overlay<'a> {
    /// No changes yet.
    pub fn new(base: &'a dyn Reader) -> Self {
        Self {
            base,
            changes: Changes::new(),
        }
    }

    /// Stores a record.
    pub fn put<R: Record>(&mut self, key: Vec<u8>, record: &R) {
        self.changes.insert(key, Some(record.to_bytes()));
    }

    /// Stores raw bytes.
    pub fn put_bytes(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.changes.insert(key, Some(value));
    }

    /// Removes a key, whether or not it is there.
    pub fn delete(&mut self, key: Vec<u8>) {
        self.changes.insert(key, None);
    }

    /// Reads a record through the changes.
    pub fn record<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreError> {
        get(self, key)
    }

    /// The changes, to be stored as one batch.
    pub fn into_changes(self) -> Changes {
        self.changes
    }
}

impl Reader for Overlay<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        match self.changes.get(key) {
            Some(change) => Ok(change.clone()),
            None => self.base.get(key),
        }
    }

    fn cursor(&self, end: &[u8]) -> Box<dyn Cursor + '_> {
        Box::new(OverlayCursor {
            base: self.base.cursor(end),
            changes: &self.changes,
            change: None,
            on: Side::End,
        })
    }
}

/// Walks base and changes side by side; a change hides the base's entry of the same key.
struct OverlayCursor<'a> {
    base: Box<dyn Cursor + 'a>,
    changes: &'a Changes,
    change: Option<(&'a [u8], Option<&'a [u8]>)>,
    on: Side,
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Base,
    Change,
    End,
}

impl<'a> OverlayCursor<'a> {
    fn change_from(&self, from: Bound<&[u8]>) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let mut range = self.changes.range::<[u8], _>((from, Bound::Unbounded));
        range
            .next()
            .map(|(key, change)| (key.as_slice(), change.as_deref()))
    }

    /// Chooses the lesser of both sides, stepping over removed and hidden entries.
    fn settle(&mut self) -> Result<(), StoreError> {
        loop {
            let base_key = self.base.entry().map(|(key, _)| key);
            self.on = match (base_key, self.change) {
                (None, None) => Side::End,
                (Some(_), None) => Side::Base,
                (Some(base), Some((change, _))) if base < change => Side::Base,
                (base, Some((change, value))) => {
                    if base == Some(change) {
                        self.base.advance()?;
                    }
                    if value.is_none() {
                        self.change = self.change_from(Bound::Excluded(change));
                        continue;
                    }
                    Side::Change
                }
            };
            return Ok(());
        }
    }
}

impl Cursor for OverlayCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.base.seek(key)?;
        self.change = self.change_from(Bound::Included(key));
        self.settle()
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        match self.on {
            Side::Base => self.base.advance()?,
            Side::Change => {
                let (key, _) = self.change.expect("the cursor is on a change");
                self.change = self.change_from(Bound::Excluded(key));
            }
            Side::End => {}
        }
        self.settle()
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        match self.on {
            Side::Base => self.base.entry(),
            Side::Change => self.change.and_then(|(key, value)| Some((key, value?))),
            Side::End => None,
        }
    }
}

/// An ordered map in memory, for tests, models and simulations.
#[derive(Debug, Default)]
pub struct MemoryStore {
    map: RwLock<Arc<BTreeMap<Vec<u8>, Vec<u8>>>>,
}

/// A view of a [`MemoryStore`] that later changes do not alter.
#[derive(Debug, Clone)]
pub struct MemorySnapshot(Arc<BTreeMap<Vec<u8>, Vec<u8>>>);

impl MemoryStore {
    /// The present state.
    pub fn snapshot(&self) -> MemorySnapshot {
        MemorySnapshot(self.map.read().expect("no writer panics").clone())
    }

    /// Stores a batch of changes.
    pub fn commit(&self, changes: Changes) {
        let mut map = self.map.write().expect("no writer panics");
        let map = Arc::make_mut(&mut map);
        for (key, change) in changes {
            match change {
                Some(value) => map.insert(key, value),
                None => map.remove(&key),
            };
        }
    }
}

impl Reader for MemorySnapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.0.get(key).cloned())
    }

    fn cursor(&self, _: &[u8]) -> Box<dyn Cursor + '_> {
        Box::new(MemoryCursor {
            map: &self.0,
            at: None,
        })
    }
}

struct MemoryCursor<'a> {
    map: &'a BTreeMap<Vec<u8>, Vec<u8>>,
    at: Option<(&'a [u8], &'a [u8])>,
}

impl MemoryCursor<'_> {
    fn go(&mut self, from: Bound<&[u8]>) {
        let mut range = self.map.range::<[u8], _>((from, Bound::Unbounded));
        self.at = range
            .next()
            .map(|(key, value)| (key.as_slice(), value.as_slice()));
    }
}

impl Cursor for MemoryCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.go(Bound::Included(key));
        Ok(())
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        let (key, _) = self.at.expect("advanced past the end");
        self.go(Bound::Excluded(key));
        Ok(())
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(0u8..4, 0..3)
    }

    proptest! {
        /// An overlay reads as the same changes do once stored.
        #[test]
        fn overlay_reads_as_stored(
            base in proptest::collection::btree_map(key(), proptest::collection::vec(any::<u8>(), 0..2), 0..12),
            changes in proptest::collection::btree_map(
                key(), proptest::option::of(proptest::collection::vec(any::<u8>(), 0..2)), 0..12),
            from in key(),
        ) {
            let store = MemoryStore::default();
            store.commit(base.into_iter().map(|(k, v)| (k, Some(v))).collect());
            let before = store.snapshot();
            let mut overlay = Overlay::new(&before);
            overlay.changes = changes.clone();
            store.commit(changes);
            let after = store.snapshot();
            prop_assert_eq!(
                scan(&overlay, &from, &[9], usize::MAX).unwrap(),
                scan(&after, &from, &[9], usize::MAX).unwrap()
            );
            prop_assert_eq!(overlay.get(&from).unwrap(), after.get(&from).unwrap());
        }
    }
}
