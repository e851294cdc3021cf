//! The errors of this crate; each variant is one thing that a caller can do about it.

use std::io;
use std::path::PathBuf;

/// What went wrong in a storage node.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is stored under this shard id. Read another shard.
    #[error("no such shard")]
    NotFound,
    /// Another writer is storing this very shard. Ask again later.
    #[error("another writer is storing this shard")]
    Busy,
    /// Another shard is stored under this id. Never retry.
    #[error("a different shard is stored under this id")]
    Conflict,
    /// The payload had not the declared length; nothing was stored.
    #[error("payload of {received_bytes} bytes where {declared_bytes} were declared")]
    LengthMismatch {
        /// What the descriptor declared.
        declared_bytes: u64,
        /// What came, or that plus what came too much.
        received_bytes: u64,
    },
    /// A record of this size fits no segment, or a field is out of its range.
    #[error("shard refused: {0}")]
    BadShard(&'static str),
    /// The range lies outside the shard's payload.
    #[error("range outside the payload of {payload_bytes} bytes")]
    BadRange {
        /// Length of the payload.
        payload_bytes: u64,
    },
    /// No room for another segment. Write elsewhere; reads go on.
    #[error("the disk is full")]
    DiskFull,
    /// The index names a record that is not there or not that shard's: the disk lost it. Read
    /// another shard; this one must be repaired.
    #[error("the shard's record is damaged")]
    Damaged,
    /// A write or sync failed before, so the disk takes no more writes until it is reopened.
    #[error("the disk failed and takes no more writes")]
    DiskFailed,
    /// The store is closing.
    #[error("the store is closing")]
    Stopped,
    /// The operating system refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The index failed; it can be rebuilt by removing its folder.
    #[error("index: {0}")]
    Index(#[from] rocksdb::Error),
    /// The index holds a value that this version can't read.
    #[error("index entry with an unknown layout")]
    IndexEntry,
    /// The folder belongs to another disk, or can't be told to belong to this one.
    #[error("{}: {reason}", path.display())]
    WrongDisk {
        /// The disk's folder.
        path: PathBuf,
        /// What was found there.
        reason: String,
    },
    /// The metadata groups can't be opened.
    #[error("metadata: {0}")]
    Metadata(#[from] riquet_metadata::store::StoreError),
    /// The settings can't be used.
    #[error("settings: {0}")]
    Settings(String),
}

/// Adds what was being done to an I/O error.
pub(crate) trait IoContext<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error>;
}

impl<T> IoContext<T> for io::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, Error> {
        self.map_err(|source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::DiskFull,
            _ => Error::Io { doing, source },
        })
    }
}
