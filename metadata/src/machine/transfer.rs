//! What a tablet's records are, where they come from and how they go.
//!
//! A tablet that moves takes with it: its objects' and uploads' records, the records of the blobs
//! these name, the tombstones of blobs that were meant for its keys, the completed uploads of its
//! keys, and, once it has moved, the debts of its blobs. Remembered outcomes stay: a request belongs
//! to one group for good (see `dedup`). Garbage stays with the group that made it: nothing but its
//! queue names it.
//!
//! The copy walks the stored keys in their order, from one position to the next; the tablet is
//! frozen meanwhile, so each position stands for the same records whoever asks, and the receiver
//! takes only what follows its own position: each record comes exactly once.

use super::Batch;
use super::tablets::tablets_overlapping;
use crate::command::{KeyOutcome, OwedShard, RawRecord};
use crate::id::{BucketId, ChangeId, ObjectKey};
use crate::keys::{self, Family, end_of};
use crate::limits::{COPY_BYTES, COPY_WALK, SWEEP_PARTS, SWEEP_RECORDS};
use crate::record::{
    BlobRecord, BlobState, CompletedUpload, Content, CopyPosition, Debt, DebtRecord, KeyRange,
    ObjectBody, Part, Tablet, TabletSize, TabletState, Tombstone,
};
use crate::store::{Reader, StoreError, damaged, decode, get, scan};

/// Families whose stored keys sort by bucket and key, in ascending order.
const BY_KEY: [Family; 5] = [
    Family::Current,
    Family::Version,
    Family::Body,
    Family::Upload,
    Family::Part,
];

/// Families that are walked as a whole for what belongs to a tablet, in ascending order and after
/// those of [`BY_KEY`].
const BY_RECORD: [Family; 2] = [Family::Completed, Family::Tombstone];

/// The stretches of stored keys that hold a tablet's records, in ascending order.
fn stretches(bucket: BucketId, range: &KeyRange) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let by_key = BY_KEY.map(|family| keys::of_range(family, bucket, range));
    let by_record = BY_RECORD.map(|family| {
        let from = keys::family(family);
        let to = end_of(&from);
        (from, to)
    });
    by_key.into_iter().chain(by_record)
}

/// The bucket and key of a record of [`BY_RECORD`]; none: of another family.
fn owner_of(stored: &[u8], value: &[u8]) -> Result<Option<(BucketId, ObjectKey)>, StoreError> {
    Ok(match stored.first().copied() {
        Some(byte) if byte == Family::Completed as u8 => {
            let record: CompletedUpload = decode(stored, value)?;
            Some((record.bucket, record.key))
        }
        Some(byte) if byte == Family::Tombstone as u8 => {
            let record: Tombstone = decode(stored, value)?;
            Some((record.bucket, record.key))
        }
        _ => None,
    })
}

/// Whether a record belongs to the tablet of `range`.
fn belongs(
    bucket: BucketId,
    range: &KeyRange,
    stored: &[u8],
    value: &[u8],
) -> Result<bool, StoreError> {
    if let Some((owner, key)) = owner_of(stored, value)? {
        return Ok(owner == bucket && range.contains(key.as_bytes()));
    }
    let within = |family| {
        let (from, to) = keys::of_range(family, bucket, range);
        stored >= from.as_slice() && stored < to.as_slice()
    };
    Ok(BY_KEY.into_iter().any(within))
}

/// Records of a tablet from `position` on: at most [`COPY_BYTES`] (or one record), of at most
/// [`COPY_WALK`] entries looked at.
pub(crate) fn copy(
    view: &dyn Reader,
    bucket: BucketId,
    range: &KeyRange,
    position: &CopyPosition,
) -> Result<(Vec<RawRecord>, Option<CopyPosition>), StoreError> {
    let mut records: Vec<RawRecord> = Vec::new();
    let (mut bytes, mut walked) = (0, 0);
    for (from, to) in stretches(bucket, range) {
        if position.0.as_ref() >= to.as_slice() {
            continue;
        }
        let mut cursor = view.cursor(&to);
        cursor.seek(from.as_slice().max(&position.0))?;
        while let Some((key, value)) = cursor.entry()
            && key < to.as_slice()
        {
            let size = key.len() + value.len();
            if walked == COPY_WALK || (!records.is_empty() && bytes + size > COPY_BYTES) {
                return Ok((records, Some(CopyPosition(key.to_vec().into()))));
            }
            walked += 1;
            if belongs(bucket, range, key, value)? {
                bytes += size;
                records.push(RawRecord {
                    key: key.to_vec(),
                    value: value.to_vec(),
                });
            }
            cursor.advance()?;
        }
    }
    Ok((records, None))
}

