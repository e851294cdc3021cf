//! Where a layout places the shards of a blob.

use std::collections::BTreeSet;

use riquet_cluster::id::{ChunkId, DiskId, ShardId};
use riquet_cluster::layout::Layout;

use crate::record::BlobRef;

impl BlobRef {
    /// Its chunks, in order.
    pub fn chunks(&self) -> impl Iterator<Item = ChunkId> + use<> {
        let (blob, chunks) = (self.id, self.length_bytes.div_ceil(self.chunk_size_bytes));
        (0..u32::try_from(chunks).unwrap_or(u32::MAX)).map(move |seq| ChunkId { blob, seq })
    }

    /// The disks on which a layout places shards of the blob, or from which they come; none: it does
    /// not know the profile.
    pub fn disks(&self, layout: &Layout) -> Option<BTreeSet<DiskId>> {
        let profile = layout.profile(self.profile)?;
        let mut disks = BTreeSet::new();
        for chunk in self.chunks() {
            disks.extend(self.shards_of(layout, chunk).map(|(_, disk)| disk));
            let sources = layout.sources(profile.id, layout.pg_of(profile, chunk));
            disks.extend(sources.map(|disk| disk.id));
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
        let placed = self.chunks();
        let placed = placed.flat_map(move |chunk| self.shards_of(layout, chunk));
        let here = placed.filter(move |(_, at)| *at == disk);
        here.map(|(shard, _)| shard)
    }

    /// The disk on which a layout places a shard of the blob; none: it places no such shard.
    pub fn disk_of(&self, layout: &Layout, shard: ShardId) -> Option<DiskId> {
        let mut shards = self.shards_of(layout, shard.chunk);
        let found = shards.find(|(of_slot, _)| *of_slot == shard);
        found.map(|(_, disk)| disk)
    }

    /// The shards of one of its chunks, each with the disk on which a layout places it; none at all if
    /// the layout does not know the profile.
    pub fn shards_of<'a>(
        &self,
        layout: &'a Layout,
        chunk: ChunkId,
    ) -> impl Iterator<Item = (ShardId, DiskId)> + use<'a> {
        let slots = layout.profile(self.profile).map_or(&[][..], |profile| {
            layout.slots(profile, layout.pg_of(profile, chunk))
        });
        slots.iter().enumerate().map(move |(index, disk)| {
            let index = index as u8;
            (ShardId { chunk, index }, layout.disk(*disk).id)
        })
    }
}
