//! The crate's error type. All variants are mistakes in the arguments, found
//! before any byte is written; no input bytes can make a call fail.

use crate::MAX_SHARDS;

/// Why a codec refused a call. Outputs are untouched when one is returned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such code exists: change the profile.
    #[error(
        "no code with {data} data and {parity} parity shards: \
         each must be at least 1, their sum at most {MAX_SHARDS}"
    )]
    Profile {
        /// Data shards asked for.
        data: usize,
        /// Parity shards asked for.
        parity: usize,
    },
    /// A list of shards or outputs has the wrong number of entries.
    #[error("{actual} shards given where the code needs {expected}")]
    ShardCount {
        /// Entries that the code needs.
        expected: usize,
        /// Entries that were given.
        actual: usize,
    },
    /// Byte ranges of one call differ in length, or a cell is longer than the
    /// cell length.
    #[error("a shard of {actual} bytes given where {expected} are due")]
    Length {
        /// Length that the call settled on, in bytes.
        expected: usize,
        /// Length of the range that differs, in bytes.
        actual: usize,
    },
    /// Fewer shards than the code needs to rebuild anything: fetch more.
    #[error("{present} shards present, {needed} needed")]
    TooFewShards {
        /// Shards needed (the code's data count).
        needed: usize,
        /// Shards given.
        present: usize,
    },
    /// A shard number outside the code.
    #[error("shard {index} is outside a code of {total} shards")]
    ShardIndex {
        /// The number given.
        index: usize,
        /// Shards in the code.
        total: usize,
    },
    /// The same shard number twice in one list.
    #[error("shard {index} is listed twice")]
    RepeatedShard {
        /// The number given twice.
        index: usize,
    },
    /// A kernel that doesn't exist, or that this CPU can't run, was asked for
    /// by name.
    #[error("no erasure kernel {name:?} on this CPU")]
    Kernel {
        /// The name asked for.
        name: String,
    },
}
