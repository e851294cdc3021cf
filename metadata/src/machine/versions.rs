//! The versions of a key: which is the newest, where each is kept, and how one follows another.
//!
//! The head of the object itself is under *current*, where listings find it. Under *version* are the
//! heads of older versions and of all delete markers. So if the newest version is a marker, nothing
//! is under *current*; else the newest is there, and all under *version* are older.
//!
//! A key has at most one null version. The newest head says where it is (`null_below`), so that
//! nobody has to look through all versions for it; what other heads say of it counts for nothing.

use super::Batch;
use super::tablets::SizeChange;
use crate::codec::Record;
use crate::command::{Deleted, Stored};
use crate::id::{BucketId, ObjectKey};
use crate::keys::{self, end_of};
use crate::record::{
    Bypass, ETag, Lock, ObjectBody, ObjectHead, StorageClass, VersionName, Versioning,
};
use crate::store::{Reader, StoreError, decode, get, scan};

/// The head of a key's newest version, be it an object or a delete marker.
pub(crate) fn newest_version(
    view: &dyn Reader,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<ObjectHead>, StoreError> {
    match get(view, &keys::current(bucket, key.as_bytes()))? {
        Some(current) => Ok(Some(current)),
        None => newest_under_version(view, bucket, key),
    }
}

fn newest_under_version(
    view: &dyn Reader,
    bucket: BucketId,
    key: &ObjectKey,
) -> Result<Option<ObjectHead>, StoreError> {
    let from = keys::versions(bucket, key.as_bytes());
    let found = scan(view, &from, &end_of(&from), 1)?;
    let first = found.first().map(|(stored, head)| decode(stored, head));
    first.transpose()
}

/// The head of the version of a name, given the newest one's.
pub(crate) fn version_named(
    view: &dyn Reader,
    bucket: BucketId,
    key: &ObjectKey,
    newest: &ObjectHead,
    name: VersionName,
) -> Result<Option<ObjectHead>, StoreError> {
    let sequence = match name {
        VersionName::Null => null_sequence(newest),
        VersionName::Kept(id) => Some(id.sequence),
    };
    let found = match sequence {
        None => None,
        Some(sequence) if sequence == newest.sequence => Some(newest.clone()),
        Some(sequence) => get(view, &keys::version(bucket, key.as_bytes(), sequence))?,
    };
    Ok(found.filter(|head: &ObjectHead| head.name() == name))
}

/// The sequence of a key's null version, by its newest head.
fn null_sequence(newest: &ObjectHead) -> Option<u64> {
    match newest.version {
        None => Some(newest.sequence),
        Some(_) => newest.null_below,
    }
}

/// Where the head of a newest version is.
fn place_of_newest(bucket: BucketId, key: &ObjectKey, head: &ObjectHead) -> Vec<u8> {
    if head.delete_marker {
        keys::version(bucket, key.as_bytes(), head.sequence)
    } else {
        keys::current(bucket, key.as_bytes())
    }
}

impl Batch<'_> {
    pub(super) fn newest_head(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
    ) -> Result<Option<ObjectHead>, StoreError> {
        newest_version(&self.state, bucket, key)
    }

    /// Whether what a newer version would replace, rather than follow, is locked.
    pub(super) fn replaces_locked(
        &self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: Option<&ObjectHead>,
        versioning: Versioning,
    ) -> Result<bool, StoreError> {
        let Some(newest) = newest.filter(|_| versioning != Versioning::Enabled) else {
            return Ok(false);
        };
        let null = version_named(&self.state, bucket, key, newest, VersionName::Null)?;
        let now_ms = self.header.clock_ms;
        Ok(null.is_some_and(|null| !null.lock.allows_removal(now_ms, Bypass::Nothing)))
    }

    /// Makes a new object of a key, whose blobs are committed, and keeps or discards what was there.
    pub(super) fn replace_object(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: Option<&ObjectHead>,
        versioning: Versioning,
        (mut head, body): (ObjectHead, &ObjectBody),
    ) -> Result<(Stored, SizeChange), StoreError> {
        let (retired, null_below) = self.retire(bucket, key, newest, versioning)?;
        head.modified_ms = self.header.clock_ms;
        head.null_below = null_below;
        let (stored, grown) = self.store_version(bucket, key, versioning, head, body);
        Ok((stored, retired + grown))
    }

    /// Stores an object of the given time where there is none.
    pub(super) fn store_version(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        versioning: Versioning,
        mut head: ObjectHead,
        body: &ObjectBody,
    ) -> (Stored, SizeChange) {
        head.size_bytes = body.plain_bytes();
        head.sequence = self.next_sequence();
        head.version = (versioning == Versioning::Enabled).then_some(head.sequence);
        let body_key = keys::body(bucket, key.as_bytes(), head.sequence);
        let body = body.to_bytes();
        let mut grown = SizeChange {
            keys: 1,
            bytes: signed(body_key.len() + body.len()),
        };
        self.state.put_bytes(body_key, body);
        grown += self.put_head(keys::current(bucket, key.as_bytes()), &head);
        let stored = Stored {
            sequence: head.sequence,
            modified_ms: head.modified_ms,
            version: head.name(),
        };
        (stored, grown)
    }

    /// Hides a key behind a delete marker.
    pub(super) fn hide(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: Option<&ObjectHead>,
        versioning: Versioning,
    ) -> Result<(Deleted, SizeChange), StoreError> {
        let (retired, null_below) = self.retire(bucket, key, newest, versioning)?;
        let sequence = self.next_sequence();
        let head = ObjectHead {
            sequence,
            modified_ms: self.header.clock_ms,
            etag: ETag::whole([0; 16]),
            size_bytes: 0,
            storage_class: StorageClass::Standard,
            owner: newest.map_or_else(String::new, |newest| newest.owner.clone()),
            checksum_algorithms: Vec::new(),
            checksum_kind: None,
            delete_marker: true,
            version: (versioning == Versioning::Enabled).then_some(sequence),
            null_below,
            lock: Lock::default(),
        };
        let grown = self.put_head(keys::version(bucket, key.as_bytes(), sequence), &head);
        let hidden = Deleted::Hidden {
            marker: head.name(),
        };
        Ok((hidden, retired + grown))
    }

    /// Makes way for a newer version; returns where the null version is then, as the newer one's head
    /// is to say.
    fn retire(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: Option<&ObjectHead>,
        versioning: Versioning,
    ) -> Result<(SizeChange, Option<u64>), StoreError> {
        let Some(newest) = newest else {
            return Ok((SizeChange::default(), None));
        };
        let mut change = SizeChange::default();
        let mut null = null_sequence(newest);
        if versioning != Versioning::Enabled {
            // The newer one is the null version: there can't be another.
            if newest.version.is_none() {
                let place = place_of_newest(bucket, key, newest);
                return Ok((self.discard(bucket, key, place, newest)?, None));
            }
            if let Some(sequence) = null.take() {
                let place = keys::version(bucket, key.as_bytes(), sequence);
                let head: Option<ObjectHead> = self.state.record(&place)?;
                let head = head.expect("the newest head knows where the null version is");
                change += self.discard(bucket, key, place, &head)?;
            }
        }
        if !newest.delete_marker {
            let place = keys::version(bucket, key.as_bytes(), newest.sequence);
            change += self.take_head(keys::current(bucket, key.as_bytes()), newest);
            change += self.put_head(place, newest);
            change.keys -= 1;
        }
        Ok((change, null))
    }

    /// Removes the object of a key that has nothing else.
    pub(super) fn remove_only(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        only: &ObjectHead,
    ) -> Result<SizeChange, StoreError> {
        self.discard(bucket, key, keys::current(bucket, key.as_bytes()), only)
    }

    /// Removes a version for good. If it was the newest, the one before it becomes that.
    pub(super) fn remove_version(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: ObjectHead,
        version: &ObjectHead,
    ) -> Result<SizeChange, StoreError> {
        if version.sequence != newest.sequence {
            let place = keys::version(bucket, key.as_bytes(), version.sequence);
            let mut change = self.discard(bucket, key, place, version)?;
            if version.version.is_none() {
                let place = place_of_newest(bucket, key, &newest);
                change += self.take_head(place.clone(), &newest);
                let newest = ObjectHead {
                    null_below: None,
                    ..newest
                };
                change += self.put_head(place, &newest);
            }
            return Ok(change);
        }
        let place = place_of_newest(bucket, key, &newest);
        let mut change = self.discard(bucket, key, place, &newest)?;
        let Some(mut next) = newest_under_version(&self.state, bucket, key)? else {
            return Ok(change);
        };
        let place = keys::version(bucket, key.as_bytes(), next.sequence);
        change += self.take_head(place, &next);
        next.null_below = newest.null_below.filter(|null| *null != next.sequence);
        change += self.put_head(place_of_newest(bucket, key, &next), &next);
        change.keys += i64::from(!next.delete_marker);
        Ok(change)
    }

    /// Discards the version whose head is at `place`: its head, its body, its blobs.
    fn discard(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        place: Vec<u8>,
        head: &ObjectHead,
    ) -> Result<SizeChange, StoreError> {
        let is_object = place[0] == keys::Family::Current as u8;
        let mut change = self.take_head(place, head);
        change.keys -= i64::from(is_object);
        if !head.delete_marker {
            let stored = keys::body(bucket, key.as_bytes(), head.sequence);
            let bytes = self.state.get(&stored)?;
            let bytes = bytes.expect("every head of an object has a body");
            let body: ObjectBody = decode(&stored, &bytes)?;
            self.discard_all(body.content.blobs())?;
            change.bytes -= signed(stored.len() + bytes.len());
            self.state.delete(stored);
        }
        Ok(change)
    }

    pub(super) fn put_head(&mut self, place: Vec<u8>, head: &ObjectHead) -> SizeChange {
        let bytes = head.to_bytes();
        let change = SizeChange {
            keys: 0,
            bytes: signed(place.len() + bytes.len()),
        };
        self.state.put_bytes(place, bytes);
        change
    }

    fn take_head(&mut self, place: Vec<u8>, head: &ObjectHead) -> SizeChange {
        let bytes = -signed(place.len() + head.to_bytes().len());
        self.state.delete(place);
        SizeChange { keys: 0, bytes }
    }

    /// Stores a version's head anew where it is.
    pub(super) fn rewrite_head(
        &mut self,
        bucket: BucketId,
        key: &ObjectKey,
        newest: &ObjectHead,
        head: &ObjectHead,
    ) {
        let place = if head.sequence == newest.sequence {
            place_of_newest(bucket, key, head)
        } else {
            keys::version(bucket, key.as_bytes(), head.sequence)
        };
        self.state.put(place, head);
    }
}

pub(super) fn signed(bytes: usize) -> i64 {
    i64::try_from(bytes).expect("a record is smaller than that")
}
