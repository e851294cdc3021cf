//! Reads and verifies the cells of one shard, in order.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use riquet_erasure::Cell;

use crate::Error;
use crate::cell_hash::{HASH_LEN, hash_fragments};
use crate::id::ShardId;
use crate::node_client::{NodeClient, PayloadReader, Target};
use crate::profile::ChunkGeometry;
use crate::wire::shard::ShardDescriptor;

/// Why a cell is not there.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CellError {
    /// The node did not give it: another try may.
    #[error(transparent)]
    Node(#[from] Error),
    /// It did not come in time. The node may merely be busy.
    #[error("no cell within {0:?}")]
    Late(Duration),
    /// It was given, and it is not what was written.
    #[error("the cell's bytes do not match their hash")]
    Corrupt,
}

/// A run of cells of one shard, as they stream from its node.
pub struct CellStream {
    shard: ShardId,
    geometry: ChunkGeometry,
    reader: PayloadReader,
    /// What the last slice had beyond the last cell.
    rest: Bytes,
    next: u32,
}

impl CellStream {
    /// Asks for the cells of `stripes`.
    ///
    /// # Errors
    /// [`CellError::Node`].
    pub async fn open(
        nodes: &NodeClient,
        target: &Target,
        shard: ShardId,
        geometry: ChunkGeometry,
        stripes: Range<u32>,
    ) -> Result<Self, CellError> {
        let next = stripes.start;
        let reader = nodes
            .get(target, shard, Some(geometry.payload_range(stripes)))
            .await?;
        Ok(Self {
            shard,
            geometry,
            reader,
            rest: Bytes::new(),
            next,
        })
    }

    /// What the shard is.
    ///
    /// # Errors
    /// [`CellError::Node`] when its node did not say.
    pub fn descriptor(&self) -> Result<ShardDescriptor, CellError> {
        Ok(self.reader.descriptor()?)
    }

    /// The stripe whose cell comes next.
    pub fn position(&self) -> u32 {
        self.next
    }

    /// The next cell, verified. After an error the stream is of no more use.
    ///
    /// # Errors
    /// [`CellError::Node`], [`CellError::Corrupt`].
    pub async fn next_cell(&mut self) -> Result<Cell, CellError> {
        Ok(self.next_hashed().await?.0)
    }

    /// The next cell, verified, and the hash that it has.
    ///
    /// # Errors
    /// As [`Self::next_cell`].
    pub async fn next_hashed(&mut self) -> Result<(Cell, [u8; HASH_LEN]), CellError> {
        let cell = self.take(self.geometry.cell_len(self.next)).await?;
        let hash = self.take(HASH_LEN).await?;
        let computed = hash_fragments(self.shard, self.next, cell.iter().map(Bytes::as_ref), 0);
        if !hash.iter().flatten().eq(computed.iter()) {
            return Err(CellError::Corrupt);
        }
        self.next += 1;
        Ok((cell, computed))
    }

    async fn take(&mut self, len: usize) -> Result<Cell, CellError> {
        let mut cell = Cell::new();
        while cell.len() < len {
            if self.rest.is_empty() {
                self.rest = self
                    .reader
                    .next()
                    .await?
                    .ok_or(Error::Protocol("a shard shorter than its length"))?;
            }
            let take = self.rest.len().min(len - cell.len());
            cell.push(self.rest.split_to(take));
        }
        Ok(cell)
    }
}