/// Debts of the blobs of a tablet, of at most [`COPY_WALK`] looked at, and the last one looked at
/// if there may be more.
pub(crate) fn debts_of_tablet(
    view: &dyn Reader,
    bucket: BucketId,
    range: &KeyRange,
    after: Option<&Debt>,
) -> Result<(Vec<OwedShard>, Option<Debt>), StoreError> {
    let family = keys::family(Family::Debt);
    let from = after.map_or_else(
        || family.clone(),
        |after| {
            let mut key = keys::debt(after);
            key.push(0);
            key
        },
    );
    let found = scan(view, &from, &end_of(&family), COPY_WALK)?;
    let mut debts = Vec::new();
    let mut last = None;
    for (key, value) in &found {
        let malformed = || crate::codec::CodecError::Malformed("the key of a debt".to_owned());
        let debt = keys::parse_debt(key).ok_or_else(|| damaged(key, malformed()))?;
        let blob: Option<BlobRecord> = get(view, &keys::blob(debt.shard.chunk.blob))?;
        // A blob that is garbage stays here, and its debts are void.
        let is_ours = blob.is_some_and(|blob| {
            blob.state == BlobState::Live
                && blob.bucket == bucket
                && range.contains(blob.key.as_bytes())
        });
        last = Some(debt.clone());
        if is_ours {
            let since_ms = decode::<DebtRecord>(key, value)?.since_ms;
            debts.push(OwedShard { debt, since_ms });
        }
    }
    Ok((debts, last.filter(|_| found.len() == COPY_WALK)))
}

/// The content that a record names blobs by, if it is of such a family.
fn content_of(stored: &[u8], value: &[u8]) -> Result<Option<Content>, StoreError> {
    Ok(match stored.first().copied() {
        Some(byte) if byte == Family::Body as u8 => {
            Some(decode::<ObjectBody>(stored, value)?.content)
        }
        Some(byte) if byte == Family::Part as u8 => Some(decode::<Part>(stored, value)?.content),
        _ => None,
    })
}

fn key_of(stored: &[u8]) -> Result<ObjectKey, StoreError> {
    let malformed = || crate::codec::CodecError::Malformed("the key".to_owned());
    let (key, _) = keys::object_key(stored).ok_or_else(|| damaged(stored, malformed()))?;
    Ok(key.into())
}

