//! What is owed to disks, and which chunks could lose least.

use std::collections::HashMap;

use riquet_cluster::admin::Risk;
use riquet_cluster::id::ChunkId;
use riquet_metadata::{Client, Error, GroupId};

/// Debts of one page.
const PAGE: u32 = 1000;

/// Debts of each group whose chunks are looked at: a look is to take no more than a second. `riquet repair
/// status` looks at all.
const LOOKED_AT: usize = 5000;

/// Counts what is owed.
pub(super) async fn risk(metadata: &Client, key_groups: u32) -> Result<Risk, Error> {
    let counts = metadata.debt_counts().await?;
    let mut risk = Risk {
        owed_shards: counts.iter().map(|count| count.shards).sum(),
        is_complete: true,
        ..Risk::default()
    };
    if risk.owed_shards == 0 {
        return Ok(risk);
    }
    let mut lacking: HashMap<ChunkId, u32> = HashMap::new();
    for group in GroupId::keys(key_groups) {
        let (mut after, mut looked_at) = (None, 0);
        loop {
            let (debts, more) = metadata.list_debts(group, None, after, PAGE).await?;
            after = debts.last().map(|listed| listed.debt.clone());
            looked_at += debts.len();
            for listed in debts.iter().filter(|listed| listed.blob.is_some()) {
                *lacking.entry(listed.debt.shard.chunk).or_default() += 1;
            }
            if !more {
                break;
            }
            if looked_at >= LOOKED_AT {
                risk.is_complete = false;
                break;
            }
        }
    }
    risk.chunks = lacking.len() as u64;
    risk.most_of_a_chunk = lacking.into_values().max().unwrap_or(0);
    Ok(risk)
}
