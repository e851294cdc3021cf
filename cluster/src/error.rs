//! What can go wrong between processes, by what the caller can do about it.

use crate::id::Epoch;

/// An error of the cluster's shared machinery.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A text is not the identifier that it should be. The caller sent nonsense.
    #[error("not a {kind}: {text:?}")]
    BadId {
        /// The identifier's type.
        kind: &'static str,
        /// What was given.
        text: String,
    },
    /// A layout breaks one of its invariants; it is not used.
    #[error("invalid layout: {0}")]
    InvalidLayout(String),
    /// The peer did not answer (refused, reset, timed out). Try another, or later.
    #[error("{peer} did not answer: {why}")]
    Unreachable {
        /// The address that was called.
        peer: String,
        /// What the network said.
        why: String,
    },
    /// The peer's answer broke off. It may be the fault of whom it had it from: try elsewhere.
    #[error("the answer of {peer} broke off: {why}")]
    BrokenOff {
        /// The address that was called.
        peer: String,
        /// What the network said.
        why: String,
    },
    /// The peer knows a newer layout. Fetch it and try again.
    #[error("the peer has layout epoch {current}, newer than the request's")]
    NewerLayout {
        /// The peer's epoch.
        current: Epoch,
    },
    /// The disk does not hold that shard.
    #[error("no such shard on that disk")]
    NoSuchShard,
    /// The disk holds another shard under that id, or the id was tombstoned.
    #[error("the shard id is taken")]
    ShardConflict,
    /// The disk can take no more data. Choose another, or add space.
    #[error("the disk is full")]
    DiskFull,
    /// The disk failed or is not on that node. Use other shards; repair will replace it.
    #[error("the disk is not in service")]
    DiskUnavailable,
    /// The peer is asked for more than it can queue. Try again later.
    #[error("the peer is overloaded")]
    Overloaded,
    /// The peer refused the request as malformed: a mistake of ours or of a foreign caller.
    #[error("the peer refused the request: {0}")]
    Refused(String),
    /// The peer's answer is not what the protocol allows.
    #[error("the peer broke the protocol: {0}")]
    Protocol(&'static str),
}

impl Error {
    /// Whether the peer as a whole is in doubt, so that further calls to it should wait.
    pub fn is_peer_failure(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Overloaded | Self::DiskUnavailable
        )
    }
}
