//! Tablets: ranges of a bucket's keys, their states, and the changes that split, move and delete
//! them.

use bytes::Bytes;
use minicbor::{Decode, Encode};

use crate::id::{BucketId, ChangeId, GroupId, ObjectKey};

/// Where a range of a bucket's keys lives.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct TabletPlace {
    /// First key of the range; it ends where the next one starts.
    #[n(0)]
    pub start: ObjectKey,
    /// The group that holds it.
    #[n(1)]
    pub group: GroupId,
    /// The change that put it there; zero: the making of the bucket.
    #[n(2)]
    #[cbor(default)]
    pub since: ChangeId,
}

/// Keys from one on, up to another.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
pub struct KeyRange {
    /// First key.
    #[n(0)]
    pub start: ObjectKey,
    /// First key after the range; none: there is no end.
    #[n(1)]
    pub end: Option<ObjectKey>,
}

impl KeyRange {
    /// Whether `key` is in it.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_bytes() <= key && self.ends_after(key)
    }

    /// Whether it goes on past `key`.
    pub fn ends_after(&self, key: &[u8]) -> bool {
        self.end.as_ref().is_none_or(|end| key < end.as_bytes())
    }

    /// Whether all keys of another are in it.
    pub fn covers(&self, other: &Self) -> bool {
        let ends_later = match (&self.end, &other.end) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(end), Some(of_other)) => of_other.as_bytes() <= end.as_bytes(),
        };
        self.start.as_bytes() <= other.start.as_bytes() && ends_later
    }

    /// Whether a key is in both.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.ends_after(other.start.as_bytes()) && other.ends_after(self.start.as_bytes())
    }
}

/// A range of a bucket's keys, as a group that holds it, or held it, knows it. The ranges of one
/// bucket in one group never overlap.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Tablet {
    /// Its keys.
    #[n(0)]
    pub range: KeyRange,
    /// What it takes.
    #[n(1)]
    pub state: TabletState,
    /// The newest change that touched it. What an older one asks is refused.
    #[n(2)]
    pub changed: ChangeId,
    /// How large it is.
    #[n(3)]
    pub size: TabletSize,
}

/// What a tablet takes. In every state but the first, [`Tablet::changed`] is the change that put
/// it there.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum TabletState {
    /// Reads and writes.
    #[n(0)]
    Open,
    /// Its bucket is deleted: refuses everything, for good.
    #[n(1)]
    Sealed,
    /// Reads: its records are being copied to another group.
    #[n(2)]
    Frozen,
    /// Nothing yet: records come in from another group.
    #[n(3)]
    Receiving {
        /// How far the copy has come; none: it is complete.
        #[n(0)]
        position: Option<CopyPosition>,
    },
    /// Nothing any more: another group has it.
    #[n(4)]
    Moved {
        /// The group.
        #[n(0)]
        to: GroupId,
        /// This group's last order of a write when it gave the tablet away.
        #[n(1)]
        sequence: u64,
        /// This group's time then, ms since 1970.
        #[n(2)]
        clock_ms: u64,
    },
    /// Nothing until it is decided whether its bucket is deleted. It holds no object.
    #[n(5)]
    Closing,
}

/// How large a tablet is. Exact but for what a split divided by an estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct TabletSize {
    /// Objects.
    #[n(0)]
    pub keys: u64,
    /// Their records, bytes.
    #[n(1)]
    pub bytes: u64,
    /// Changes made in it since it is in this group.
    #[n(2)]
    pub writes: u64,
}

/// How far a tablet's records were copied: the stored key at which the copy goes on. Empty: at the
/// beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct CopyPosition(#[cbor(n(0), with = "crate::codec::bytes")] pub Bytes);

/// A change of a bucket's tablets that was begun and is not ended. At most one per bucket. Each of
/// its steps may be repeated by anybody: whoever finds it here takes it to its end.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// Its number.
    #[n(0)]
    pub id: ChangeId,
    /// The bucket.
    #[n(1)]
    pub bucket: BucketId,
    /// What is to be done.
    #[n(2)]
    pub kind: ChangeKind,
    /// What was decided of it.
    #[n(3)]
    pub phase: ChangePhase,
    /// When it began, ms since 1970.
    #[n(4)]
    pub begun_ms: u64,
}

/// What a change does. It fits only the map it was made for.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum ChangeKind {
    /// Makes two tablets of one, in its group.
    #[n(0)]
    Split {
        /// The tablet.
        #[n(0)]
        range: KeyRange,
        /// First key of the second.
        #[n(1)]
        at: ObjectKey,
        /// The tablet's group.
        #[n(2)]
        group: GroupId,
        /// How large the first is about to be, counted while the tablet was in use.
        #[n(3)]
        first: TabletSize,
    },
    /// Gives a tablet to another group.
    #[n(1)]
    Move {
        /// The tablet.
        #[n(0)]
        range: KeyRange,
        /// The group that has it.
        #[n(1)]
        from: GroupId,
        /// The group that gets it.
        #[n(2)]
        to: GroupId,
    },
    /// Deletes the bucket, if it holds no object.
    #[n(2)]
    Delete,
}

/// What was decided of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum ChangePhase {
    /// Nothing yet.
    #[n(0)]
    Begun,
    /// It is done. A move has to clean up where the tablet was; a deletion to seal the tablets and
    /// to forget the bucket.
    #[n(1)]
    Committed,
    /// It is not done, as the bucket holds an object: its tablets have to be opened again.
    #[n(2)]
    Cancelled,
}