impl Batch<'_> {
    /// Takes the place of a tablet to come. What the group remembers of having had its keys, or
    /// some of them, gives way.
    pub(super) fn receive(
        &mut self,
        bucket: BucketId,
        present: Option<Tablet>,
        start: &ObjectKey,
        end: Option<&ObjectKey>,
        change: ChangeId,
    ) -> Result<KeyOutcome, StoreError> {
        if let Some(present) = present.filter(|present| present.changed >= change) {
            return Ok(KeyOutcome::Tablet(Box::new(present)));
        }
        let range = KeyRange {
            start: start.clone(),
            end: end.cloned(),
        };
        let overlapping = tablets_overlapping(&self.state, bucket, &range)?;
        let in_the_way = |held: &&Tablet| {
            held.changed >= change || !matches!(held.state, TabletState::Moved { .. })
        };
        if let Some(held) = overlapping.iter().find(in_the_way) {
            return Ok(KeyOutcome::Tablet(Box::new(held.clone())));
        }
        for held in overlapping {
            self.cut_out(bucket, &held, &range);
        }
        for family in BY_KEY {
            let (from, to) = keys::of_range(family, bucket, &range);
            let left = scan(&self.state, &from, &to, 1)?;
            assert!(left.is_empty(), "a tablet that moved away was swept");
        }
        let tablet = Tablet {
            range,
            state: TabletState::Receiving {
                position: Some(CopyPosition::default()),
            },
            changed: change,
            size: TabletSize::default(),
        };
        self.put_tablet(bucket, &tablet);
        Ok(KeyOutcome::Tablet(Box::new(tablet)))
    }

    /// Leaves of a tablet's record what is outside of `range`.
    fn cut_out(&mut self, bucket: BucketId, held: &Tablet, range: &KeyRange) {
        let end = held.range.end.as_ref().map(ObjectKey::as_bytes);
        self.state.delete(keys::tablet(bucket, end));
        if held.range.start < range.start {
            let mut below = held.clone();
            below.range.end = Some(range.start.clone());
            self.put_tablet(bucket, &below);
        }
        if let Some(end) = &range.end
            && held.range.ends_after(end.as_bytes())
        {
            let mut above = held.clone();
            above.range.start = end.clone();
            self.put_tablet(bucket, &above);
        }
    }

    /// Stores copied records, and how much they add to the tablet. None: one is not of the tablet,
    /// and none was stored.
    pub(super) fn ingest(
        &mut self,
        bucket: BucketId,
        range: &KeyRange,
        records: &[RawRecord],
    ) -> Result<Option<TabletSize>, StoreError> {
        for record in records {
            if !belongs(bucket, range, &record.key, &record.value)? {
                return Ok(None);
            }
        }
        let mut size = TabletSize::default();
        for RawRecord { key, value } in records {
            let family = key[0];
            if family == Family::Completed as u8 {
                self.ingest_completed(key, value)?;
                continue;
            }
            if let Some(content) = content_of(key, value)? {
                self.commit_blobs(bucket, &key_of(key)?, &content, &[]);
            }
            if family == Family::Current as u8 {
                size.keys += 1;
            }
            let counts = [Family::Current, Family::Version, Family::Body];
            if counts.into_iter().any(|counted| counted as u8 == family) {
                size.bytes += (key.len() + value.len()) as u64;
            }
            self.state.put_bytes(key.clone(), value.clone());
        }
        Ok(Some(size))
    }

    fn ingest_completed(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        // The group may know it from when it had the tablet before.
        if self.state.get(key)?.is_none() {
            self.state.put_bytes(key.to_vec(), value.to_vec());
            self.state.put_bytes(
                keys::completed_order(self.header.completed_next),
                key[1..].to_vec(),
            );
            self.header.completed_next += 1;
        }
        Ok(())
    }

    pub(super) fn take_debts(&mut self, debts: &[OwedShard]) {
        for owed in debts {
            let since_ms = owed.since_ms;
            self.state
                .put(keys::debt(&owed.debt), &DebtRecord { since_ms });
        }
    }

    /// Collects what uploads left in a sealed tablet.
    pub(super) fn sweep_uploads(
        &mut self,
        bucket: BucketId,
        range: &KeyRange,
    ) -> Result<KeyOutcome, StoreError> {
        let (from, to) = keys::of_range(Family::Part, bucket, range);
        let parts = scan(&self.state, &from, &to, SWEEP_PARTS)?;
        for (key, value) in &parts {
            let part: Part = decode(key, value)?;
            self.discard_all(part.content.blobs())?;
            self.state.delete(key.clone());
        }
        let (from, to) = keys::of_range(Family::Upload, bucket, range);
        let uploads = scan(&self.state, &from, &to, SWEEP_PARTS)?;
        let clean = parts.len() < SWEEP_PARTS && uploads.len() < SWEEP_PARTS;
        for (key, _) in uploads {
            self.state.delete(key);
        }
        Ok(KeyOutcome::Swept { clean })
    }

    /// Removes the records of a tablet that another group has now, and those of its blobs. Its
    /// debts went before: without the blob's record nobody could tell whose they are.
    pub(super) fn sweep_moved(
        &mut self,
        bucket: BucketId,
        range: &KeyRange,
    ) -> Result<KeyOutcome, StoreError> {
        let mut room = SWEEP_RECORDS;
        for family in BY_KEY {
            let (from, to) = keys::of_range(family, bucket, range);
            for (key, value) in scan(&self.state, &from, &to, room)? {
                room -= 1;
                if let Some(content) = content_of(&key, &value)? {
                    for blob in content.blobs() {
                        self.forget_live_blob(blob.id)?;
                    }
                }
                self.state.delete(key);
            }
            if room == 0 {
                return Ok(KeyOutcome::Swept { clean: false });
            }
        }
        Ok(KeyOutcome::Swept { clean: true })
    }

    fn forget_live_blob(&mut self, blob: crate::id::BlobId) -> Result<(), StoreError> {
        let key = keys::blob(blob);
        let record = self.state.record::<BlobRecord>(&key)?;
        if record.is_some_and(|record| record.state == BlobState::Live) {
            self.state.delete(key);
        }
        Ok(())
    }
}
