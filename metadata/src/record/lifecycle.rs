//! How far gateways are with the lifecycle of a bucket, and whose turn it is.
//!
//! A bucket has this record as long as it has rules. That there is one holder at a time saves work; no
//! step of the work itself relies on it.

use minicbor::{Decode, Encode};

use crate::id::{BucketId, ObjectKey, RequestId};

/// A bucket's rounds: each goes through all of its keys once.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct LifecycleTurn {
    /// The bucket.
    #[n(0)]
    pub bucket: BucketId,
    /// Who works at it.
    #[n(1)]
    pub holder: Option<TurnHolder>,
    /// The round that is under way.
    #[n(2)]
    pub round: Option<LifecycleRound>,
    /// The last round that came to its end.
    #[n(3)]
    pub last: Option<LifecycleRound>,
    /// When the next round is to begin, ms since 1970.
    #[n(4)]
    pub due_ms: u64,
    /// Whether the rules changed since the round under way began, so that another must follow.
    #[n(5)]
    pub is_outdated: bool,
}

/// A process that works at a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct TurnHolder {
    /// The name that the process gave itself.
    #[n(0)]
    pub worker: RequestId,
    /// From when on another may take its place, ms since 1970.
    #[n(1)]
    pub until_ms: u64,
}

/// One walk through a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct LifecycleRound {
    /// When it began, ms since 1970.
    #[n(0)]
    pub began_ms: u64,
    /// When it came to its end, ms since 1970.
    #[n(1)]
    pub ended_ms: Option<u64>,
    /// The last key that is done.
    #[n(2)]
    pub after: Option<ObjectKey>,
    /// What was done.
    #[n(3)]
    pub tally: LifecycleTally,
}

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct LifecycleTally {
    /// Versions and uploads that it looked at.
    #[n(0)]
    pub looked_at: u64,
    /// Objects that expired.
    #[n(1)]
    pub expired: u64,
    /// Noncurrent versions and delete markers that were removed.
    #[n(2)]
    pub removed: u64,
    /// Versions that moved to another class.
    #[n(3)]
    pub moved: u64,
    /// Uploads that were aborted.
    #[n(4)]
    pub aborted: u64,
    /// What was due and could not be done; the next round tries again.
    #[n(5)]
    pub failed: u64,
}

impl LifecycleTurn {
    /// The turn of a bucket that was just given rules.
    pub(crate) fn of_new_rules(bucket: BucketId, now_ms: u64) -> Self {
        Self {
            bucket,
            holder: None,
            round: None,
            last: None,
            due_ms: now_ms,
            is_outdated: false,
        }
    }

    /// Whether a worker that does not hold it may take it now.
    pub fn is_free(&self, now_ms: u64) -> bool {
        let is_held = self.holder.is_some_and(|holder| holder.until_ms > now_ms);
        !is_held && (self.round.is_some() || self.due_ms <= now_ms)
    }
}
