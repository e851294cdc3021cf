//! What the rules of a bucket's lifecycle do to versions, and whose turn it is to hold them against
//! the rules.
//!
//! Rules are read, and held against what is listed, by gateways; so each command says what it was
//! decided on. Where that does not hold any more, nothing is done.

use minicbor::{Decode, Encode};

use crate::id::{BlobId, ObjectKey};
use crate::record::{BlobRef, Debt, LifecycleTally, StorageClass, VersionId, Versioning};

/// Does to a version what a rule says, if it still is what the rule was held against.
#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub struct ApplyRule {
    /// The key.
    #[n(0)]
    pub key: ObjectKey,
    /// The version.
    #[n(1)]
    pub seen: SeenVersion,
    /// What to do.
    #[n(2)]
    pub action: RuleAction,
}

/// A version, as a rule was held against it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SeenVersion {
    /// Which.
    #[n(0)]
    pub id: VersionId,
    /// Its tags; a delete marker has none.
    #[n(1)]
    pub tags: Vec<(String, String)>,
    /// What it was among the versions of its key.
    #[n(2)]
    pub place: SeenPlace,
}

/// What a version was among those of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub enum SeenPlace {
    /// The current version of an object.
    #[n(0)]
    Current,
    /// A delete marker, and the key's only version.
    #[n(1)]
    LoneMarker,
    /// A noncurrent one.
    #[n(2)]
    Noncurrent {
        /// A newer version. As long as that is there, this one has not been current again.
        #[n(0)]
        newer: VersionId,
        /// How many newer noncurrent versions there must be.
        #[n(1)]
        keeps_newer: u32,
    },
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum RuleAction {
    /// Deletes the current version as a client would.
    #[n(0)]
    Expire {
        /// What becomes of it.
        #[n(0)]
        versioning: Versioning,
    },
    /// Removes a version that is not current for good, unless it is locked.
    #[n(1)]
    Remove,
    /// Gives an object other blobs of the same bytes. All else of it stays.
    #[n(2)]
    Move {
        /// Its class from now on.
        #[n(0)]
        storage_class: StorageClass,
        /// All its blobs, in order.
        #[n(1)]
        blobs: Vec<MovedBlob>,
        /// Shards of the new ones that are not durable yet.
        #[n(2)]
        debts: Vec<Debt>,
    },
}

/// A blob, and the one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct MovedBlob {
    /// The one that was read.
    #[n(0)]
    pub from: BlobId,
    /// The one that was written, of the same length.
    #[n(1)]
    pub to: BlobRef,
}

/// A step of a worker through a bucket. `lease_ms` is how long nobody else takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum TurnStep {
    /// Begins a round that is due, or goes on with one whose worker is gone.
    #[n(0)]
    Take {
        /// For how long.
        #[n(0)]
        lease_ms: u64,
    },
    /// Stays.
    #[n(1)]
    Renew {
        /// For how much longer.
        #[n(0)]
        lease_ms: u64,
    },
    /// Notes how far the round is.
    #[n(2)]
    Note {
        /// The last key that is done.
        #[n(0)]
        after: Option<ObjectKey>,
        /// What was done since the round began.
        #[n(1)]
        tally: LifecycleTally,
    },
    /// Leaves the round to others, as far as it is noted.
    #[n(3)]
    Leave,
    /// Ends the round.
    #[n(4)]
    End {
        /// What was done in it.
        #[n(0)]
        tally: LifecycleTally,
        /// When the next one is due, ms since 1970; at once, where the rules changed meanwhile.
        #[n(1)]
        due_ms: u64,
    },
}
