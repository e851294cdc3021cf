//! Where a layout places the shards of a blob.

use std::collections::BTreeSet;

use riquet_cluster::id::{ChunkId, DiskId, ShardId};
use riquet_cluster::layout::{DiskIndex, Layout};

use crate::record::BlobRef;

impl BlobRef {
    /// Its chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkId> + use<> {
        let (blob, chunks) = (self.id, self.length_bytes.div_ceil(self.chunk_size_bytes));
        (0..u32::try_from(chunks).unwrap_or(u32::MAX)).map(move |seq| ChunkId { blob, seq })
    }

    /// The disks on which a layout places shards of the blob; none: it does not know the profile.
    pub fn disks(&self, layout: &Layout) -> Option<BTreeSet<DiskId>> {
        layout.profile(self.profile)?;
        let mut disks = BTreeSet::new();
        for chunk in self.chunks() {
            let slots = self.slots(layout, chunk).iter();
            disks.extend(slots.map(|index| layout.disk(*index).id));
            if disks.len() == layout.disks.len() {
                break;
            }
        }
        Some(disks)
    }

    /// The shards of the blob that a layout places on a disk, by id.
    pub fn shards_on<'a>(
        &'a self,
        layout: &'a Layout,
        disk: DiskId,
    ) -> impl Iterator<Item = ShardId> + 'a {
        self.chunks().flat_map(move |chunk| {
            let slots = self.slots(layout, chunk).iter().enumerate();
            slots
                .filter(move |(_, index)| layout.disk(**index).id == disk)
                .map(move |(index, _)| ShardId {
                    chunk,
                    index: index as u8,
                })
        })
    }

    fn slots<'a>(&self, layout: &'a Layout, chunk: ChunkId) -> &'a [DiskIndex] {
        let profile = layout.profile(self.profile);
        profile.map_or(&[], |profile| {
            layout.slots(profile, layout.pg_of(profile, chunk))
        })
    }
}
