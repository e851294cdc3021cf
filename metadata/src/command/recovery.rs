//! Commands that put back what only the shards tell of. None of them takes the place of anything.

use minicbor::{Decode, Encode};

use crate::id::{BucketId, ChangeId, ObjectKey};
use crate::record::{KeyRange, ObjectVersion};

/// Makes a bucket under a number that its shards say, in one tablet.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RecoverBucket {
    /// The number.
    #[n(0)]
    pub id: BucketId,
    /// Its name from now on, already checked.
    #[n(1)]
    pub name: String,
    /// Canonical id of the owner from now on.
    #[n(2)]
    pub owner: String,
    /// Its region.
    #[n(3)]
    pub region: String,
    /// Not later than the first of its objects, ms since 1970.
    #[n(4)]
    pub created_ms: u64,
    /// Id of the tenant that it belongs to from now on.
    #[n(5)]
    pub tenant: String,
}

/// Opens a tablet in the group that the bucket's map names. Changes nothing where the group has, or
/// had, any of its keys.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RecoverTablet {
    /// The bucket.
    #[n(0)]
    pub bucket: BucketId,
    /// The tablet's keys.
    #[n(1)]
    pub range: KeyRange,
    /// The change that put it there, as the map has it.
    #[n(2)]
    pub change: ChangeId,
}

/// Stores an object whose shards are on the disks, unless the key has one, or one of the blobs is
/// known already: then it was committed, discarded or ruled out.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct RecoverObject {
    /// The key.
    #[n(0)]
    pub key: ObjectKey,
    /// The object. The state machine sets `head.sequence`; `head.modified_ms` stays, unless it is in
    /// the future.
    #[n(1)]
    pub version: ObjectVersion,
}
