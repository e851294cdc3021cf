//! Tablets: made with their bucket, sealed for good when it is deleted.
//!
//! Sealing is what makes a deletion final: it is decided here, in one order with all writes, and
//! the sealed record stays, so that a late write or a late opening of the old bucket meets it.

use super::Batch;
use crate::command::KeyOutcome;
use crate::id::{BucketId, ObjectKey};
use crate::keys::{self, Family, end_of};
use crate::limits::SWEEP_PARTS;
use crate::record::{Part, Tablet, TabletState};
use crate::store::{Reader, StoreError, decode, scan};

/// The tablet of this group that holds `key`, if it has one.
pub(crate) fn tablet_of(
    reader: &dyn Reader,
    bucket: BucketId,
    key: &[u8],
) -> Result<Option<Tablet>, StoreError> {
    let from = keys::of_bucket(Family::Tablet, bucket);
    let mut cursor = reader.cursor(&end_of(&from));
    // Tablets of a bucket in one group are few; the one meant is the last that starts at or
    // before the key.
    let to = keys::tablet(bucket, key);
    let mut found = None;
    cursor.seek(&from)?;
    while let Some((stored, value)) = cursor.entry()
        && stored <= to.as_slice()
    {
        found = Some(decode::<Tablet>(stored, value)?);
        cursor.advance()?;
    }
    Ok(found.filter(|tablet| tablet.end.as_ref().is_none_or(|end| key < end.as_bytes())))
}

impl Batch<'_> {
    /// Why `key` can't be written here, or none if it can.
    pub(super) fn tablet_refuses(
        &self,
        bucket: BucketId,
        key: &[u8],
    ) -> Result<Option<KeyOutcome>, StoreError> {
        let tablet = tablet_of(&self.state, bucket, key)?;
        Ok(match tablet.map(|tablet| tablet.state) {
            Some(TabletState::Open) => None,
            Some(TabletState::Sealed) => Some(KeyOutcome::TabletSealed),
            None => Some(KeyOutcome::NoTablet),
        })
    }

    pub(super) fn open_tablet(
        &mut self,
        bucket: BucketId,
        start: &ObjectKey,
        end: Option<&ObjectKey>,
    ) -> Result<KeyOutcome, StoreError> {
        let key = keys::tablet(bucket, start.as_bytes());
        match self
            .state
            .record::<Tablet>(&key)?
            .map(|tablet| tablet.state)
        {
            Some(TabletState::Sealed) => return Ok(KeyOutcome::TabletSealed),
            Some(TabletState::Open) => {}
            None => self.state.put(
                key,
                &Tablet {
                    end: end.cloned(),
                    state: TabletState::Open,
                },
            ),
        }
        Ok(KeyOutcome::TabletOpen)
    }

    pub(super) fn seal_tablet_if_empty(
        &mut self,
        bucket: BucketId,
        start: &ObjectKey,
    ) -> Result<KeyOutcome, StoreError> {
        let key = keys::tablet(bucket, start.as_bytes());
        // A tablet that was never opened is sealed too: a late opening must not succeed.
        let tablet = self.state.record::<Tablet>(&key)?;
        if tablet
            .as_ref()
            .is_some_and(|tablet| tablet.state == TabletState::Sealed)
        {
            return Ok(KeyOutcome::TabletSealed);
        }
        let end = tablet.and_then(|tablet| tablet.end);
        for family in [Family::Current, Family::Version] {
            let (from, to) = range(family, bucket, start, end.as_ref());
            if !scan(&self.state, &from, &to, 1)?.is_empty() {
                return Ok(KeyOutcome::TabletNotEmpty);
            }
        }
        self.state.put(
            key,
            &Tablet {
                end,
                state: TabletState::Sealed,
            },
        );
        Ok(KeyOutcome::TabletSealed)
    }

    pub(super) fn sweep_tablet(
        &mut self,
        bucket: BucketId,
        start: &ObjectKey,
    ) -> Result<KeyOutcome, StoreError> {
        let key = keys::tablet(bucket, start.as_bytes());
        let Some(tablet) = self.state.record::<Tablet>(&key)? else {
            return Ok(KeyOutcome::NoTablet);
        };
        if tablet.state == TabletState::Open {
            return Ok(KeyOutcome::TabletOpen);
        }
        let (from, to) = range(Family::Part, bucket, start, tablet.end.as_ref());
        let parts = scan(&self.state, &from, &to, SWEEP_PARTS)?;
        for (key, value) in &parts {
            let part: Part = decode(key, value)?;
            self.discard_all(part.content.blobs())?;
            self.state.delete(key.clone());
        }
        let (from, to) = range(Family::Upload, bucket, start, tablet.end.as_ref());
        let uploads = scan(&self.state, &from, &to, SWEEP_PARTS)?;
        let clean = parts.len() < SWEEP_PARTS && uploads.len() < SWEEP_PARTS;
        for (key, _) in uploads {
            self.state.delete(key);
        }
        Ok(KeyOutcome::Swept { clean })
    }
}

/// The stored keys of a tablet in a family that sorts by bucket and key.
fn range(
    family: Family,
    bucket: BucketId,
    start: &ObjectKey,
    end: Option<&ObjectKey>,
) -> (Vec<u8>, Vec<u8>) {
    let from = keys::of_prefix(family, bucket, start.as_bytes());
    let to = match end {
        Some(end) => keys::of_prefix(family, bucket, end.as_bytes()),
        None => end_of(&keys::of_bucket(family, bucket)),
    };
    (from, to)
}
