//! Which chunks lack shards, by what is owed of them.

use std::collections::{BTreeMap, HashMap, HashSet};

use riquet_cluster::id::{ChunkId, ShardId};
use riquet_cluster::layout::Layout;
use riquet_cluster::profile::ProfileId;

use super::Client;
use crate::error::Error;
use crate::id::GroupId;

/// Debts of one page.
const PAGE: u32 = 1000;

/// What is known of the chunks that lack shards: some 80 bytes for each shard that was looked at.
#[derive(Debug, Default)]
pub struct Lacking {
    /// A shard may be owed to two disks, while its slot moves from one to the other.
    shards: HashSet<ShardId>,
    chunks: HashMap<ChunkId, (ProfileId, usize)>,
}

/// How close chunks are to being lost; the closest come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Closeness {
    /// Shards that such a chunk can lose besides, and still be read.
    pub spare: usize,
    /// Shards that it lacks.
    pub lacking: usize,
}

impl Lacking {
    /// Looks at what a group owes, or at so much of it. Returns whether that was all.
    ///
    /// # Errors
    /// When no voter answers.
    pub async fn look(
        &mut self,
        client: &Client,
        group: GroupId,
        at_most: usize,
    ) -> Result<bool, Error> {
        let (mut after, mut looked_at) = (None, 0);
        loop {
            if looked_at >= at_most {
                return Ok(false);
            }
            let (debts, more) = client.list_debts(group, None, after, PAGE).await?;
            after = debts.last().map(|listed| listed.debt.clone());
            looked_at += debts.len();
            for listed in debts {
                if let Some(blob) = listed.blob {
                    self.note(listed.debt.shard, blob.blob.profile);
                }
            }
            if !more {
                return Ok(true);
            }
        }
    }

    /// Shards that were looked at.
    pub fn shards(&self) -> usize {
        self.shards.len()
    }

    /// How many chunks are how close to being lost; those of profiles that the layout does not know are
    /// left out.
    pub fn by_spare(&self, layout: &Layout) -> BTreeMap<Closeness, u64> {
        let mut counts = BTreeMap::new();
        for (profile, lacking) in self.chunks.values().copied() {
            if let Some(profile) = layout.profile(profile) {
                let spare = profile.parity().saturating_sub(lacking);
                *counts.entry(Closeness { spare, lacking }).or_default() += 1;
            }
        }
        counts
    }

    fn note(&mut self, shard: ShardId, profile: ProfileId) {
        if self.shards.insert(shard) {
            self.chunks.entry(shard.chunk).or_insert((profile, 0)).1 += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use riquet_cluster::profile::{Profile, SiteId};

    use super::*;
    use crate::testing::{blob_id, layout};

    #[test]
    fn a_shard_that_two_disks_are_owed_is_lacking_once() {
        let profile = ProfileId(7);
        let layout = Layout {
            profiles: vec![Profile {
                id: profile,
                name: "4/6".into(),
                data: 4,
                per_site: 6,
                sites: vec![SiteId(0), SiteId(1)],
                cell_size: 64,
                chunk_size: 256,
            }],
            ..layout(1)
        };
        let shard = |blob, index| ShardId {
            chunk: ChunkId {
                blob: blob_id(0, blob),
                seq: 0,
            },
            index,
        };
        let mut lacking = Lacking::default();
        for at in [shard(1, 0), shard(1, 0), shard(1, 7), shard(2, 3)] {
            lacking.note(at, profile);
        }
        lacking.note(shard(3, 0), ProfileId(99));
        let found: Vec<(Closeness, u64)> = lacking.by_spare(&layout).into_iter().collect();
        let at = |spare, lacking| Closeness { spare, lacking };
        assert_eq!(found, [(at(6, 2), 1), (at(7, 1), 1)]);
    }
}
