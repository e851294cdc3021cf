//! Which chunks could lose least before something is lost.

use std::collections::{BTreeMap, HashMap};

use riquet_cluster::id::ChunkId;
use riquet_cluster::layout::Layout;
use riquet_cluster::profile::ProfileId;
use riquet_metadata::{Client, GroupId};
use serde::Serialize;

use crate::error::Error;

/// Debts of one page.
const PAGE: u32 = 1000;

/// Debts that are looked at, at most: each takes some 40 bytes here.
const LOOKED_AT: usize = 2_000_000;

/// Chunks that lack as many shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Risk {
    /// Shards that such a chunk can lose besides, and still be read.
    pub(super) spare: usize,
    /// Shards that it lacks.
    pub(super) lacking: usize,
    /// How many such chunks there are.
    pub(super) chunks: u64,
}

/// What is at risk, the most urgent first, and whether all debts were looked at.
pub(super) async fn risks(client: &Client, layout: &Layout) -> Result<(Vec<Risk>, bool), Error> {
    let mut lacking: HashMap<ChunkId, (ProfileId, usize)> = HashMap::new();
    let mut looked_at = 0;
    let mut is_whole = true;
    for group in GroupId::keys(client.cluster().await?.key_groups) {
        let mut after = None;
        loop {
            let (debts, more) = client.list_debts(group, None, after, PAGE).await?;
            after = debts.last().map(|listed| listed.debt.clone());
            looked_at += debts.len();
            for listed in debts {
                if let Some(blob) = listed.blob {
                    let chunk = listed.debt.shard.chunk;
                    lacking.entry(chunk).or_insert((blob.blob.profile, 0)).1 += 1;
                }
            }
            if !more {
                break;
            }
            if looked_at >= LOOKED_AT {
                is_whole = false;
                break;
            }
        }
    }
    Ok((counted(layout, lacking.into_values()), is_whole))
}

fn counted(layout: &Layout, chunks: impl Iterator<Item = (ProfileId, usize)>) -> Vec<Risk> {
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for (profile, lacking) in chunks {
        if let Some(profile) = layout.profile(profile) {
            let spare = (profile.k() + profile.parity()).saturating_sub(profile.k() + lacking);
            *counts.entry((spare, lacking)).or_default() += 1;
        }
    }
    let risks = counts.into_iter().map(|((spare, lacking), chunks)| Risk {
        spare,
        lacking,
        chunks,
    });
    risks.collect()
}
