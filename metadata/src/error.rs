//! What a client of the metadata may meet, by what it can do about it.

use crate::id::{BlobId, ClusterId, Epoch};

/// Why a metadata operation did not succeed. Where nothing else is said, nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No voter answered in time. Nothing was changed; try again later.
    #[error("no voters on metadata answer, or too few to decide")]
    Unavailable,
    /// No voter answered in time, and an earlier try may have been applied. Look before trying
    /// again.
    #[error("whether the change was made is not known")]
    Uncertain,
    /// The cluster was never bootstrapped.
    #[error("the cluster is not bootstrapped")]
    NotBootstrapped,
    /// The voters belong to another cluster.
    #[error("the voters belong to cluster {0}")]
    OtherCluster(ClusterId),
    /// The layout does not follow the present one. Fetch that and start from it.
    #[error("the layout has moved on to epoch {current}")]
    LayoutConflict {
        /// Epoch of the present layout.
        current: Epoch,
    },
    /// The bucket does not exist (any more).
    #[error("no such bucket")]
    NoSuchBucket,
    /// The bucket was deleted and another made under its name. Look it up again: owner and rights
    /// may differ.
    #[error("the bucket was replaced by another of its name")]
    StaleBucket,
    /// The bucket holds objects and can't be deleted.
    #[error("the bucket is not empty")]
    BucketNotEmpty,
    /// `If-Match` on a key that has no object.
    #[error("no such key")]
    NoSuchKey,
    /// No such version of the key.
    #[error("no such version")]
    NoSuchVersion,
    /// The version is a delete marker.
    #[error("the version is a delete marker")]
    IsDeleteMarker,
    /// The version is kept from being removed, or its retention from being changed.
    #[error("the version is locked")]
    VersionLocked,
    /// A precondition does not hold.
    #[error("a precondition does not hold")]
    PreconditionFailed,
    /// No such upload in progress.
    #[error("no such upload")]
    NoSuchUpload,
    /// A listed part doesn't exist, or its tag or checksum differs.
    #[error("part {number} does not exist or differs")]
    InvalidPart {
        /// The part's number.
        number: u32,
    },
    /// The listed parts are not in ascending order, or none is listed.
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    /// A part that is not the last is too small.
    #[error("part {number} has only {size_bytes} bytes")]
    EntityTooSmall {
        /// The part's number.
        number: u32,
        /// Its length, bytes.
        size_bytes: u64,
    },
    /// The parts do not add up to the size announced.
    #[error("the parts add up to {size_bytes} bytes")]
    SizeMismatch {
        /// What they add up to, bytes.
        size_bytes: u64,
    },
    /// A blob was aborted meanwhile, or its upload took longer than a blob may wait for its
    /// commit. The data must be sent again.
    #[error("blob {blob} can not be committed")]
    BlobRefused {
        /// The blob.
        blob: BlobId,
    },
    /// This machine's clock and the voter's differ too much. Set the clock.
    #[error("the clocks of this machine and the metadata voter differ too much")]
    ClockSkew,
    /// The message is too large to be sent.
    #[error("the message is too large")]
    TooLarge,
    /// A voter's answer is none to what was asked: versions that do not fit together.
    #[error("the voter's answer is not understood: {0}")]
    Protocol(&'static str),
}
