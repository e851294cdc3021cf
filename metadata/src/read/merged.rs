//! All versions of a range of keys as one sequence: the object of each key first, then its older
//! versions and delete markers, newest first.
//!
//! Objects and versions are two families. Here an object shows under the key that a version newer
//! than all others would have, so that one walk can go over both.

use crate::keys::Family;
use crate::store::{Cursor, Reader, StoreError};

/// What a version's key has after that of its object: its sequence, complemented. The newest
/// possible one.
const NEWEST: [u8; 8] = [0; 8];

/// A cursor over the keys of [`Family::Version`].
pub(super) struct MergedCursor<'a> {
    objects: Box<dyn Cursor + 'a>,
    versions: Box<dyn Cursor + 'a>,
    /// The present object's key as that of a version.
    object_key: Option<Vec<u8>>,
}

impl<'a> MergedCursor<'a> {
    pub(super) fn new(view: &'a dyn Reader, end: &[u8]) -> Self {
        Self {
            objects: view.cursor(&as_object(end)),
            versions: view.cursor(end),
            object_key: None,
        }
    }

    /// Whether a key that this cursor shows is that of an object, not of an older version.
    pub(super) fn is_object(stored: &[u8]) -> bool {
        stored.ends_with(&NEWEST)
    }

    fn note_object(&mut self) {
        let objects = self.objects.entry();
        let object = objects.filter(|(key, _)| key.first() == Some(&(Family::Current as u8)));
        self.object_key = object.map(|(key, _)| {
            let mut shown = key.to_vec();
            shown[0] = Family::Version as u8;
            shown.extend_from_slice(&NEWEST);
            shown
        });
    }

    /// The present object, if it comes before the present version.
    fn object(&self) -> Option<(&[u8], &[u8])> {
        let key = self.object_key.as_deref()?;
        let (_, value) = self.objects.entry()?;
        let is_first = self
            .versions
            .entry()
            .is_none_or(|(version, _)| key < version);
        is_first.then_some((key, value))
    }
}

/// The same place among the objects.
fn as_object(stored: &[u8]) -> Vec<u8> {
    let mut stored = stored.to_vec();
    // An end may be that of the family, which is the next one's beginning.
    stored[0] -= Family::Version as u8 - Family::Current as u8;
    stored
}

impl Cursor for MergedCursor<'_> {
    fn seek(&mut self, key: &[u8]) -> Result<(), StoreError> {
        self.versions.seek(key)?;
        self.objects.seek(&as_object(key))?;
        self.note_object();
        Ok(())
    }

    fn advance(&mut self) -> Result<(), StoreError> {
        if self.object().is_some() {
            self.objects.advance()?;
            self.note_object();
            Ok(())
        } else {
            self.versions.advance()
        }
    }

    fn entry(&self) -> Option<(&[u8], &[u8])> {
        self.object().or_else(|| self.versions.entry())
    }
}
