//! What the data path can fail with.

use riquet_cluster::id::ChunkId;

use super::sealed::Damaged;

/// Why stored bytes can't be written or read now.
#[derive(Debug, Clone, thiserror::Error)]
pub enum DataError {
    /// Too few nodes answer for a write to be durable. Try again later.
    #[error("too few storage nodes are in service to write chunk {chunk}")]
    TooFewNodes {
        /// The chunk that was being written.
        chunk: ChunkId,
    },
    /// Fewer than `k` good cells of a stripe can be had now. Try again later.
    #[error("stripe {stripe} of chunk {chunk} has {good} good cells of the {needed} it needs")]
    TooFewCells {
        /// The chunk.
        chunk: ChunkId,
        /// The stripe of it.
        stripe: u32,
        /// Cells that were read and verified.
        good: usize,
        /// Cells that it takes.
        needed: usize,
    },
    /// The layout has no profile for this storage class at this site, or not the one that the
    /// object was written with.
    #[error("the layout lacks the profile that this object needs")]
    NoProfile,
    /// The bytes read are not what was sealed with the object's key.
    #[error(transparent)]
    Sealed(#[from] Damaged),
}

/// Why a blob was not written. Nothing of it will be visible.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The source of the bytes failed.
    #[error("the source of the bytes failed")]
    Source(E),
    /// The source gave fewer or more bytes than announced.
    #[error("the source gave other than the {announced} bytes announced")]
    Length {
        /// Bytes announced.
        announced: u64,
    },
    /// The nodes could not take it.
    #[error(transparent)]
    Data(#[from] DataError),
}
