//! Removes every shard of blobs that nothing needs any more.

use std::sync::Arc;

use futures_util::future::try_join_all;
use riquet_cluster::id::{BlobId, ShardId};

use super::{ShardStore, Shared};
use crate::error::Error;

/// Shards that are removed with one sync, at most.
const AT_ONCE: usize = 1000;

impl ShardStore {
    /// Forgets every shard of these blobs durably, and returns how many there were.
    ///
    /// # Errors
    /// [`Error::Busy`] while a shard of one of them is being written: it may be stored after this.
    /// [`Error::Index`], [`Error::DiskFull`], [`Error::DiskFailed`], [`Error::Stopped`].
    pub async fn remove_blobs(&self, blobs: &[BlobId]) -> Result<u64, Error> {
        // Where a write failed, a record that the index does not have may come back with a restart.
        self.shared.check_writable()?;
        // Whoever begins to write later than this is not seen; what it stores is an orphan, and found
        // as such.
        if self.shared.log.is_writing_any(blobs) {
            return Err(Error::Busy);
        }
        let mut removed = 0;
        loop {
            let (shared, blobs) = (Arc::clone(&self.shared), blobs.to_vec());
            let find = move || shards_of(&shared, &blobs);
            let shards = self.shared.threads.run(find).await?;
            let is_last = shards.len() < AT_ONCE;
            // The commit thread takes together what waits for it together.
            let gone = try_join_all(shards.into_iter().map(|id| self.delete(id))).await?;
            removed += gone.into_iter().filter(|was_there| *was_there).count() as u64;
            if is_last {
                return Ok(removed);
            }
        }
    }
}

/// Up to [`AT_ONCE`] shards of these blobs.
fn shards_of(shared: &Shared, blobs: &[BlobId]) -> Result<Vec<ShardId>, Error> {
    let mut shards = Vec::new();
    for blob in blobs {
        shards.extend(shared.index.of_blob(*blob, AT_ONCE - shards.len())?);
        if shards.len() == AT_ONCE {
            break;
        }
    }
    Ok(shards)
}
