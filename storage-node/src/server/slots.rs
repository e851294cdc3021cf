//! What a disk holds, slot by slot: what a plan to move slots counts with.

use std::collections::BTreeMap;

use riquet_cluster::wire::shard::{SlotLoad, SlotLoads};

use crate::error::Error;
use crate::store::ShardStore;

/// Entries of the index that are read at once.
const PAGE: usize = 5000;

/// Adds up the disk's index.
pub(super) async fn loads(store: &ShardStore) -> Result<SlotLoads, Error> {
    let mut loads = BTreeMap::new();
    let mut after = None;
    loop {
        let page = store.placed(after, PAGE).await?;
        for shard in &page {
            let slot = (shard.profile, shard.pg, shard.id.index);
            let load: &mut (u64, u64) = loads.entry(slot).or_default();
            *load = (load.0 + 1, load.1 + shard.payload_len);
        }
        after = page.last().map(|shard| shard.id);
        if page.len() < PAGE {
            break;
        }
    }
    let load = |((profile, pg, slot), (shards, bytes))| SlotLoad {
        profile,
        pg,
        slot,
        shards,
        bytes,
    };
    Ok(SlotLoads {
        loads: loads.into_iter().map(load).collect(),
    })
}
